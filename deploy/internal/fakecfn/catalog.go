package fakecfn

import "cmp"

// ProvisionProductInput is a Service Catalog launch. Empty identifiers are generated.
type ProvisionProductInput struct {
	// Name is the provisioned product's name, which the requester chose.
	Name string

	// Principal is the ARN of the requester, for a role that of the session, such as
	// arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com.
	Principal string

	ProductID              string // prod-…
	ProvisioningArtifactID string // pa-…
	PortfolioID            string // port-…

	// CatalogAccount owns product and portfolio; empty means the account of the stack.
	CatalogAccount string

	// Stack is the stack to create. Its Name is replaced, and the AutoTags precede its Tags.
	Stack CreateStackInput
}

// ProvisionProduct launches a product as AWS Service Catalog does: the stack is named SC-<account>-pp-<id> and has the
// five AutoTags. Its errors are those of CreateStack.
//
// https://docs.aws.amazon.com/servicecatalog/latest/adminguide/autotags.html
func (e *Engine) ProvisionProduct(in ProvisionProductInput) (stackID, provisionedProductID string, err error) {
	provisionedProductID = "pp-" + e.catalogID()
	stack := in.Stack
	stack.Account = cmp.Or(stack.Account, e.cfg.Account)
	stack.Name = "SC-" + stack.Account + "-" + provisionedProductID
	stack.Tags = append(e.autoTags(in, stack.Account, provisionedProductID), in.Stack.Tags...)
	stackID, err = e.CreateStack(stack)
	return stackID, provisionedProductID, err
}

// UpdateProvisionedProductInput is an update of a launched product.
type UpdateProvisionedProductInput struct {
	// ProvisioningArtifactID is the product version; empty: that of the stack.
	ProvisioningArtifactID string

	// Stack is the update of the stack. Its Tags are replaced, and its parameters keep their values unless it names new ones.
	Stack UpdateStackInput
}

// UpdateProvisionedProduct updates a product as AWS Service Catalog does: of the AutoTags only the version changes. That of
// the principal still names who launched the product. Its errors are those of UpdateStack.
//
// https://docs.aws.amazon.com/servicecatalog/latest/dg/API_UpdateProvisionedProduct.html
func (e *Engine) UpdateProvisionedProduct(in UpdateProvisionedProductInput) error {
	update := in.Stack
	update.UsePreviousValues = true
	if st, ok := e.Stack(update.Stack); ok {
		update.Tags = st.Tags
	}
	for i := range update.Tags {
		if update.Tags[i].Key == tagArtifact && in.ProvisioningArtifactID != "" {
			update.Tags[i].Value = in.ProvisioningArtifactID
		}
	}
	return e.UpdateStack(update)
}

// tagArtifact is the AutoTag of the product version.
const tagArtifact = "aws:servicecatalog:provisioningArtifactIdentifier"

func (e *Engine) autoTags(in ProvisionProductInput, account, provisionedProductID string) []Tag {
	catalog := "arn:" + e.partition + ":catalog:" + e.cfg.Region + ":" + cmp.Or(in.CatalogAccount, account) + ":"
	owned := "arn:" + e.partition + ":servicecatalog:" + e.cfg.Region + ":" + account + ":stack/"
	portfolio, product, artifact := in.PortfolioID, in.ProductID, in.ProvisioningArtifactID
	if portfolio == "" {
		portfolio = "port-" + e.catalogID()
	}
	if product == "" {
		product = "prod-" + e.catalogID()
	}
	if artifact == "" {
		artifact = "pa-" + e.catalogID()
	}
	return []Tag{
		{"aws:servicecatalog:portfolioArn", catalog + "portfolio/" + portfolio},
		{"aws:servicecatalog:productArn", catalog + "product/" + product},
		{"aws:servicecatalog:provisionedProductArn", owned + cmp.Or(in.Name, provisionedProductID) + "/" + provisionedProductID},
		{tagArtifact, artifact},
		{"aws:servicecatalog:provisioningPrincipalArn", in.Principal},
	}
}

// catalogID returns an identifier in Service Catalog's form: 13 lower-case letters and digits.
func (e *Engine) catalogID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return makeID(e.cfg.NewID(), 13, lowerAlnum)
}
