package bot_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/handle"
	"countersign/handle/handletest"
)

const grantFor = 72 * time.Hour

// expired stores a launch that expired at its deadline and can be approved for
// relaunch, and sets the clock to an hour after it.
func (w *world) expired(edits ...func(*handle.Request)) handle.Request {
	w.Helper()
	edits = append(edits, func(r *handle.Request) {
		r.Terms.GrantForSeconds = int(grantFor / time.Second)
		r.Content = handle.Content{Product: r.Product.ID, Version: r.Product.Version, Account: r.Stack.Account, Region: r.Stack.Region, Principal: r.Requester.Principal}
		*r = r.Expire(r.Terms.Deadline)
	})
	r := w.launch(edits...)
	w.advance(r.Decision.At.Add(time.Hour).Sub(w.clock()))
	return r
}

// granted stores an expired launch that approver has approved for relaunch.
func (w *world) granted(edits ...func(*handle.Request)) handle.Request {
	w.Helper()
	r := w.expired(edits...)
	w.approveForRelaunch(r)
	return w.stored(r.ID)
}

// button returns the payload of a click on the button with that label on the
// request's message as it is now.
func (w *world) button(r handle.Request, label string) document {
	w.Helper()
	id, value, found := findButton(w, r, label)
	if !found {
		w.Fatalf("the message has no button %q", label)
	}
	return w.document("approve.json", value).set(id, "actions", "0", "action_id")
}

func findButton(w *world, r handle.Request, label string) (actionID, value string, found bool) {
	w.Helper()
	b, err := json.Marshal(blocks.Message(r).Blocks)
	if err != nil {
		w.Fatal(err)
	}
	var list []struct {
		Elements []struct {
			ActionID string          `json:"action_id"`
			Value    string          `json:"value"`
			Text     json.RawMessage `json:"text"`
		} `json:"elements"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		w.Fatal(err)
	}
	for _, block := range list {
		for _, e := range block.Elements {
			var text struct {
				Text string `json:"text"`
			}
			if json.Unmarshal(e.Text, &text) == nil && text.Text == label {
				return e.ActionID, e.Value, true
			}
		}
	}
	return "", "", false
}

// wantGrant checks the state of the request's grant: "awaited", "given", "used" or
// "revoked". The launch stays expired in all of them.
func (w *world) wantGrant(id, want string) handle.Request {
	w.Helper()
	r := w.stored(id)
	g, got := r.Grant, ""
	switch {
	case g == nil:
		got = "none"
	case g.UsedBy != "":
		got = "used"
	case !g.RevokedAt.IsZero():
		got = "revoked"
	case !g.At.IsZero():
		got = "given"
	default:
		got = "awaited"
	}
	if got != want {
		w.Errorf("the grant is %s, want %s: %+v", got, want, g)
	}
	if r.State() != handle.Expired || r.ApprovedFor(r.Stack.ID) {
		w.Errorf("the launch is %s; a late approval must not change that", r.State())
	}
	return r
}

func TestApproveForRelaunch(t *testing.T) {
	w := newWorld(t)
	r := w.expired()
	w.wantAck(w.send(w.button(r, "Approve for relaunch")))
	got := w.wantGrant(r.ID, "given")
	if !got.Grant.At.Equal(w.clock()) || !got.Grant.Until.Equal(w.clock().Add(grantFor)) {
		t.Errorf("the grant: got %+v, want one from now for %s", got.Grant, grantFor)
	}
	if len(got.Votes) != 1 || got.Votes[0].By.ID != approver || got.GrantKey() == "" {
		t.Errorf("votes %+v, key %q", got.Votes, got.GrantKey())
	}
	w.wantPrivate() // the message shows it
	if after := w.afterCalls(); len(after) != 1 || after[0].holder == "" {
		t.Errorf("After: got %+v, want one call under a lease", after)
	}
	if n := w.store.Counts(); n.Reads != 1 || n.Writes != 1 {
		t.Errorf("calls of the store: got %+v, want one read and one write", n)
	}
	if _, _, found := findButton(w, got, "Approve for relaunch"); found {
		t.Error("the message still has the button")
	}
}

// TestWhoMayApproveForRelaunch clicks Approve for relaunch as different users: the
// rules are those of an approval in time.
func TestWhoMayApproveForRelaunch(t *testing.T) {
	asApprover := func(r *handle.Request) { r.Terms.Approvers = append(r.Terms.Approvers, requester) }
	tests := []struct {
		name, by string
		edit     func(*handle.Request)
		team     string
		why      handle.RefusalReason
		private  string
	}{
		{name: "a member of a named group", by: member},
		{name: "an outsider", by: outsider, why: handle.RefusedNotApprover, private: "You aren't an approver of this launch"},
		{name: "the requester", by: requester, why: handle.RefusedNotApprover, private: "You aren't an approver of this launch"},
		{name: "the requester, who is an approver", by: requester, edit: asApprover, why: handle.RefusedOwnRequest, private: "This is your own request"},
		{name: "another workspace", by: approver, team: "T0ELSEWHERE", why: handle.RefusedOtherWorkspace, private: "You're in a different Slack workspace"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			edit := tt.edit
			if edit == nil {
				edit = func(*handle.Request) {}
			}
			r := w.expired(edit)
			d := w.button(r, "Approve for relaunch").by(tt.by)
			if tt.team != "" {
				d.set(tt.team, "user", "team_id")
			}
			w.wantAck(w.send(d))
			if tt.why == "" {
				w.wantGrant(r.ID, "given")
				w.wantPrivate()
				return
			}
			got := w.wantGrant(r.ID, "awaited")
			if len(got.Votes) != 0 || got.CountRefusals(tt.why) != 1 {
				t.Errorf("votes %+v, events %+v, want one refusal: %s", got.Votes, got.Events, tt.why)
			}
			w.wantPrivate(tt.private)
		})
	}
}

func TestApproveForRelaunchWithinWindow(t *testing.T) {
	for name, tt := range map[string]struct {
		before  time.Duration // of the click before the end
		want    string
		private []string
	}{
		"just before the end": {time.Nanosecond, "given", nil},
		"at the end":          {0, "awaited", []string{"This request expired without a decision"}},
		"a day after the end": {-24 * time.Hour, "awaited", []string{"This request expired without a decision"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.expired()
			d := w.button(r, "Approve for relaunch")
			w.advance(r.Grant.Until.Add(-tt.before).Sub(w.clock()))
			w.wantAck(w.send(d))
			w.wantGrant(r.ID, tt.want)
			w.wantPrivate(tt.private...)
		})
	}
}

// Two people must approve, and an approval given before the deadline counts.
func TestApproveForRelaunchNeedsAllApprovals(t *testing.T) {
	t.Run("both late", func(t *testing.T) {
		w := newWorld(t)
		r := w.expired(quorum(2))
		d := w.button(r, "Approve for relaunch")
		w.wantAck(w.send(d))
		w.wantGrant(r.ID, "awaited")
		w.wantPrivate("Recorded. 1 more approval is needed.")
		w.wantAck(w.send(d)) // the same person again
		if got := w.wantGrant(r.ID, "awaited"); len(got.Votes) != 1 {
			t.Errorf("votes: got %+v, want one", got.Votes)
		}
		w.wantPrivate("Recorded.", "You already approved this request. 1 more approval is needed.")
		w.wantAck(w.send(d.by(member)))
		w.wantGrant(r.ID, "given")
		w.wantPrivate("Recorded.", "You already")
	})
	t.Run("one in time", func(t *testing.T) {
		w := newWorld(t)
		ada := handle.Voter{Person: handle.Person{Team: "T0HOME", ID: approver, Name: "Ada"}, Home: true}
		r := w.expired(quorum(2), func(r *handle.Request) {
			var err error
			if *r, err = r.VoteBySlack(ada, handle.Approve, "", launched.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		})
		d := w.button(r, "Approve for relaunch")
		w.wantAck(w.send(d))
		w.wantGrant(r.ID, "awaited")
		w.wantPrivate("You already approved this request. 1 more approval is needed.")
		w.wantAck(w.send(d.by("U0SECOND")))
		w.wantGrant(r.ID, "given")
	})
}

// Of clicks at once, one gives the grant.
func TestConcurrentApprovalsForRelaunch(t *testing.T) {
	w := newWorld(t)
	r := w.expired()
	var wg sync.WaitGroup
	for range 5 {
		for _, by := range []string{approver, member} {
			d := w.button(r, "Approve for relaunch").by(by)
			wg.Go(func() { w.wantAck(w.send(d)) })
		}
	}
	wg.Wait()
	got, granted := w.wantGrant(r.ID, "given"), 0
	for _, e := range got.Events {
		if e.Kind == handle.EventGranted {
			granted++
		}
	}
	if granted != 1 || len(got.Votes) != 1 {
		t.Errorf("got %d grants by %+v, want one", granted, got.Votes)
	}
}

// TestLateClicksOnStaleButtons clicks buttons of a message that Slack did not update
// in time.
func TestLateClicksOnStaleButtons(t *testing.T) {
	t.Run("Approve of the pending launch", func(t *testing.T) {
		w := newWorld(t)
		r := w.expired()
		w.wantAck(w.send(w.approve(r)))
		w.wantGrant(r.ID, "given") // the same content, by the same people
	})
	t.Run("Approve before the expiry is on record", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch(func(r *handle.Request) { r.Terms.GrantForSeconds = int(grantFor / time.Second) })
		w.advance(12 * time.Hour)
		w.wantAck(w.send(w.approve(r)))
		if got := w.stored(r.ID); got.State() != handle.Expired || len(got.Votes) != 0 {
			t.Errorf("got %s, votes %+v", got.State(), got.Votes)
		}
		w.wantPrivate("This request expired without a decision")
	})
	t.Run("Reject", func(t *testing.T) {
		w := newWorld(t)
		r := w.expired()
		w.wantAck(w.send(w.reject(r)))
		w.wantFormError(w.send(w.submission(r)), "This request expired without a decision")
		w.wantGrant(r.ID, "awaited")
		if w.slack.count("views.open") != 0 {
			t.Error("the form for the reason was opened")
		}
	})
	t.Run("mailed link", func(t *testing.T) {
		w := newWorld(t)
		r := w.expired()
		link := "/decide/" + mailKey.Seal(handle.Ticket{ID: r.ID, Verdict: handle.Approve}, w.clock().Add(time.Hour))
		w.wantPage(w.post(link, form("Kim", code(link), "")), 410, "This request expired without a decision")
		w.wantGrant(r.ID, "awaited")
	})
	t.Run("Approve for relaunch, already approved", func(t *testing.T) {
		w := newWorld(t)
		r := w.expired()
		d := w.button(r, "Approve for relaunch")
		w.approveForRelaunch(r)
		w.wantAck(w.send(d.by(member)))
		if got := w.wantGrant(r.ID, "given"); len(got.Votes) != 1 {
			t.Errorf("votes: got %+v, want one", got.Votes)
		}
		w.wantPrivate("It has been approved for relaunch already.")
	})
	t.Run("Approve for relaunch, revoked", func(t *testing.T) {
		w := newWorld(t)
		r := w.expired()
		d := w.button(r, "Approve for relaunch")
		w.approveForRelaunch(r)
		w.wantAck(w.send(w.button(w.stored(r.ID), "Revoke")))
		w.wantAck(w.send(d.by(member)))
		w.wantGrant(r.ID, "revoked")
		w.wantPrivate("Its approval for relaunch was revoked.")
	})
}

// approveForRelaunch clicks the button as approver.
func (w *world) approveForRelaunch(r handle.Request) {
	w.Helper()
	w.wantAck(w.send(w.button(r, "Approve for relaunch")))
	w.wantGrant(r.ID, "given")
}

// An expired launch without a grant offers no button, and a click on one is refused.
func TestNoRelaunchApprovalWithoutGrant(t *testing.T) {
	for name, edit := range map[string]func(*handle.Request){
		"grants disabled":       func(*handle.Request) {},
		"record before content": func(r *handle.Request) { r.Terms.GrantForSeconds = int(grantFor / time.Second) },
		"unproven requester": func(r *handle.Request) {
			r.Terms.GrantForSeconds, r.Content.Product = int(grantFor/time.Second), "prod-1"
			r.Requester.Proven = false
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch(edit, func(r *handle.Request) { *r = r.Expire(r.Terms.Deadline) })
			w.advance(12 * time.Hour)
			if _, _, found := findButton(w, r, "Approve for relaunch"); found {
				t.Error("the message offers an approval for relaunch")
			}
			w.wantAck(w.send(w.approve(r)))
			w.wantGrant(r.ID, "none")
			w.wantPrivate("This request expired without a decision")
		})
	}
}

func (w *world) revoke(r handle.Request) document {
	return w.document("approve.json", handle.Ticket{ID: r.ID, Verdict: handle.Revoke}.String()).set("revoke", "actions", "0", "action_id")
}

func TestRevoke(t *testing.T) {
	for _, by := range []string{approver, member} { // who approved, and another approver
		t.Run(by, func(t *testing.T) {
			w := newWorld(t)
			r := w.granted()
			w.wantAck(w.send(w.button(r, "Revoke").by(by)))
			got := w.wantGrant(r.ID, "revoked")
			if got.Grant.RevokedBy.ID != by || !got.Grant.RevokedAt.Equal(w.clock()) || got.GrantKey() != "" {
				t.Errorf("the grant: got %+v, key %q", got.Grant, got.GrantKey())
			}
			if n := len(w.afterCalls()); n != 2 {
				t.Errorf("After: got %d calls, want one for each click", n)
			}
			w.wantPrivate() // the message shows it

			w.advance(time.Minute)
			w.wantAck(w.send(w.button(r, "Revoke").by("U0SECOND"))) // again, on a stale message
			again := w.wantGrant(r.ID, "revoked")
			if again.Grant.RevokedBy.ID != by || !again.Grant.RevokedAt.Equal(got.Grant.RevokedAt) {
				t.Errorf("revoked again: got %+v, want %+v", again.Grant, got.Grant)
			}
		})
	}
}

func TestWhoMayRevoke(t *testing.T) {
	for name, tt := range map[string]struct {
		by      string
		user    map[string]any
		why     handle.RefusalReason
		private string
	}{
		"an outsider":        {by: outsider, why: handle.RefusedNotApprover, private: "You aren't an approver of this launch"},
		"the requester":      {by: requester, why: handle.RefusedNotApprover, private: "You aren't an approver of this launch"},
		"a guest":            {by: member, user: map[string]any{"is_restricted": true}, why: handle.RefusedNotMember, private: "Guests"},
		"deactivated member": {by: member, user: map[string]any{"deleted": true}, why: handle.RefusedNotMember, private: "Guests"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.granted()
			if tt.user != nil {
				w.slack.add(tt.by, tt.user)
			}
			w.wantAck(w.send(w.button(r, "Revoke").by(tt.by)))
			if got := w.wantGrant(r.ID, "given"); got.CountRefusals(tt.why) != 1 {
				t.Errorf("events %+v, want one refusal: %s", got.Events, tt.why)
			}
			w.wantPrivate(tt.private)
		})
	}
}

// A person whom Slack cannot confirm revokes nothing, and is told to try again.
func TestRevokeWhileSlackFails(t *testing.T) {
	w := newWorld(t)
	r := w.granted()
	w.slack.fail["users.info"] = "fatal_error"
	w.wantAck(w.send(w.button(r, "Revoke").by("U0SECOND")))
	w.wantGrant(r.ID, "given")
	w.wantPrivate("Slack could not confirm who you are")
}

// Each call of the store fails once in each way: the revocation counts once.
func TestRevokeWhileStoreFails(t *testing.T) {
	for _, fault := range []handletest.Fault{handletest.NotApplied, handletest.ResponseLost, handletest.RetriedByClient} {
		for n := range 2 {
			w := newWorld(t)
			r := w.granted()
			w.store.Fault = handletest.FailNth(n, fault)
			w.wantAck(w.send(w.button(r, "Revoke")))
			got, revoked := w.wantGrant(r.ID, "revoked"), 0
			for _, e := range got.Events {
				if e.Kind == handle.EventGrantRevoked {
					revoked++
				}
			}
			if revoked != 1 {
				t.Errorf("%s at call %d: revoked %d times, want once", fault, n, revoked)
			}
			w.wantPrivate()
		}
	}
}

// Revoke changes nothing where there is no open grant.
func TestRevokeWithoutOpenGrant(t *testing.T) {
	for name, store := range map[string]func(*world) handle.Request{
		"after use": func(w *world) handle.Request {
			r, used := w.granted().UseGrant("another", w.clock())
			if !used {
				w.Fatal("the grant can't be used")
			}
			r, err := w.store.Store.Replace(w.Context(), r)
			if err != nil {
				w.Fatal(err)
			}
			return r
		},
		"after its time": func(w *world) handle.Request {
			r := w.granted()
			w.advance(grantFor)
			return r
		},
		"pending": func(w *world) handle.Request { return w.launch() },
		"expired without grant": func(w *world) handle.Request {
			return w.launch(func(r *handle.Request) { *r = r.Expire(r.Terms.Deadline) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := store(w)
			w.wantAck(w.send(w.revoke(r)))
			got := w.stored(r.ID)
			if got.Grant != nil && !got.Grant.RevokedAt.IsZero() || got.State() != r.State() {
				t.Errorf("got %s, grant %+v", got.State(), got.Grant)
			}
			w.wantPrivate()
		})
	}
}

// A ticket counts only under the button that it was made for.
func TestRevokeTicketUnderOtherButtons(t *testing.T) {
	w := newWorld(t)
	r := w.granted()
	for action, verdict := range map[string]handle.Verdict{"approve": handle.Revoke, "reject": handle.Revoke, "revoke": handle.Approve} {
		w.wantAck(w.send(w.revoke(r).set(handle.Ticket{ID: r.ID, Verdict: verdict}.String(), "actions", "0", "value").set(action, "actions", "0", "action_id")))
		if got := w.wantGrant(r.ID, "given"); len(got.Votes) != 1 {
			t.Errorf("%s under %s: votes %+v", verdict, action, got.Votes)
		}
	}
	if list := w.slack.ephemerals(); len(list) != 3 || !strings.HasPrefix(list[0], "This button belongs to an unknown request") {
		t.Errorf("private messages: %q", list)
	}
}
