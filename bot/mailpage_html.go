package bot

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"countersign/handle"
)

var (
	//go:embed page.css
	pageCSS string

	pagePolicy = fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'", digest(pageCSS))
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// html renders the page. Every text and attribute is escaped where it is written;
// only the style sheet is raw. The page has no script and does not contain its
// address.
func (p page) html() g.Node {
	lead := []g.Node{h.Class("lead"), g.Text(p.Lead)}
	if p.Alert() {
		lead = append(lead, h.Role("alert"))
	}
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("robots"), h.Content("noindex")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text(p.Title)),
			h.StyleEl(g.Raw(pageCSS)),
		),
		h.Body(h.Main(
			h.H1(g.Text(p.Title)),
			h.P(lead...),
			g.If(p.Next != "", h.P(g.Text(p.Next))),
			g.Map(p.Groups, pageGroup.html),
			g.Iff(p.Form != nil, func() g.Node { return p.Form.html() }),
		)),
	))
}

func (p pageGroup) html() g.Node {
	return g.Group{
		h.H2(g.Text(p.Title)),
		h.Dl(g.Map(p.Fields, func(f handle.Field) g.Node {
			return g.Group{h.Dt(g.Text(f.Name)), h.Dd(g.Text(f.Value))}
		})),
	}
}

func (f pageForm) html() g.Node {
	reason, decide, why := "Reason (optional)", "Approve this launch", ""
	if f.Rejects() {
		reason, decide, why = "Reason", "Reject this launch", "The requester will see it. It also becomes the stack's failure reason."
	}
	return h.Form(h.Method("post"), g.Attr("accept-charset", "utf-8"),
		f.field("name", "Your name", "Recorded as the person who decided by mail.", func(about ...g.Node) g.Node {
			return h.Input(append(about, h.Required(), h.MaxLength("80"), h.AutoComplete("name"), h.Value(f.Name))...)
		}),
		f.field("code", "Code", "The six digits below the link in the mail.", func(about ...g.Node) g.Node {
			return h.Input(append(about, h.Required(), h.MaxLength("40"), g.Attr("inputmode", "numeric"), h.AutoComplete("off"), h.Value(f.Code))...)
		}),
		f.field("reason", reason, why, func(about ...g.Node) g.Node {
			return h.Textarea(append(about, h.Rows("4"), h.MaxLength("500"), g.If(f.Rejects(), h.Required()), g.Text(f.Reason))...)
		}),
		h.Div(h.Class("honeypot"), h.Aria("hidden", "true"),
			h.Label(h.For(honeypot), g.Text("Leave this empty")),
			h.Input(h.ID(honeypot), h.Name(honeypot), h.TabIndex("-1"), h.AutoComplete("off")),
		),
		h.Button(h.Type("submit"), h.Class(string(f.Verdict)), g.Text(decide)),
	)
}

// field is an input with its label, its hint and its error, all of which a screen
// reader reads.
func (f pageForm) field(name, label, hint string, input func(about ...g.Node) g.Node) g.Node {
	fault := f.Faults[name]
	var about []string
	if hint != "" {
		about = append(about, name+"-hint")
	}
	if fault != "" {
		about = append(about, name+"-fault")
	}
	nodes := []g.Node{
		h.ID(name), h.Name(name),
		g.If(len(about) > 0, h.Aria("describedby", strings.Join(about, " "))),
		g.If(fault != "", g.Group{h.Aria("invalid", "true"), h.AutoFocus()}),
	}
	return h.Div(h.Class("field"),
		h.Label(h.For(name), g.Text(label)),
		g.If(hint != "", h.P(h.Class("hint"), h.ID(name+"-hint"), g.Text(hint))),
		g.If(fault != "", h.P(h.Class("fault"), h.ID(name+"-fault"), g.Text(fault))),
		input(nodes...),
	)
}
