package bot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"countersign/bot/blocks"
	"countersign/handle"
)

// Approving several requests takes three steps: a form to choose, a list to review, and
// the result of each. Each request is decided and recorded separately, by the same path
// as a click.

// batchMetadata is the review list's private metadata: the requests that it showed, with
// blocks.Shown of each. It comes back under Slack's signature.
type batchMetadata struct {
	Requests [][2]string `json:"r,omitempty"`
	Home     bool        `json:"home,omitempty"` // opened on the Home tab, so refresh it
}

func (m batchMetadata) String() string {
	b, err := json.Marshal(m)
	if err != nil {
		return "" // unreachable: strings only
	}
	return string(b)
}

const batchAtOnce = 5 // requests that are read or decided at the same time

// chooseBatch opens the form to choose from the requests waiting for the person, within
// the search of the list that value names.
func (i *interaction) chooseBatch(value, trigger string) reply {
	_, q, err := parseListPage(value)
	if err != nil {
		return i.acknowledge(blocks.PageUnknown)
	}
	if refused := i.mayList(i.work); refused != "" {
		return i.acknowledge(refused)
	}
	q.list = listWaiting
	x := i.b.newReader(*i.voter)
	var items []blocks.Item
	more := false
	_, err = x.walk(i.work, "", listRead, func(s handle.Summary) bool {
		if it := x.item(s); it.Kind == handle.OpenPending && !it.Unidentified && q.listed(it) {
			items, more = limited(items, it, blocks.MaxBatch)
		}
		return !more
	})
	switch {
	case err != nil:
		return i.acknowledge(i.listError(err))
	case len(items) == 0:
		return i.acknowledge(blocks.BatchNoneWaiting)
	}
	form := blocks.BatchChoose(items, more, batchMetadata{Home: i.onHome()}.String())
	if err = i.open("open the form to approve several", trigger, form); err == nil {
		return ok
	}
	i.b.log().Warn("could not open the form to approve several", "user", i.user.ID, "error", err)
	return i.acknowledge(blocks.BatchNotOpened)
}

// newBatch reads the submission of one of the forms. known is false if this release
// can't read its metadata.
func (b *Bot) newBatch(d deadlines, payload viewSubmission) (i *interaction, m batchMetadata, known bool) {
	i = &interaction{b: b, deadlines: d, user: payload.User, organization: payload.Enterprise.ID, ticket: handle.Ticket{Verdict: handle.Approve}}
	known = json.Unmarshal([]byte(payload.View.PrivateMetadata), &m) == nil && len(m.Requests) <= blocks.MaxBatch
	return i, m, known
}

// reviewBatch shows the chosen requests as they are now.
func (b *Bot) reviewBatch(d deadlines, payload viewSubmission) (answer reply) {
	defer b.recovered("the form to approve several", &answer)
	i, m, known := b.newBatch(d, payload)
	wrong := func(text string) reply {
		return reply{status: http.StatusOK, errors: map[string]string{blocks.BatchBlock(0): text}}
	}
	if !known {
		return wrong(blocks.BatchFormUnknown)
	}
	var ids []string
	for n := range blocks.BatchGroups {
		for _, id := range payload.choices(blocks.BatchBlock(n), blocks.BatchChoice) {
			if _, _, valid := handle.SplitID(id); valid && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	switch {
	case len(ids) == 0:
		return wrong(blocks.BatchNothing)
	case len(ids) > blocks.MaxBatch:
		return wrong(blocks.BatchTooMany)
	}
	if refused := i.mayList(i.work); refused != "" {
		return wrong(refused)
	}
	chosen := make([]blocks.LeftOut, len(ids))
	i.each(len(ids), func(n int, i *interaction) {
		chosen[n] = i.reviewOne(ids[n])
	})
	var list []handle.Request
	var out []blocks.LeftOut
	for n, c := range chosen {
		switch {
		case c.ID == "":
			out = append(out, blocks.LeftOut{ID: ids[n], Why: blocks.BatchUnreadable})
		case c.Why != "":
			out = append(out, c)
		default:
			list = append(list, c.Request)
			m.Requests = append(m.Requests, [2]string{c.ID, blocks.Shown(c.Request)})
		}
	}
	return updated(blocks.BatchReview(list, out, m.String()))
}

// updated replaces the submitted modal with v.
func updated(v any) reply {
	return reply{status: http.StatusOK, body: map[string]any{"response_action": "update", "view": v}}
}

// each calls f concurrently for n requests, each with its own copy of the interaction,
// until the time for work ends.
func (i *interaction) each(n int, f func(n int, one *interaction)) {
	calls := make([]func(), n)
	for k := range n {
		calls[k] = func() {
			if i.work.Err() != nil {
				return
			}
			defer func() {
				if p := recover(); p != nil {
					i.b.logPanic("one request of a batch", p)
				}
			}()
			one := *i
			one.voter = nil // it has the groups of one request only
			f(k, &one)
		}
	}
	i.b.sideBySide(batchAtOnce, calls)
}

// reviewOne reads one request. Why is set if the person cannot approve it now.
func (i *interaction) reviewOne(id string) blocks.LeftOut {
	r, err := i.b.load(i.work, id)
	if err != nil {
		if !errors.Is(err, handle.ErrNotFound) {
			i.b.log().Warn("could not read a request", "request", id, "error", err)
		}
		return blocks.LeftOut{ID: id, Why: blocks.BatchUnreadable}
	}
	i.ticket.ID, i.opening = id, true // nothing is recorded
	e := i.rules(i.work, r, i.b.Now())
	o := outcome{request: r, refused: e.refused, err: e.err}
	switch {
	case o.refused != "" || o.err != nil:
		return blocks.LeftOut{ID: id, Request: r, Why: blocks.BatchRefused(i.answer(o, blocks.Mrkdwn))}
	case i.repeats(r):
		return blocks.LeftOut{ID: id, Request: r, Why: blocks.BatchRefused(blocks.Mrkdwn.Repeated(r, handle.Approve))}
	case r.Decision != nil:
		return blocks.LeftOut{ID: id, Request: r, Why: blocks.BatchRefused(blocks.Mrkdwn.Refused(r, handle.RefusedExpired))}
	}
	return blocks.LeftOut{ID: id, Request: r}
}

// errChanged means that a request has changed since the person reviewed it.
var errChanged = errors.New("the request has changed since it was reviewed")

// approveBatch decides the requests of the confirmed list. It decides all before it
// reconciles any. If time runs out, the sweep reconciles the rest.
func (b *Bot) approveBatch(d deadlines, payload viewSubmission) (answer reply) {
	defer b.recovered("several approvals", &answer)
	i, m, known := b.newBatch(d, payload)
	if !known || len(m.Requests) == 0 {
		return updated(blocks.Result(blocks.BatchFormUnknown))
	}
	deciding := *i
	var cancel context.CancelFunc
	deciding.work, cancel = context.WithTimeout(i.work, b.budget()*3/4)
	defer cancel()
	outcomes := make([]outcome, len(m.Requests))
	said := make([]blocks.BatchOutcome, len(m.Requests))
	deciding.each(len(m.Requests), func(n int, one *interaction) {
		outcomes[n], said[n] = one.approveOne(m.Requests[n][0], m.Requests[n][1])
	})
	var fresh []handle.Request
	for n, o := range outcomes {
		if said[n].ID == "" {
			said[n] = blocks.BatchOutcome{ID: m.Requests[n][0], What: blocks.BatchNotDone}
		}
		if o.request.ID != "" {
			fresh = append(fresh, o.request)
		}
	}
	i.whileReconciling(outcomes, func() {
		if m.Home {
			i.refreshHome("", fresh...)
		}
	})
	return updated(blocks.BatchResult(said))
}

// reconcileAll calls After for each outcome until time runs out.
func (b *Bot) reconcileAll(d deadlines, outcomes []outcome) {
	calls := make([]func(), len(outcomes))
	for n, o := range outcomes {
		calls[n] = func() { b.reconcile(d, o.request, o.holder)() }
	}
	b.sideBySide(batchAtOnce, calls)
}

// approveOne approves one request if it has not changed since it was shown.
func (i *interaction) approveOne(id, shown string) (outcome, blocks.BatchOutcome) {
	i.ticket.ID = id
	o := i.b.decide(i.work, attempt{request: id, evaluate: func(ctx context.Context, r handle.Request, now time.Time) evaluation {
		if r.Decision == nil && blocks.Shown(r) != shown {
			return evaluation{next: r, err: errChanged}
		}
		if r.Decision != nil && r.AwaitsRelaunchApproval(now) && !i.repeats(r) {
			return evaluation{next: r, refused: handle.RefusedExpired, by: i.person()} // the person reviewed a pending launch, not a relaunch
		}
		return i.evaluate(ctx, r, now)
	}})
	i.logResult(o)
	said := blocks.BatchOutcome{ID: id, Request: o.request}
	switch {
	case errors.Is(o.err, errChanged):
		said.What = blocks.BatchChanged
	case errors.Is(o.err, handle.ErrNotFound):
		said.What = blocks.BatchUnreadable
	case o.err != nil:
		said.What = blocks.BatchNotDone
	case o.refused != "":
		said.What = blocks.BatchRefused(i.answer(o, blocks.Mrkdwn))
	case o.request.State() == handle.Approved:
		said.What = blocks.BatchApproved
	case o.request.Decision == nil:
		said.What = blocks.BatchRecorded(o.request)
	default:
		said.What = blocks.BatchRefused(i.answer(o, blocks.Mrkdwn))
	}
	return o, said
}

// recovered answers after a panic in the handler of a modal.
func (b *Bot) recovered(what string, answer *reply) {
	if cause := recover(); cause != nil {
		b.logPanic(what, cause)
		*answer = updated(blocks.Result(blocks.MaybeRecorded))
	}
}
