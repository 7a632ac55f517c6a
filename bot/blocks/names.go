package blocks

import (
	"net/url"
	"strings"

	"countersign/handle"
)

const maxTitle = 100 // bytes of a product's name

// Title is the best name of what is launched, in plain text.
func Title(r handle.Request) string {
	for _, s := range []string{r.Product.Title(), r.Stack.Name} {
		if s = handle.OneLine(r.WaitURL.Redact(s), maxTitle); s != "" {
			return s
		}
	}
	return "a launch"
}

// requesterName is the requester's name in plain text: the proven one, else the
// e-mail address as typed.
func requesterName(r handle.Request) string {
	for _, s := range []string{r.Requester.PrincipalName(), r.Requester.Email} {
		if s = handle.OneLine(s, 100); s != "" {
			return s
		}
	}
	return "an unknown requester"
}

// requester mentions the requester, or names them if Slack does not know them. A
// claimed e-mail never overrides a proven principal; a person whom only the claim
// names is marked as claimed.
func requester(r handle.Request) string {
	switch {
	case r.Requester.Addressable() && r.Requester.Proven:
		return mention(r.Requester.SlackID)
	case r.Requester.Addressable():
		return mention(r.Requester.SlackID) + " (claimed)"
	}
	return code(requesterName(r), 100)
}

// identity says how the requester is known: proven by AWS, typed, or not at all.
func identity(r handle.Request, f Format) string {
	claim := handle.OneLine(r.WaitURL.Redact(r.Requester.Email), 150)
	switch {
	case r.Requester.Principal != "":
		s := "Proven by AWS: " + f.Text(r.Requester.Principal, 300)
		if claim != "" && claim != r.Requester.PrincipalName() {
			s += "\nE-mail as typed, not verified: " + f.Text(claim, 150)
		}
		return s
	case r.Stack.Unverified:
		s := f.warning() + "This launch has not been verified with CloudFormation yet, so no one can decide. Countersign keeps trying."
		if claim != "" {
			s += "\nE-mail as typed, not verified: " + f.Text(claim, 150)
		}
		return s
	case claim != "":
		return f.warning() + "Identity not verified. E-mail as typed: " + f.Text(claim, 150)
	}
	return f.warning() + "The requester is unknown."
}

func (f Format) warning() string {
	if f == Plain {
		return ""
	}
	return ":warning: "
}

// launch names the launch where no thread does: in private messages.
func launch(r handle.Request) string {
	s := bold(Title(r), maxTitle)
	if r.Product.Provisioned != "" {
		s += " (" + code(r.Product.Provisioned, 100) + ")"
	}
	return s + " in account " + code(r.Stack.Account, 20)
}

// stackPage is the URL of the stack in the AWS console.
func stackPage(r handle.Request) string {
	return console(r, "cloudformation") + "#/stacks/stackinfo?stackId=" + url.QueryEscape(r.Stack.ID)
}

// productPage is the URL of the product in the Service Catalog console, where it is
// launched.
func productPage(r handle.Request) string {
	if r.Product.ID == "" {
		return console(r, "servicecatalog") + "#/products"
	}
	return console(r, "servicecatalog") + "#/products/" + url.PathEscape(r.Product.ID)
}

// console is the URL of one service's console in the stack's Region.
func console(r handle.Request, service string) string {
	domain := "console.aws.amazon.com"
	switch {
	case strings.HasPrefix(r.Stack.ID, "arn:aws-cn:"):
		domain = "console.amazonaws.cn"
	case strings.HasPrefix(r.Stack.ID, "arn:aws-us-gov:"):
		domain = "console.amazonaws-us-gov.com"
	}
	return "https://" + domain + "/" + service + "/home?region=" + url.QueryEscape(r.Stack.Region)
}
