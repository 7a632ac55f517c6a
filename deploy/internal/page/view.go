package page

import (
	"net/http"

	"countersign/deploy/internal/sandbox"
)

// viewParams says as whom the page is seen, and which stack is selected.
type viewParams struct{ Person, Stack string }

// parseViewParams reads the query parameters as (a Slack user ID) and stack (a
// stack ID).
func parseViewParams(r *http.Request) viewParams {
	q := r.URL.Query()
	return viewParams{Person: q.Get("as"), Stack: q.Get("stack")}
}

// view is the page as one person sees it.
type view struct {
	Build  string
	Viewer person
	People []person
	Stack  string // the stack ID in the query

	Clock  clockPane
	Hints  []hint
	Form   form
	Stacks stacks
	Slack  channel
	Modal  *modal // nil if none is open
	Mail   mailPane
	Record recordPane
}

// view returns the current view.
func (p *Page) view(r *http.Request) (view, error) {
	s, err := p.snapshot(r.Context())
	if err != nil {
		return view{}, err
	}
	return p.draw(s, parseViewParams(r)), nil
}

// draw returns one person's view of a snapshot. What Slack shows only to that
// person is read live.
func (p *Page) draw(s snapshot, who viewParams) view {
	w := p.sandbox.Slack
	n := namesOf(w)
	people := p.people()
	viewer, ok := findPerson(people, who.Person, n.users)
	if !ok {
		viewer, _ = findPerson(people, people[0].ID, n.users)
	}
	rd := reader{names: n, viewer: viewer.ID}
	v := view{
		Build: build, Viewer: viewer, People: people, Stack: who.Stack,
		Clock:  newClockPane(s),
		Hints:  nextSteps(s.Stacks, s.Requests, viewer),
		Form:   p.form(s, viewer),
		Stacks: stacksFor(s.Stacks, n, p.template.Parameters(), viewer, who.Stack),
		Slack:  rd.channel(w, sandbox.Channel, viewer, p.buttonErrors.snapshot(), s.Outage),
		Mail:   mailPane{s.Mails},
		Record: newRecordPane(s.Requests, n),
	}
	v.Slack.Real = p.workspace
	if p.workspace != nil {
		v.Hints = nil
	}
	if open, ok := w.Modal(viewer.ID); ok {
		m := rd.modal(open)
		v.Modal = &m
	}
	return v
}

// panes renders the parts of the page that change, by the name in data-pane.
func (v view) panes() (map[string]string, error) {
	out := map[string]string{}
	for name, pane := range map[string]struct {
		template string
		data     any
	}{
		"clock": {"clock", v.Clock}, "hints": {"hints", v.Hints}, "launch": {"launch", v.Form}, "stacks": {"stacks", v.Stacks},
		"slack": {"slack", v.Slack}, "modal": {"modal", v.Modal}, "mail": {"mail-pane", v.Mail}, "record": {"record", v.Record},
	} {
		html, err := render(pane.template, pane.data)
		if err != nil {
			return nil, err
		}
		out[name] = html
	}
	return out, nil
}

// serveState serves all panes as one JSON document.
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
	writeJSON(w, http.StatusOK, map[string]any{"build": build, "now": v.Clock.Now.UnixMilli(), "panes": panes})
}
