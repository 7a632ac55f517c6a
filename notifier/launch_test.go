package notifier_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/handle"
	"countersign/handle/handletest"
	"countersign/notifier/reconcile"
)

func TestRedeliveredLaunchIsOneRequestAndOneMessage(t *testing.T) {
	w := newWorld(t)
	first := w.launch()
	for range 3 {
		got, err := w.handle(w.event(nil, nil))
		if err != nil || got.Status != "SUCCESS" || got.PhysicalResourceId != first.ID {
			t.Errorf("answered %+v, error %v", got, err)
		}
	}
	if n := len(w.slack.Messages(channel)); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func TestRequestHoldsPropertiesAndStackFacts(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	w.stacks.description.Parameters = append(w.stacks.description.Parameters, handle.Field{Name: "Callback", Value: w.waitURL()}, handle.Field{Name: "Big", Value: strings.Repeat("é", 100_000)})
	got, err := w.handle(w.event(map[string]any{"Title": "Queue <!here>", "Purpose": "why", "Approvals": 2, "Approvers": []string{"U0BOSS", group, "U0BOSS"},
		"Channel": "#approvals", "Timeout": "3600", "Details": map[string]any{"b": 1, "a": true, "ApiToken": "x", "c": []int{1}}}, nil))
	if err != nil || got.Status != "SUCCESS" {
		t.Fatalf("answered %+v, error %v", got, err)
	}
	r := w.load(got.PhysicalResourceId)
	if got.Data["RequestId"] != r.ID {
		t.Errorf("Data %v", got.Data)
	}
	if want := start.Add(58 * time.Minute); !r.Terms.Deadline.Equal(want) {
		t.Errorf("deadline %v, want %v", r.Terms.Deadline, want)
	}
	if want := []string{"U0BOSS", group}; !slices.Equal(r.Terms.Approvers, want) || r.Terms.Approvals != 2 {
		t.Errorf("terms %+v", r.Terms)
	}
	if want := []handle.Field{{Name: "ApiToken", Value: "(hidden)"}, {Name: "a", Value: "true"}, {Name: "b", Value: "1"}, {Name: "c", Value: "[1]"}}; !slices.Equal(r.Details, want) {
		t.Errorf("details %+v, want %+v", r.Details, want)
	}
	for _, p := range r.Parameters {
		if len(p.Value) > 4096 || strings.Contains(p.Value, "hunter2") || strings.Contains(p.Value, "****") || strings.Contains(p.Value, "http") {
			t.Errorf("parameter %s is shown as %.80q", p.Name, p.Value)
		}
	}
	if r.Product.Provisioned != "my-queue" || r.Product.ID != "prod-abcd1234" || r.Product.Version != "pa-abcd1234" || r.Product.Name != "Queue <!here>" {
		t.Errorf("product %+v", r.Product)
	}
	if r.Requester.SlackID != rita || r.Requester.Principal == "" {
		t.Errorf("requester %+v", r.Requester)
	}
}

func TestRequesterIdentity(t *testing.T) {
	const role = "arn:aws:sts::111122223333:assumed-role/Requesters/"
	tests := []struct {
		name      string
		email     string
		principal string
		domain    string
		main      string
		all       []string
		proven    bool
	}{
		{"claim equals the proven e-mail", "rita@example.com", role + "rita@example.com", "", rita, []string{rita}, true},
		{"the proven e-mail identifies, the claim only excludes", "ann@example.com", role + "rita@example.com", "", rita, []string{rita, ann}, true},
		{"claim only", "ann@example.com", "", "", ann, []string{ann}, false},
		{"session name without a domain", "", role + "rita", "example.com", rita, []string{rita}, true},
		{"session name that is not a person", "", role + "botocore-session-1", "", "", nil, false},
		{"session name that is not a person, with a claim", "ann@example.com", role + "rita", "", ann, []string{ann}, false},
		{"proven e-mail unknown to Slack, with a claim", "ann@example.com", role + "unknown@example.com", "", ann, []string{ann}, false},
		{"proven e-mail deactivated in Slack, with a claim", "ann@example.com", role + "gone@example.com", "", ann, []string{ann}, false},
		{"unknown to Slack", "unknown@example.com", "", "", "", nil, false},
		{"deactivated", "gone@example.com", "", "", "", nil, false},
		{"no e-mail", "", "", "", "", nil, false},
		{"not an address", "rita", "", "", "", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.slack.AddUser(slacktest.User{ID: "U0GONE", Name: "gone", Email: "gone@example.com", Deleted: true})
			w.stacks.description = proven(tt.principal)
			w.notifier.MailDomain = tt.domain
			got, err := w.handle(w.event(map[string]any{"EmailID": tt.email}, nil))
			if err != nil || got.Status != "SUCCESS" {
				t.Fatalf("answered %+v, error %v", got, err)
			}
			r := w.load(got.PhysicalResourceId).Requester
			if r.SlackID != tt.main || !slices.Equal(r.SlackIDs, tt.all) || r.Proven != tt.proven || !r.LookedUp {
				t.Errorf("got %+v, want %q of %q, proven: %t", r, tt.main, tt.all, tt.proven)
			}
		})
	}
}

func TestLaunchFailsIfNoOneCanDecide(t *testing.T) {
	failPost := func(code string) func(string, url.Values) *slacktest.Fault {
		return func(method string, _ url.Values) *slacktest.Fault {
			if method == "chat.postMessage" {
				return &slacktest.Fault{Error: code}
			}
			return nil
		}
	}
	tests := []struct {
		name   string
		change func(*testWorld)
		want   string // in the reason; empty: it succeeds
		mails  int
	}{
		{"Slack refuses, mail asks", func(w *testWorld) { w.slack.SetFault(failPost("not_in_channel")) }, "", 1},
		{"Slack is down, mail asks", func(w *testWorld) { w.slack.SetDown(true) }, "", 1},
		{"no Slack, mail asks", func(w *testWorld) { w.notifier.Slack = nil }, "", 1},
		{"Slack refuses, no mail", func(w *testWorld) { w.slack.SetFault(failPost("channel_not_found")); w.notifier.Mail = nil }, "channel_not_found; no mail topic", 0},
		{"Slack refuses, mail refuses", func(w *testWorld) { w.slack.SetFault(failPost("is_archived")); w.mail.err = errors.New("no") }, "is_archived; the mail topic did not accept it", 0},
		{"no Slack, no mail", func(w *testWorld) { w.notifier.Slack, w.notifier.Mail = nil, nil }, "Slack is not configured; no mail topic", 0},
		{"no Slack, and mail cannot decide", func(w *testWorld) { w.notifier.Slack, w.notifier.Links = nil, nil }, "could not be decided by mail", 0},
		{"only the requester may approve", func(w *testWorld) { w.notifier.Defaults.Approvers = []string{rita} }, "only the requester may approve", 0},
		{"two must approve, and one is the requester", func(w *testWorld) {
			w.notifier.Defaults.Approvers, w.notifier.Defaults.Approvals = []string{rita, ann}, 2
		}, "only 1 may approve", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.change(w)
			got, err := w.handle(w.event(nil, nil))
			if err != nil {
				t.Errorf("error %v", err)
			}
			if len(w.mail.sent) != tt.mails {
				t.Errorf("%d mails, want %d", len(w.mail.sent), tt.mails)
			}
			if tt.want == "" {
				if got.Status != "SUCCESS" {
					t.Errorf("answered %+v", got)
				}
				return
			}
			if got.Status != "FAILED" || !strings.Contains(got.Reason, tt.want) {
				t.Errorf("answered %s %q, want FAILED with %q", got.Status, got.Reason, tt.want)
			}
			if r := w.load(got.PhysicalResourceId); r.State() != handle.Withdrawn {
				t.Errorf("the request is %s", r.State())
			}
			again, _ := w.handle(w.event(nil, nil))
			if again.Status != "FAILED" || again.Reason != got.Reason {
				t.Errorf("the redelivered event was answered %+v", again)
			}
		})
	}
}

// A launch tries to post twice. In between, its copy of the record may be stale: the
// result of the last write was lost, and the read after it failed.
func TestSecondPostHoldsLease(t *testing.T) {
	w := newWorld(t)
	store, posts := w.store, 0
	w.mail.err = errors.New("no")
	w.slack.SetFault(func(method string, _ url.Values) *slacktest.Fault {
		if method != "chat.postMessage" {
			return nil
		}
		if posts++; posts == 1 {
			return &slacktest.Fault{Error: "internal_error"}
		}
		for r, err := range store.Since(t.Context(), time.Time{}) {
			if err != nil || !w.Now().Before(r.Lease.Until) {
				t.Errorf("posted without a valid lease: %+v, %v", r.Lease, err)
			}
		}
		return nil
	})
	wrote := false
	w.notifier.Store = &handletest.FaultyStore{Store: store, Fault: func(v handletest.Method, _ string) handletest.Fault {
		switch {
		case v == handletest.Replace && posts == 1 && !wrote:
			wrote = true
			return handletest.RetriedByClient
		case v == handletest.Load && wrote && posts == 1:
			posts++
			return handletest.NotApplied
		}
		return handletest.NoFault
	}}
	if got, err := w.handle(w.event(nil, nil)); got.Status != "SUCCESS" || err != nil || posts < 3 {
		t.Errorf("answered %+v, %v, after %d tries", got, err, posts)
	}
}

func TestMessageIsPostedWhenSlackRecovers(t *testing.T) {
	w := newWorld(t)
	w.slack.SetDown(true)
	r := w.launch()
	w.slack.SetDown(false)
	w.sweep(30 * time.Minute)
	r = w.load(r.ID)
	if root, ok := r.Root(); !ok || len(w.message(root).ButtonsIn("decide")) != 3 {
		t.Errorf("not posted after Slack recovered: %+v", r.Messages)
	}
	if len(w.mail.sent) != 1 {
		t.Errorf("%d mails, want 1", len(w.mail.sent))
	}
}

func TestUpdate(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	update := map[string]any{"RequestType": "Update", "PhysicalResourceId": r.ID, "RequestId": "22222222-0000-0000-0000-000000000000",
		"OldResourceProperties": map[string]any{"WaitUrl": w.waitURL(), "EmailID": "other@example.com"}}
	got, err := w.handle(w.event(nil, update))
	if err != nil || got.Status != "SUCCESS" || got.PhysicalResourceId != r.ID || len(w.slack.Messages(channel)) != 1 {
		t.Errorf("without a new handle: answered %+v, error %v, %d messages", got, err, len(w.slack.Messages(channel)))
	}
	got, err = w.handle(w.event(map[string]any{"WaitUrl": w.waitURL() + "&new"}, update))
	if err != nil || got.Status != "SUCCESS" || got.PhysicalResourceId == r.ID || len(w.slack.Messages(channel)) != 2 {
		t.Errorf("with a new handle: answered %+v, error %v, %d messages", got, err, len(w.slack.Messages(channel)))
	}
}

func TestDelete(t *testing.T) {
	event := func(w *testWorld, id, stack string) []byte {
		return w.event(nil, map[string]any{"RequestType": "Delete", "PhysicalResourceId": id, "StackId": stack, "RequestId": "d"})
	}
	t.Run("withdraws a pending request", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.stacks.description.Status = "ROLLBACK_IN_PROGRESS"
		if got, err := w.handle(event(w, r.ID, stackID)); err != nil || got.Status != "SUCCESS" {
			t.Errorf("answered %+v, error %v", got, err)
		}
		r = w.load(r.ID)
		root, _ := r.Root()
		if r.State() != handle.Withdrawn || len(w.message(root).ButtonsIn("decide")) != 0 {
			t.Errorf("the request is %s, with %d buttons", r.State(), len(w.message(root).ButtonsIn("decide")))
		}
	})
	t.Run("changes nothing once decided", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.decide(r.ID, handle.Approve, "")
		before := w.load(r.ID).Rev
		if got, err := w.handle(event(w, r.ID, stackID)); err != nil || got.Status != "SUCCESS" || w.load(r.ID).Rev != before {
			t.Errorf("answered %+v, error %v", got, err)
		}
	})
	t.Run("from another stack changes nothing", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		other := strings.Replace(stackID, "0d5b6a60", "ffffffff", 1)
		if got, err := w.handle(event(w, r.ID, other)); err != nil || got.Status != "SUCCESS" || w.load(r.ID).State() != handle.Pending {
			t.Errorf("answered %+v, error %v; the request is %s", got, err, w.load(r.ID).State())
		}
	})
	t.Run("of an unknown request", func(t *testing.T) {
		w := newWorld(t)
		for _, id := range []string{"", "2026/03/02/[$LATEST]0123456789abcdef", strings.Repeat("x", 1000)} {
			if got, err := w.handle(event(w, id, stackID)); err != nil || got.Status != "SUCCESS" {
				t.Errorf("%.20q: answered %+v, error %v", id, got, err)
			}
		}
	})
}

func TestVerdict(t *testing.T) {
	verdict := func(w *testWorld, id any, stack string) (answer, error) {
		return w.handle(w.event(map[string]any{"WaitUrl": nil, "RequestId": id}, map[string]any{"StackId": stack, "LogicalResourceId": "ApprovalVerdict", "RequestId": "v"}))
	}
	t.Run("approved", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.decide(r.ID, handle.Approve, "")
		got, err := verdict(w, r.ID, stackID)
		if err != nil || got.Status != "SUCCESS" || got.Data["ApprovedBy"] != "Ann" || got.Data["ApprovedAt"] != start.Format(time.RFC3339) {
			t.Errorf("answered %+v, error %v", got, err)
		}
	})
	for _, state := range []handle.State{handle.Pending, handle.Rejected, handle.Expired, handle.Withdrawn} {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			switch state {
			case handle.Rejected:
				w.decide(r.ID, handle.Reject, "no")
			case handle.Expired:
				w.sweep(13 * time.Hour)
			case handle.Withdrawn:
				w.delete(r.ID)
			}
			got, _ := verdict(w, r.ID, stackID)
			if got.Status != "FAILED" || !strings.Contains(got.Reason, string(state)) {
				t.Errorf("answered %+v", got)
			}
			if r = w.load(r.ID); r.Bypass == nil || !strings.Contains(w.log.String(), `"alarm":"bypass"`) {
				t.Errorf("no alarm: %+v", r.Bypass)
			}
		})
	}
	t.Run("another stack's approval", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.decide(r.ID, handle.Approve, "")
		other := strings.Replace(stackID, "0d5b6a60", "ffffffff", 1)
		if got, _ := verdict(w, r.ID, other); got.Status != "FAILED" || !strings.Contains(got.Reason, "belongs to another stack") {
			t.Errorf("answered %+v", got)
		}
	})
	for name, id := range map[string]any{"unknown": "aaaaaaaaaaaaaaaa-aaaaaaaa", "not an ID": "x", "empty": "", "a list": []string{"x"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if got, _ := verdict(w, id, stackID); got.Status != "FAILED" || got.Reason == "" {
				t.Errorf("answered %+v", got)
			}
		})
	}
}

// If EventBridge delivers no event, the sweep finds how the stack ended.
func TestSweepReportsStackEndWithoutEvent(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.decide(r.ID, handle.Approve, "")
	w.stacks.description.Status = "CREATE_IN_PROGRESS"
	w.sweep(30 * time.Minute)
	if r = w.load(r.ID); r.Ended != nil {
		t.Fatalf("recorded as ended: %+v", r.Ended)
	}
	w.stacks.description.Status, w.stacks.firstFailure = "ROLLBACK_COMPLETE", "Queue: quota reached, see "+w.waitURL()
	w.sweep(2 * time.Hour)
	if r = w.load(r.ID); r.Ended == nil || !strings.Contains(r.Ended.Reason, "quota reached") {
		t.Errorf("ended %+v", r.Ended)
	}
}

func TestEventReportsEndOfUnreadableStack(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.decide(r.ID, handle.Approve, "")
	w.stacks.err = reconcile.ErrDenied
	if err := w.ended("CREATE_COMPLETE"); err != nil {
		t.Fatal(err)
	}
	if r = w.load(r.ID); r.Ended == nil || !r.Ended.Succeeded() {
		t.Errorf("ended %+v", r.Ended)
	}
}

// In a template without a verdict, a stack that completes without approval raises
// the alarm.
func TestStackCompletedWithoutApprovalRaisesAlarm(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	if err := w.ended("CREATE_COMPLETE"); err != nil {
		t.Fatal(err)
	}
	if r = w.load(r.ID); r.Bypass == nil || r.State() != handle.Withdrawn {
		t.Errorf("the request is %s, bypass %+v", r.State(), r.Bypass)
	}
}

// A refused signal is retried while that can help: a denying policy may be fixed, an
// expired URL never works again.
func TestSignalIsRetriedWhileThatCanHelp(t *testing.T) {
	tests := []struct {
		status    int
		persists  bool // the bucket never accepts the signal
		abandoned bool
	}{
		{http.StatusServiceUnavailable, false, false},
		{http.StatusForbidden, false, false},
		{http.StatusForbidden, true, true},
		{http.StatusGone, false, true},
	}
	for _, tt := range tests {
		w := newWorld(t)
		r := w.launch()
		refusing := true
		w.bucket.override = func(r *http.Request) int {
			if !strings.Contains(r.URL.Path, "|") && refusing {
				return tt.status
			}
			return 0
		}
		w.decide(r.ID, handle.Approve, "")
		refusing = tt.persists
		for range 30 {
			w.sweep(time.Hour)
		}
		r = w.load(r.ID)
		if tt.abandoned != (r.Signal != nil && r.Signal.Undeliverable != "") || tt.abandoned == (len(w.bucket.signals) > 0) {
			t.Errorf("status %d, persistent %v: marked %+v, %d signals", tt.status, tt.persists, r.Signal, len(w.bucket.signals))
		}
	}
}

// An update can bring a new gate, under new logical IDs: its request gets a Create
// event. AWS proves who launched the stack, not who updates it, so one more person
// must approve, and the launcher is none of them.
func TestLauncherIsNotRequesterOfAnUpdateThatAddsAGate(t *testing.T) {
	for status, updating := range map[string]bool{"CREATE_IN_PROGRESS": false, "UPDATE_IN_PROGRESS": true} {
		w := newWorld(t)
		w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
		w.stacks.description.Status = status
		w.notifier.Defaults.UnprovenRequester = handle.UnprovenTwoApprovers
		got, err := w.handle(w.event(nil, nil))
		if err != nil || got.Status != "SUCCESS" {
			t.Fatalf("%s: answered %+v, error %v", status, got, err)
		}
		r := w.load(got.PhysicalResourceId)
		if r.Stack.Updating != updating || (r.Requester.Launcher != "") != updating || (r.ApprovalsNeeded() > r.Terms.Approvals) != updating {
			t.Errorf("%s: updating %v, launched by %q, %d of %d approvals needed", status, r.Stack.Updating, r.Requester.Launcher, r.ApprovalsNeeded(), r.Terms.Approvals)
		}
	}
}
