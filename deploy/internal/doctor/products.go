package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog/types"

	"countersign/deploy/gate"
	"countersign/handle"
)

const (
	nameProducts   = "products"
	actionProducts = "servicecatalog:DescribeProductAsAdmin and servicecatalog:DescribeProvisioningArtifact"

	maxProducts = 20
	maxVersions = 5 // of each product, the newest

	doProducts = "Save the version's template, fix it as this says, and publish a new version:" +
		"\n  go run ./deploy/countersign gate lint TEMPLATE"
)

// version is a launchable version of a product, and the findings about its gate.
type version struct {
	name     string // of product and version
	findings []gate.Finding
	err      error // why the template cannot be read
}

// checkProducts checks the gates of the products in the catalog's stack and of those launched recently, as
// "countersign gate lint" does.
func (d *doctor) checkProducts(ctx context.Context) []Finding {
	catalog, err := d.readStackNamed(ctx, d.Catalog)
	if err != nil && !errors.Is(err, errNoStack) {
		return []Finding{awsError(nameProducts, "cloudformation:DescribeStacks and cloudformation:ListStackResources", err)}
	}
	ids := catalog.ofKind("AWS::ServiceCatalog::CloudFormationProduct")
	var findings []Finding
	var versions []version
	read := 0
	for i, id := range d.withRecentProducts(ids) {
		if read == maxProducts {
			break
		}
		list, err := d.readVersions(ctx, id)
		var gone *types.ResourceNotFoundException
		switch {
		case errors.As(err, &gone) && i >= len(ids): // deleted since its launch, or in another account
			continue
		case err != nil:
			return []Finding{awsError(nameProducts, actionProducts, err)}
		}
		read++
		versions = append(versions, list...)
	}
	for _, v := range versions {
		if f, wrong := judgeVersion(v); wrong {
			findings = append(findings, f)
		}
	}
	switch {
	case read == 0:
		return []Finding{skipped(nameProducts, "no products in the stack %s, and none launched recently", d.Catalog)}
	case len(findings) == 0:
		return []Finding{ok(nameProducts, "the gates of %s pass lint: %s", plural(read, "product"), plural(len(versions), "version"))}
	}
	return findings
}

// withRecentProducts appends the products of recent requests in this account. If the requests cannot be read, another
// check says so.
func (d *doctor) withRecentProducts(ids []string) []string {
	ids = slices.Clone(ids)
	recent, no := d.needsRecent(nameProducts)
	who, _ := d.identity()
	if no != nil {
		return ids
	}
	for _, r := range slices.Backward(recent) {
		if arn := strings.Split(r.Stack.ID, ":"); r.Product.ID != "" && len(arn) > 4 && arn[4] == who.account && !slices.Contains(ids, r.Product.ID) {
			ids = append(ids, r.Product.ID)
		}
	}
	return ids
}

// readVersions reads the versions of a product that can be launched.
func (d *doctor) readVersions(ctx context.Context, id string) ([]version, error) {
	product, err := d.aws.serviceCatalog.DescribeProductAsAdmin(ctx, &servicecatalog.DescribeProductAsAdminInput{Id: &id})
	if err != nil {
		return nil, err
	}
	name := id
	if view := product.ProductViewDetail; view != nil && view.ProductViewSummary != nil {
		name = cmp.Or(aws.ToString(view.ProductViewSummary.Name), id)
	}
	summaries := slices.Clone(product.ProvisioningArtifactSummaries)
	slices.SortStableFunc(summaries, func(a, b types.ProvisioningArtifactSummary) int {
		return aws.ToTime(b.CreatedTime).Compare(aws.ToTime(a.CreatedTime))
	})
	var list []version
	for _, s := range summaries {
		if len(list) == maxVersions {
			break
		}
		out, err := d.aws.serviceCatalog.DescribeProvisioningArtifact(ctx, &servicecatalog.DescribeProvisioningArtifactInput{
			ProductId: &id, ProvisioningArtifactId: s.Id, Verbose: true, // with the template
		})
		if err != nil {
			return nil, err
		}
		detail := out.ProvisioningArtifactDetail
		if detail == nil || !aws.ToBool(detail.Active) || detail.Type != types.ProvisioningArtifactTypeCloudFormationTemplate {
			continue
		}
		v := version{name: name + " " + aws.ToString(s.Name)}
		if source, ok := out.Info["CloudFormationTemplate"]; !ok {
			v.err = errors.New("its template is not in Service Catalog's answer")
		} else if t, err := gate.Parse([]byte(source)); err != nil {
			v.err = err
		} else {
			v.findings = t.Lint()
		}
		list = append(list, v)
	}
	return list, nil
}

// judgeVersion returns the worst finding of a version, and the number of the others. Notes are not worth a finding.
func judgeVersion(v version) (Finding, bool) {
	name := handle.OneLine(v.name, 80)
	if v.err != nil {
		return unchecked(nameProducts, fmt.Sprintf("the template of %s cannot be read: %s", name, handle.OneLine(v.err.Error(), 200)), "Save the template of this version and check it:\n  go run ./deploy/countersign gate lint TEMPLATE"), true
	}
	for _, level := range []struct {
		of   gate.Level
		make func(name, found, do string) Finding
	}{{gate.LevelError, fault}, {gate.LevelWarning, warning}} {
		var some []gate.Finding
		for _, f := range v.findings {
			if f.Level == level.of {
				some = append(some, f)
			}
		}
		if len(some) == 0 {
			continue
		}
		found := fmt.Sprintf("%s: %s (line %d)", name, handle.OneLine(some[0].Message, 300), some[0].Line)
		if n := len(some) - 1; n > 0 {
			found += fmt.Sprintf(", and %d more", n)
		}
		return level.make(nameProducts, found, doProducts), true
	}
	return Finding{}, false
}
