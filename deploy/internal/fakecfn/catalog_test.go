package fakecfn_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakecfn"
)

func TestProvisionProduct(t *testing.T) {
	w := newFixture(t)
	id, pp, err := w.engine.ProvisionProduct(fakecfn.ProvisionProductInput{
		Name: "my-queue", Principal: "arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com",
		ProductID: "prod-abcdefghijklm", ProvisioningArtifactID: "pa-abcdefghijklm", PortfolioID: "port-abcdefghijklm",
		CatalogAccount: "444455556666",
		Stack: fakecfn.CreateStackInput{
			Template: mustParse(t, diamondTemplate), Tags: []fakecfn.Tag{{Key: "CostCenter", Value: "42"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	st := w.stack(id)
	if !regexp.MustCompile(`^SC-111122223333-pp-[a-z0-9]{13}$`).MatchString(st.Name) || st.Name != "SC-111122223333-"+pp {
		t.Errorf("stack name: got %q, provisioned product %q", st.Name, pp)
	}
	want := []fakecfn.Tag{
		{Key: "aws:servicecatalog:portfolioArn", Value: "arn:aws:catalog:us-east-1:444455556666:portfolio/port-abcdefghijklm"},
		{Key: "aws:servicecatalog:productArn", Value: "arn:aws:catalog:us-east-1:444455556666:product/prod-abcdefghijklm"},
		{Key: "aws:servicecatalog:provisionedProductArn", Value: "arn:aws:servicecatalog:us-east-1:111122223333:stack/my-queue/" + pp},
		{Key: "aws:servicecatalog:provisioningArtifactIdentifier", Value: "pa-abcdefghijklm"},
		{Key: "aws:servicecatalog:provisioningPrincipalArn", Value: "arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com"},
		{Key: "CostCenter", Value: "42"},
	}
	if diff := cmp.Diff(want, st.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

// Empty Service Catalog identifiers are generated for each launch.
func TestEmptyIdentifiersAreGenerated(t *testing.T) {
	w := newFixture(t)
	names := map[string]bool{}
	for range 50 {
		id, _, err := w.engine.ProvisionProduct(fakecfn.ProvisionProductInput{Stack: fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate)}})
		if err != nil {
			t.Fatal(err)
		}
		st := w.stack(id)
		names[st.Name] = true
		for i, form := range []string{
			`^arn:aws:catalog:us-east-1:111122223333:portfolio/port-[a-z0-9]{13}$`,
			`^arn:aws:catalog:us-east-1:111122223333:product/prod-[a-z0-9]{13}$`,
			`^arn:aws:servicecatalog:us-east-1:111122223333:stack/pp-[a-z0-9]{13}/pp-[a-z0-9]{13}$`,
			`^pa-[a-z0-9]{13}$`,
		} {
			if !regexp.MustCompile(form).MatchString(st.Tags[i].Value) {
				t.Errorf("%s: got %q, want %s", st.Tags[i].Key, st.Tags[i].Value, form)
			}
		}
	}
	if len(names) != 50 {
		t.Errorf("names: got %d different ones of 50", len(names))
	}
}
