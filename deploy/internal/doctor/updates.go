package doctor

import (
	"cmp"
	"context"
	"fmt"

	"countersign/handle"
)

const (
	nameUpdates = "updates"

	doUpdates = "Add the properties Parameters and Template to the request resource of their templates, as in deploy/product.yaml, and publish the new versions. " +
		"docs/template.md says how updates ask. This writes Template:" +
		"\n  go run ./deploy/countersign gate digest --write TEMPLATE"
)

// checkUpdates names the products whose updates would not ask for an approval, because
// the gate of their most recent launch does not pass on what an update can change.
func (d *doctor) checkUpdates(context.Context) []Finding {
	recent, no := d.needsRecent(nameUpdates)
	if no != nil {
		return no
	}
	return judgeUpdates(recent)
}

// judgeUpdates judges each product by the last of its requests, which are in the order of
// their creation.
func judgeUpdates(recent []handle.Request) []Finding {
	within := fmt.Sprintf("in the last %d days", recentDays)
	var products []string
	last := map[string]handle.Request{}
	for _, r := range recent {
		key := cmp.Or(r.Product.ID, r.Product.Name, r.Stack.Name)
		if _, ok := last[key]; !ok {
			products = append(products, key)
		}
		last[key] = r
	}
	var silent, template, parameters []string
	for _, key := range products {
		r := last[key]
		name := handle.OneLine(cmp.Or(r.Product.Name, key), 60)
		switch noParameters := r.Content.GateParameters == ""; {
		case noParameters && r.Content.GateTemplate == "":
			silent = append(silent, name)
		case r.Content.GateTemplate == "":
			template = append(template, name)
		case noParameters && len(r.Parameters) > 0:
			parameters = append(parameters, name)
		}
	}
	var findings []Finding
	for _, f := range []struct {
		which string
		names []string
	}{{"updates", silent}, {"updates that change only the template", template}, {"updates that change only parameters", parameters}} {
		if len(f.names) > 0 {
			findings = append(findings, warning(nameUpdates, f.which+" of these products take effect without an approval: "+list(f.names, 5), doUpdates))
		}
	}
	switch {
	case len(recent) == 0:
		return []Finding{skipped(nameUpdates, "no requests %s", within)}
	case len(findings) == 0:
		return []Finding{ok(nameUpdates, "updates of all products with requests %s need an approval: %s", within, plural(len(products), "product"))}
	}
	return findings
}
