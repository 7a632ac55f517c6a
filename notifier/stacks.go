package notifier

import (
	"context"
	"errors"
	"strings"
	"time"

	"countersign/handle"
)

// Stacks tells of CloudFormation stacks.
type Stacks interface {
	// Describe tells of one stack, also of one that was deleted of late. The
	// error is ErrNoStack if there is no such stack here, or ErrDenied.
	Describe(ctx context.Context, stackID string) (Description, error)

	// FirstFailure is the reason of the resource whose failure ended the latest
	// operation on the stack, with its logical ID; empty if none is found.
	FirstFailure(ctx context.Context, stackID string) (string, error)
}

// ErrNoStack says that there is no such stack in this account and Region.
var ErrNoStack = errors.New("no such stack")

// ErrDenied says that the stack may not be read, as one of another account.
var ErrDenied = errors.New("the stack may not be read")

// Description is what CloudFormation says of a stack.
type Description struct {
	Status, Reason string // such as CREATE_COMPLETE
	Description    string // the template's own
	Tags           map[string]string
	Parameters     []handle.Field // NoEcho ones come as asterisks
	Outputs        []handle.Field
	Updated        time.Time // when its last update began; zero: never
}

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

// product reads the product's facts off the stack's tags.
func (d Description) product() handle.Product {
	p := handle.Product{
		Name:      handle.OneLine(d.Description, maxTitle),
		ID:        lastPart(d.Tags[tagProduct]),
		Version:   handle.OneLine(d.Tags[tagArtifact], 100),
		Portfolio: lastPart(d.Tags[tagPortfolio]),
	}
	// arn:aws:servicecatalog:REGION:ACCOUNT:stack/NAME/pp-ID
	if parts := strings.Split(d.Tags[tagProvisioned], "/"); len(parts) == 3 {
		p.Provisioned, p.ProvisionedID = handle.OneLine(parts[1], 128), handle.OneLine(parts[2], 100)
	}
	return p
}

// principal is the ARN of who launched, as Service Catalog saw it; empty if no
// tag proves it.
func (d Description) principal() string { return handle.OneLine(d.Tags[tagPrincipal], 300) }

func lastPart(arn string) string { return handle.OneLine(arn[strings.LastIndex(arn, "/")+1:], 100) }

// parseStackID takes apart a stack's ARN,
// arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/UUID.
func parseStackID(arn string) (region, account, name string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "cloudformation" {
		return "", "", "", false
	}
	path := strings.Split(parts[5], "/")
	if len(path) != 3 || path[0] != "stack" || path[1] == "" || path[2] == "" {
		return "", "", "", false
	}
	return parts[3], parts[4], path[1], true
}
