package gate

import "go.yaml.in/yaml/v4"

// part is the role of a resource in the gates of its template.
type part int

const (
	partNone    part = iota
	partNothing      // creates nothing
	partRequest      // a custom resource with the property WaitUrl
	partWait         // a wait condition for the handle of a request
	partVerdict      // a custom resource with the property RequestId
)

// parts are the gates of a template.
type parts struct {
	of       []part // by index of program.resources
	requests []*Resource
	waits    []*Resource
	verdicts []*Resource

	answers map[*Resource]*Resource // by verdict: the request that it checks; none if its RequestId is not a Ref to one
	handles map[*Resource]*Resource // by request or wait: its handle; none if that is not a Ref to one
}

func findParts(p *program) *parts {
	g := &parts{of: make([]part, len(p.resources)), answers: map[*Resource]*Resource{}, handles: map[*Resource]*Resource{}}
	asked := map[*Resource]bool{} // handles of requests
	for _, r := range p.resources {
		switch {
		case CreatesNothing(r.Type):
			g.of[r.Index] = partNothing
		case r.Kind == KindCustom && r.property("WaitUrl") != nil:
			g.of[r.Index], g.requests = partRequest, append(g.requests, r)
			if h := p.referred(r.property("WaitUrl")); h != nil && h.Kind == KindHandle {
				g.handles[r], asked[h] = h, true
			}
		}
	}
	for _, r := range p.resources {
		switch {
		case r.Kind == KindWait:
			if h := p.referred(r.property("Handle")); h != nil && h.Kind == KindHandle {
				g.handles[r] = h
				if asked[h] {
					g.of[r.Index], g.waits = partWait, append(g.waits, r)
				}
			}
		case r.Kind == KindCustom && g.of[r.Index] != partRequest && r.property("RequestId") != nil:
			g.of[r.Index], g.verdicts = partVerdict, append(g.verdicts, r)
			if q := p.referred(r.property("RequestId")); q != nil && g.of[q.Index] == partRequest {
				g.answers[r] = q
			}
		}
	}
	return g
}

// holding returns the resources that others must wait for: the verdicts that check a request of this template, or the waits
// if the template has no verdict.
func (g *parts) holding() []*Resource {
	if len(g.verdicts) == 0 {
		return g.waits
	}
	var list []*Resource
	for _, v := range g.verdicts {
		if g.answers[v] != nil {
			list = append(list, v)
		}
	}
	return list
}

// property returns the node of a property, or nil.
func (r *Resource) property(name string) *yaml.Node {
	return member(member(r.Node, "Properties"), name)
}

// referred returns the resource that n is a Ref to, or nil.
func (p *program) referred(n *yaml.Node) *Resource {
	name, ok := refName(n)
	if i, found := p.resourceIndex[name]; ok && found {
		return p.resources[i]
	}
	return nil
}

// CreatesNothing reports whether resources of a type create nothing, so that they need not wait for an approval.
func CreatesNothing(typ string) bool { return typ == typeHandle || typ == "AWS::CDK::Metadata" }
