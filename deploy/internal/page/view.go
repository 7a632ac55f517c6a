package page

import (
	"net/http"

	"countersign/deploy/internal/sandbox"
)

// seen says who looks, and at which stack.
type seen struct{ Person, Stack string }

// seenBy reads it off a request's query: as is a Slack user ID, stack a stack's.
func seenBy(r *http.Request) seen {
	q := r.URL.Query()
	return seen{Person: q.Get("as"), Stack: q.Get("stack")}
}

// view is the page as one person sees it.
type view struct {
	Build  string
	Viewer person
	Cast   []person
	Stack  string // the one that was asked for

	Clock  clock
	Hints  []hint
	Form   form
	Stacks stacks
	Slack  channel
	Modal  *modal // nil: none is open
	Mail   mailbox
	Record auditPane
}

// view looks at the world now.
func (p *Page) view(r *http.Request) (view, error) {
	s, err := p.look(r.Context())
	if err != nil {
		return view{}, err
	}
	return p.draw(s, seenBy(r)), nil
}

// draw makes the view of a scene. What Slack shows to one person alone is read
// now.
func (p *Page) draw(s scene, who seen) view {
	w := p.world.Slack
	n := namesOf(w)
	viewer, ok := personOf(who.Person, n.users)
	if !ok {
		viewer, _ = personOf(cast[0].ID, n.users)
	}
	eyes := reader{names: n, viewer: viewer.ID}
	v := view{
		Build: build, Viewer: viewer, Cast: cast, Stack: who.Stack,
		Clock:  clockOf(s),
		Hints:  hintsFor(s.Stacks, s.Requests, viewer),
		Form:   p.form(s, viewer),
		Stacks: stacksFor(s.Stacks, n, viewer, who.Stack),
		Slack:  eyes.channel(w, sandbox.Channel, viewer, p.failed.now(), s.Weather),
		Mail:   mailbox{s.Letters},
		Record: recordOf(s.Requests, n),
	}
	if open, ok := w.Modal(viewer.ID); ok {
		m := eyes.modal(open)
		v.Modal = &m
	}
	return v
}

// panes draws what changes: HTML by the name of its place in the page.
func (v view) panes() (map[string]string, error) {
	out := map[string]string{}
	for name, data := range map[string]any{
		"clock": v.Clock, "hints": v.Hints, "launch": v.Form, "stacks": v.Stacks,
		"slack": v.Slack, "modal": v.Modal, "mail": v.Mail, "record": v.Record,
	} {
		html, err := render(name, data)
		if err != nil {
			return nil, err
		}
		out[name] = html
	}
	return out, nil
}

// serveState serves the panes as one JSON document: what the stream sends, once.
func (p *Page) serveState(w http.ResponseWriter, r *http.Request) {
	v, err := p.view(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	panes, err := v.panes()
	if err != nil {
		p.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"build": build, "now": v.Clock.Now.UnixMilli(), "panes": panes})
}
