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

// requester mentions the requester, or names them in at most n bytes if Slack does not
// know them. A claimed e-mail never overrides a proven principal; a person whom only the
// claim names is marked as claimed.
func requester(r handle.Request, n int) string {
	switch {
	case r.Requester.Addressable() && r.Requester.Proven:
		return mention(r.Requester.SlackID)
	case r.Requester.Addressable():
		return mention(r.Requester.SlackID) + " (claimed)"
	}
	if name := handle.OneLine(r.Requester.PrincipalName(), n); name != "" {
		return code(name, n)
	}
	if claim := handle.OneLine(r.WaitURL.Redact(r.Requester.Email), n); claim != "" {
		return code(claim, n) + " (claimed)"
	}
	return "An unknown requester"
}

// asks says who wants to launch what and where, with at most n bytes of each outside
// text.
func asks(r handle.Request, n int) string {
	return requester(r, n) + " wants to " + Operation(r) + " " + shortLaunch(r, n)
}

// launch names the launch where no thread does: in private messages.
func launch(r handle.Request) string { return shortLaunch(r, maxTitle) }

// shortLaunch is launch with at most n bytes of each outside text.
func shortLaunch(r handle.Request, n int) string {
	s := bold(Title(r), n)
	if name := handle.OneLine(r.WaitURL.Redact(r.Product.Provisioned), n); name != "" && name != Title(r) {
		s += " as " + code(name, n)
	}
	return s + " in " + place(r.Stack.Account, r.Stack.AccountName, r.Stack.Region, n)
}

// place names an account, by its label if it has one, and a Region. The label takes at
// most n bytes.
func place(account, label, region string, n int) string {
	s := "account " + code(account, 20)
	if label = handle.OneLine(label, min(n, 60)); label != "" {
		s = bold(label, 60) + " (" + s + ")"
	}
	return s + ", " + code(region, 30)
}

// plainPlace is place in plain text.
func plainPlace(r handle.Request) string {
	account := r.Stack.AccountLabel()
	if handle.Blank(r.Stack.AccountName) {
		account = "account " + r.Stack.Account
	}
	return handle.OneLine(account, 100) + ", " + handle.OneLine(r.Stack.Region, 30)
}

// principal is the readable end of a principal's ARN: role and session, or the user.
// Identity sources choose the session's name, so the role belongs to it.
func principal(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		return handle.OneLine(strings.TrimPrefix(parts[5], "assumed-role/"), 200)
	}
	return handle.OneLine(arn, 200)
}

// identity says how the requester is known: proven by AWS, typed, or not at all.
func identity(r handle.Request, f Format) string {
	claim := handle.OneLine(r.WaitURL.Redact(r.Requester.Email), 150)
	switch {
	case r.Requester.Principal != "":
		s := "Proven by AWS: " + f.Text(r.WaitURL.Redact(principal(r.Requester.Principal)), 200)
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

// stackPage is the URL of the stack in the AWS console; empty if that is not public.
func stackPage(r handle.Request) string {
	return console(r, "cloudformation", "#/stacks/stackinfo?stackId="+url.QueryEscape(r.Stack.ID))
}

// productPage is the URL of the product in the Service Catalog console, where it is
// launched; empty if that is not public.
func productPage(r handle.Request) string {
	if r.Product.ID == "" {
		return console(r, "servicecatalog", "#/products")
	}
	return console(r, "servicecatalog", "#/products/"+url.PathEscape(r.Product.ID))
}

// consoles are the console's hosts by partition. Those of the isolated partitions are
// not public. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
var consoles = map[string]string{
	"aws":        "console.aws.amazon.com",
	"aws-cn":     "console.amazonaws.cn",
	"aws-us-gov": "console.amazonaws-us-gov.com",
	"aws-eusc":   "console.amazonaws-eusc.eu",
}

// console is the URL of a page of one service's console in the stack's Region; empty if
// it is unknown.
func console(r handle.Request, service, page string) string {
	partition := "aws" // of a stack whose ARN is unknown
	if parts := strings.SplitN(r.Stack.ID, ":", 3); parts[0] == "arn" && len(parts) == 3 {
		partition = parts[1]
	}
	host := consoles[partition]
	if host == "" {
		return ""
	}
	return "https://" + host + "/" + service + "/home?region=" + url.QueryEscape(r.Stack.Region) + page
}
