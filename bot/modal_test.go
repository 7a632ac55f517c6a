package bot_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/handle"
)

// wantFormError checks that the form stays open with an error at the reason.
func (w *world) wantFormError(res response, want string) {
	w.Helper()
	w.wantErrorAt(res, "reason", want)
}

// wantErrorAt checks that a form stays open with an error at a block.
func (w *world) wantErrorAt(res response, block, want string) {
	w.Helper()
	var got struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
	}
	if err := json.Unmarshal([]byte(res.body), &got); err != nil {
		w.Errorf("response to a form: got %q: %v", res.body, err)
		return
	}
	text := got.Errors[block]
	if res.status != http.StatusOK || got.Action != "errors" || len(got.Errors) != 1 || !strings.Contains(text, want) {
		w.Errorf("response to a form: got %d %s, want %q at %s", res.status, res.body, want, block)
	}
	if strings.ContainsAny(text, "<>`") || strings.Contains(text, "&lt;") {
		w.Errorf("markup in plain text: %q", text)
	}
	if kind := res.header.Get("Content-Type"); kind != "application/json; charset=utf-8" {
		w.Errorf("content type: got %q", kind)
	}
}

// TestReject clicks Reject, submits the form, and does both again.
func TestReject(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.wantAck(w.send(w.reject(r)))
	w.wantVotes(r.ID, 0, handle.Pending)
	w.wantPrivate()
	opened := w.slack.of("views.open")
	if len(opened) != 1 || opened[0].params.Get("trigger_id") == "" {
		t.Fatalf("views.open: got %+v, want one call", opened)
	}
	if n := w.store.Counts(); n.Reads != 1 || n.Writes != 0 {
		t.Errorf("calls of the store to open the form: got %+v, want one read", n)
	}

	view := opened[0].view(t)
	blocks, _ := json.Marshal(view["blocks"])
	for _, want := range []string{"Analytics workbench", "@U0REQUESTER", "robin.requester@example.com", "Proven by AWS", "111122223333"} {
		if !strings.Contains(string(blocks), want) {
			t.Errorf("the form does not show %q: %s", want, blocks)
		}
	}
	d := w.submission(r).set(view["private_metadata"], "view", "private_metadata").set(view["callback_id"], "view", "callback_id")
	w.wantAck(w.send(d))
	got := w.wantVotes(r.ID, 1, handle.Rejected)
	if want := "Use the shared cluster & ask <finance> first"; got.Decision.Reason != want || got.Decision.By.ID != approver {
		t.Errorf("the decision: got %+v, want by %s because %q", got.Decision, approver, want)
	}
	if after := w.afterCalls(); len(after) != 1 || after[0].holder == "" {
		t.Errorf("After: got %+v, want one call under a lease", after)
	}
	w.wantPrivate()

	w.wantAck(w.send(d)) // again
	w.wantVotes(r.ID, 1, handle.Rejected)
	w.wantAck(w.send(w.reject(r)))
	w.wantPrivate("You already rejected this request.")
}

// TestRejectAdoptsMessage adopts a copied message by its click and by its form.
func TestRejectAdoptsMessage(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.wantAck(w.send(w.reject(r).set("1795341700.000300", "container", "message_ts")))
	if got := w.stored(r.ID); len(got.Messages) != 2 || len(w.afterCalls()) != 1 {
		t.Errorf("after the click: got messages %v and %d calls of After", got.Messages, len(w.afterCalls()))
	}
	metadata := w.slack.of("views.open")[0].view(t)["private_metadata"].(string)
	metadata = strings.Replace(metadata, "1795341700.000300", "1795341800.000400", 1)
	w.wantAck(w.send(w.submission(r).set(metadata, "view", "private_metadata")))
	if got := w.wantVotes(r.ID, 1, handle.Rejected); len(got.Messages) != 3 {
		t.Errorf("after the form: got messages %v, want 3", got.Messages)
	}
}

// TestRejectRefused clicks Reject as a user who may not decide: no form opens, and a
// form submitted nevertheless shows the reason.
func TestRejectRefused(t *testing.T) {
	tests := []struct {
		name          string
		by            string
		edit          func(*world, *handle.Request)
		change        func(document)
		private, form string
		why           handle.RefusalReason
	}{
		{name: "not an approver", by: outsider, private: "You aren't an approver", form: "The message names the approvers.", why: handle.RefusedNotApprover},
		{
			name: "own request", by: requester, private: "This is your own request", form: "This is your own request", why: handle.RefusedOwnRequest,
			edit: func(_ *world, r *handle.Request) { r.Terms.Approvers = append(r.Terms.Approvers, requester) },
		},
		{
			name: "different Slack workspace", by: approver, private: "different Slack workspace", form: "different Slack workspace", why: handle.RefusedOtherWorkspace,
			change: func(d document) { d.set("T0ELSEWHERE", "user", "team_id") },
		},
		{
			name: "unverified", by: approver, private: "Slack could not confirm who you are", form: "Slack could not confirm who you are", why: handle.RefusedUnverified,
			edit: func(w *world, _ *handle.Request) { w.slack.fail["users.info"] = "fatal_error" },
		},
		{
			name: "decided", by: approver, private: "Already approved by `Kim` (by mail, name as typed)", form: "Already approved by Kim (by mail, name as typed), 2026-11-22 10:01 UTC.", why: handle.RefusedDecided,
			edit: func(_ *world, r *handle.Request) {
				*r, _ = r.VoteByMail("Kim", handle.Approve, "", launched.Add(time.Minute))
			},
		},
		{
			name: "expired", by: approver, private: "This request expired", form: "This request expired without a decision (2026-11-22 10:05 UTC)", why: handle.RefusedExpired,
			edit: func(_ *world, r *handle.Request) { r.Terms.Deadline = launched.Add(5 * time.Minute) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch(func(r *handle.Request) {
				if tt.edit != nil {
					tt.edit(w, r)
				}
			})
			by := func(d document) document {
				d.by(tt.by)
				if tt.change != nil {
					tt.change(d)
				}
				return d
			}
			w.wantAck(w.send(by(w.reject(r))))
			w.wantPrivate(tt.private)
			if n := w.slack.count("views.open"); n != 0 {
				t.Errorf("forms opened: got %d, want none", n)
			}
			w.wantFormError(w.send(by(w.submission(r))), tt.form)
			got := w.stored(r.ID)
			if got.State() == handle.Rejected || got.CountRefusals(tt.why) != 2 {
				t.Errorf("request: got %s with %d refusals because of %q, want 2", got.State(), got.CountRefusals(tt.why), tt.why)
			}
		})
	}
}

func TestSubmission(t *testing.T) {
	metadata := func(s string) func(document) {
		return func(d document) { d.set(s, "view", "private_metadata") }
	}
	reason := func(v any) func(document) {
		return func(d document) { d.set(v, "view", "state", "values", "reason", "reason", "value") }
	}
	const why = "Give a reason of at least 3 characters"
	tests := []struct {
		name   string
		change func(document)
		wrong  string // empty if the rejection counts
	}{
		{"a reason", func(document) {}, ""},
		{"without a message", metadata(`{"ticket":"TICKET"}`), ""},
		{"three characters", reason("ñoñ"), ""},
		{"blank", reason(" \n\t "), why},
		{"two characters", reason("no"), why},
		{"null", reason(nil), why},
		{"no text", reason(map[string]any{"rich": true}), why},
		{"no state", func(d document) { d.set(nil, "view", "state") }, why},
		{"another input", func(d document) { d.set(map[string]any{"x": map[string]any{}}, "view", "state", "values") }, why},
		{"unknown inputs", func(d document) {
			d.set(map[string]any{"dial": 7, "list": []any{}}, "view", "state", "values", "x")
		}, ""},
		{"no metadata", metadata(""), "This form belongs to an unknown request."},
		{"metadata from a different form", metadata("[]"), "This form belongs to an unknown request"},
		{"a ticket to approve", metadata(`{"ticket":"APPROVE"}`), "This form belongs to an unknown request"},
		{"a ticket of an unknown request", metadata(`{"ticket":"v1.abcdefghabcdefgh-abcdefgh.reject"}`), "This form belongs to an unknown request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			d := w.submission(r)
			tt.change(d)
			view := d["view"].(map[string]any)
			view["private_metadata"] = strings.NewReplacer(
				"TICKET", handle.Ticket{ID: r.ID, Verdict: handle.Reject}.String(),
				"APPROVE", handle.Ticket{ID: r.ID, Verdict: handle.Approve}.String(),
			).Replace(view["private_metadata"].(string))
			res := w.send(d)
			if tt.wrong == "" {
				w.wantAck(res)
				w.wantVotes(r.ID, 1, handle.Rejected)
				return
			}
			w.wantFormError(res, tt.wrong)
			w.wantVotes(r.ID, 0, handle.Pending)
		})
	}
}

func TestFormDoesNotOpen(t *testing.T) {
	tests := []struct{ code, private string }{
		{"expired_trigger_id", "Slack took too long to open the form, so nothing was recorded. Click Reject again."},
		{"trigger_expired", "Slack took too long to open the form"},
		{"exchanged_trigger_id", "Slack took too long to open the form"},
		{"invalid_arguments", "The form could not be opened"},
		{"ratelimited", "The form could not be opened"},
		{"500", "The form could not be opened"},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			w.slack.fail["views.open"] = tt.code
			w.wantAck(w.send(w.reject(r)))
			w.wantPrivate(tt.private)
		})
	}
	t.Run("no trigger", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.wantAck(w.send(w.reject(r).set("", "trigger_id")))
		w.wantPrivate("The form could not be opened")
	})
}

// TestFormOmitsUnprovenRequester has a typed e-mail address that leads to a user, but
// a principal that AWS proves.
func TestFormOmitsUnprovenRequester(t *testing.T) {
	w := newWorld(t)
	r := w.launch(func(r *handle.Request) { *r = r.IdentifyRequester("U0COLLEAGUE", []string{"U0COLLEAGUE"}, false) })
	w.wantAck(w.send(w.reject(r)))
	opened := w.slack.of("views.open")
	if len(opened) != 1 {
		t.Fatalf("views.open: got %+v, want one call", opened)
	}
	blocks, _ := json.Marshal(opened[0].view(t)["blocks"])
	if strings.Contains(string(blocks), "U0COLLEAGUE") || !strings.Contains(string(blocks), "Proven by AWS") {
		t.Errorf("the form names a colleague as the requester: %s", blocks)
	}
}

// TestFormEscapesHostileLaunch fills the form with markup and long text, which
// simulatedSlack reports.
func TestFormEscapesHostileLaunch(t *testing.T) {
	w := newWorld(t)
	hostile := "<!channel> `*bold*` & <https://evil.example|click>\n*Asked for by:* the boss \u202E" + strings.Repeat("🧨", 3000)
	r := w.launch(func(r *handle.Request) {
		r.Product.Name, r.Product.Provisioned, r.Stack.Name = hostile, hostile, hostile
		r.Requester.Email, r.Requester.Principal = hostile, hostile
		r.Stack.Region, r.Stack.Account = hostile, hostile
	})
	w.wantAck(w.send(w.reject(r)))
	if n := w.slack.count("views.open"); n != 1 {
		t.Fatalf("forms opened: got %d, want 1", n)
	}
	section := w.slack.of("views.open")[0].view(t)["blocks"].([]any)[0].(map[string]any)["text"].(map[string]any)
	if text := section["text"].(string); strings.Count(text, "\n") != 2 || section["verbatim"] != true {
		t.Errorf("the form: got %q, want our three lines, verbatim", text)
	}
}
