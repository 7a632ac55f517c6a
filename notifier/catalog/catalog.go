// Package catalog finds the names of products in Service Catalog. It is a package of its
// own because its SDK would lengthen the bot's start.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"

	"countersign/handle"
)

// Names finds the names of Service Catalog products and their versions. It
// needs servicecatalog:DescribeProductAsAdmin. What it found, and that it failed, is
// remembered for the life of the process.
type Names struct {
	Client *servicecatalog.Client
	Now    func() time.Time
	Log    *slog.Logger

	mu    sync.Mutex
	known map[string]productNames // by product ID
}

type productNames struct {
	product  string            // empty if the call failed
	versions map[string]string // by provisioning artifact ID
	at       time.Time         // of the call
}

const (
	namesTimeout = time.Second      // CloudFormation is waiting for an answer
	namesTTL     = time.Hour        // a product may be renamed
	namesRetry   = 5 * time.Minute  // after a failure
	versionRetry = 30 * time.Second // for a version that the product did not have
	maxProducts  = 200
	maxName      = 200 // bytes
)

// NewFind returns Names.Find of a client with the settings of sdk.
func NewFind(sdk aws.Config, now func() time.Time, log *slog.Logger) func(ctx context.Context, product, version string) (productName, versionName string) {
	return (&Names{Client: servicecatalog.NewFromConfig(sdk), Now: now, Log: log}).Find
}

// Find returns the names of a product and a version by their IDs, or empty strings for
// names that it cannot find within a second.
func (n *Names) Find(ctx context.Context, product, version string) (productName, versionName string) {
	if product == "" {
		return "", ""
	}
	names, ok := n.remembered(product, version)
	if !ok {
		found, err := n.ask(ctx, product)
		if err != nil {
			n.Log.WarnContext(ctx, "couldn't look up the names of a product and its versions", "product", product, "error", err)
			found = names // those of an earlier call, if there are any
		}
		names = found
		n.remember(product, names)
	}
	return names.product, names.versions[version]
}

func (n *Names) remembered(product, version string) (productNames, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	names, ok := n.known[product]
	age := n.Now().Sub(names.at)
	_, listed := names.versions[version]
	switch {
	case names.product == "":
		return names, ok && age < namesRetry
	case version != "" && !listed:
		return names, ok && age < versionRetry
	}
	return names, ok && age < namesTTL
}

func (n *Names) remember(product string, names productNames) {
	names.at = n.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= maxProducts {
		n.known = map[string]productNames{}
	}
	n.known[product] = names
}

// ask reads a product with all its versions. See
// https://docs.aws.amazon.com/servicecatalog/latest/dg/API_DescribeProductAsAdmin.html
func (n *Names) ask(ctx context.Context, product string) (productNames, error) {
	ctx, cancel := context.WithTimeout(ctx, namesTimeout)
	defer cancel()
	out, err := n.Client.DescribeProductAsAdmin(ctx, &servicecatalog.DescribeProductAsAdminInput{Id: &product})
	if err != nil {
		return productNames{}, fmt.Errorf("couldn't describe the product: %w", err)
	}
	names := productNames{versions: map[string]string{}}
	if d := out.ProductViewDetail; d != nil && d.ProductViewSummary != nil {
		names.product = shownName(d.ProductViewSummary.Name)
	}
	if names.product == "" {
		return productNames{}, errors.New("the answer has no product name")
	}
	for _, v := range out.ProvisioningArtifactSummaries {
		names.versions[aws.ToString(v.Id)] = shownName(v.Name)
	}
	return names, nil
}

// shownName is a name as the record keeps it: on one line, without secrets.
func shownName(name *string) string {
	return handle.OneLine(handle.WaitURL{}.Redact(aws.ToString(name)), maxName)
}
