package reconcile

import (
	"strings"

	"countersign/handle"
)

const maxTitle = 100 // bytes of a product's name

// The tags that Service Catalog puts on a stack. Users cannot set tags that
// begin with "aws:". See
// https://docs.aws.amazon.com/servicecatalog/latest/adminguide/autotags.html
const (
	tagPortfolio   = "aws:servicecatalog:portfolioArn"
	tagProduct     = "aws:servicecatalog:productArn"
	tagPrincipal   = "aws:servicecatalog:provisioningPrincipalArn"
	tagProvisioned = "aws:servicecatalog:provisionedProductArn"
	tagArtifact    = "aws:servicecatalog:provisioningArtifactIdentifier"
)

// product reads the product from the stack's tags.
func product(d Description) handle.Product {
	p := handle.Product{
		ID:        lastPart(d.Tags[tagProduct]),
		Version:   handle.OneLine(d.Tags[tagArtifact], 100),
		Portfolio: lastPart(d.Tags[tagPortfolio]),
	}
	if !handle.Garbled(d.Description) {
		p.Name = handle.OneLine(d.Description, maxTitle)
	}
	// arn:aws:servicecatalog:REGION:ACCOUNT:stack/NAME/pp-ID
	if parts := strings.Split(d.Tags[tagProvisioned], "/"); len(parts) == 3 {
		p.Provisioned, p.ProvisionedID = handle.OneLine(parts[1], 128), handle.OneLine(parts[2], 100)
	}
	return p
}

// principal is the ARN of the launching principal, as Service Catalog recorded it;
// empty without the tag.
func principal(d Description) string { return handle.OneLine(d.Tags[tagPrincipal], 300) }

func lastPart(arn string) string { return handle.OneLine(arn[strings.LastIndex(arn, "/")+1:], 100) }
