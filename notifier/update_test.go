package notifier_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// parameters are a gate's property Parameters, and templateOf its Template.
func gateOf(environment, template string) map[string]any {
	return map[string]any{"Parameters": map[string]any{"Environment": environment, "RetentionDays": "4", "Key": "a NoEcho value"}, "Template": template}
}

// update is an Update of the request resource.
func (w *testWorld) update(physicalID, requestID string, properties map[string]any) []byte {
	w.stacks.gate = reconcile.Gate{Type: "Custom::ApprovalRequest", Status: "UPDATE_IN_PROGRESS", Handle: reconcile.HandleNotListed}
	return w.event(properties, map[string]any{"RequestType": "Update", "PhysicalResourceId": physicalID, "RequestId": requestID,
		"OldResourceProperties": map[string]any{"WaitUrl": w.waitURL()}})
}

// launchApproved launches a gate of the new shape and has it approved.
func (w *testWorld) launchApproved() handle.Request {
	w.Helper()
	w.notifier.Defaults.UnprovenRequester = handle.UnprovenTwoApprovers
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	w.stacks.description.Parameters = []handle.Field{{Name: "Environment", Value: "test"}, {Name: "RetentionDays", Value: "4"}, {Name: "Key", Value: "****"}}
	got, err := w.handle(w.event(gateOf("test", "1"), nil))
	if err != nil || got.Status != "SUCCESS" {
		w.Fatalf("launch: answered %+v, error %v", got, err)
	}
	w.decide(got.PhysicalResourceId, handle.Approve, "")
	w.stacks.description.Status = "UPDATE_IN_PROGRESS"
	return w.load(got.PhysicalResourceId)
}

// held returns the pending request of an update.
func (w *testWorld) held() handle.Request {
	w.Helper()
	requests, err := w.store.OfStack(w.Context(), stackID)
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range requests {
		if r.Update != nil && r.Decision == nil {
			return r
		}
	}
	w.Fatalf("no update is held among %d requests", len(requests))
	return handle.Request{}
}

func (w *testWorld) vote(id string, verdict handle.Verdict, people ...string) {
	w.Helper()
	for _, person := range people {
		r := w.load(id)
		next, err := r.VoteBySlack(handle.Voter{Person: handle.Person{Team: "T0EXAMPLE", ID: person, Name: person}, Home: true, Groups: []string{group}}, verdict, "because", w.Now())
		if err != nil {
			w.Fatalf("vote of %s: %v", person, err)
		}
		stored, err := w.store.Replace(w.Context(), next)
		if err != nil {
			w.Fatal(err)
		}
		if err := w.notifier.Reconcile(w.Context(), stored.ID); err != nil {
			w.Fatal(err)
		}
	}
}

func TestUpdateWithOtherContentIsHeld(t *testing.T) {
	for _, tt := range []struct {
		name       string
		properties map[string]any
		shown      string
	}{
		{"a parameter changes", gateOf("production", "1"), "`Environment`: `test` → `production`"},
		{"the template changes", gateOf("test", "2"), "The template changes"},
	} {
		for _, verdict := range []handle.Verdict{handle.Approve, handle.Reject} {
			t.Run(tt.name+", "+string(verdict), func(t *testing.T) {
				w := newWorld(t)
				launched := w.launchApproved()
				answers := len(w.bucket.answers())
				if err := w.notifier.Handle(t.Context(), w.update(launched.ID, "u1", tt.properties)); err != nil {
					t.Fatal(err)
				}
				if n := len(w.bucket.answers()); n != answers {
					t.Fatalf("CloudFormation was answered at once: %s", w.bucket.answers()[n-1])
				}
				r := w.held()
				root, _ := r.Root()
				shown := string(w.message(root).Blocks)
				if !strings.Contains(shown, tt.shown) || strings.Contains(shown, "RetentionDays") || strings.Contains(shown, "NoEcho") {
					t.Errorf("the message must show what changes and nothing else: %s", shown)
				}
				if r.ApprovalsNeeded() != 2 {
					t.Errorf("AWS does not prove who updates: got %d approvals needed, want 2", r.ApprovalsNeeded())
				}
				if _, err := r.VoteBySlack(handle.Voter{Person: handle.Person{ID: rita}, Home: true, Groups: []string{group}}, handle.Approve, "", w.Now()); err == nil {
					t.Error("the launcher may approve the update")
				}
				people := []string{ann, "U0BEN"}
				if verdict == handle.Reject {
					people = people[:1]
				}
				w.vote(r.ID, verdict, people...)
				got := w.bucket.last(t)
				if len(w.bucket.answers()) != answers+1 {
					t.Fatalf("%d answers, want one", len(w.bucket.answers())-answers)
				}
				switch {
				case verdict == handle.Approve && (got.Status != "SUCCESS" || got.PhysicalResourceId != r.ID || got.RequestId != "u1"),
					verdict == handle.Reject && (got.Status != "FAILED" || got.PhysicalResourceId != launched.ID || !strings.Contains(got.Reason, "because")):
					t.Errorf("answered %+v", got)
				}
				if len(w.bucket.signals) != 1 { // of the launch
					t.Errorf("%d signals, want the launch's alone", len(w.bucket.signals))
				}
			})
		}
	}
}

func TestUpdateThatSucceedsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		update func(w *testWorld, launched handle.Request) []byte
	}{
		{"the same content", func(w *testWorld, r handle.Request) []byte {
			return w.update(r.ID, "u1", mergeProperties(gateOf("test", "1"), map[string]any{"Title": "Another title"}))
		}},
		{"a gate of an earlier release", func(w *testWorld, r handle.Request) []byte {
			return w.update(r.ID, "u1", map[string]any{"EmailID": "other@example.com"})
		}},
		{"a rollback", func(w *testWorld, r handle.Request) []byte {
			w.stacks.description.Status = "UPDATE_ROLLBACK_IN_PROGRESS"
			return w.update(r.ID, "u1", gateOf("production", "1"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			launched := w.launchApproved()
			if got, err := w.handle(tt.update(w, launched)); err != nil || got.Status != "SUCCESS" || got.PhysicalResourceId != launched.ID {
				t.Errorf("answered %+v, error %v", got, err)
			}
			if requests, _ := w.store.OfStack(t.Context(), stackID); len(requests) != 1 {
				t.Errorf("%d requests, want the launch's alone", len(requests))
			}
		})
	}
}

// An update waits for two minutes less than CloudFormation, whether its event has
// ServiceTimeout at its root, among the properties, at both places or, from a template
// of an earlier release, at neither.
func TestUpdateWaitsForServiceTimeout(t *testing.T) {
	for _, tt := range []struct {
		name           string
		root, property any
		want           time.Duration // 0: refused
		reason         string
	}{
		{"none", nil, nil, 58 * time.Minute, ""},
		{"among the properties", nil, "1800", 28 * time.Minute, ""},
		{"at the root", "600", nil, 8 * time.Minute, ""},
		{"a number", 600, nil, 8 * time.Minute, ""},
		{"at both", "600", "600", 8 * time.Minute, ""},
		{"the shorter one", "600", "3600", 8 * time.Minute, ""},
		{"the least", "180", nil, time.Minute, ""},
		{"too short", "179", nil, 0, "CloudFormation waits only 2m59s for it; set ServiceTimeout to at least 180 seconds"},
		{"too long", nil, "7200", 0, "ServiceTimeout must be from 1 to 3600 seconds"},
		{"not a number", nil, "1h", 0, `ServiceTimeout must be a whole number, not "1h"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			launched := w.launchApproved()
			event := func(id string, properties map[string]any) []byte {
				var ev map[string]any
				if err := json.Unmarshal(w.update(launched.ID, id, mergeProperties(properties, map[string]any{"ServiceTimeout": tt.property})), &ev); err != nil {
					t.Fatal(err)
				}
				b, err := json.Marshal(merge(ev, map[string]any{"ServiceTimeout": tt.root}))
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			// What changes nothing succeeds whatever the timeout is.
			if got, err := w.handle(event("same", gateOf("test", "1"))); err != nil || got.Status != "SUCCESS" || got.PhysicalResourceId != launched.ID {
				t.Errorf("the same content: answered %+v, error %v", got, err)
			}
			err := w.notifier.Handle(t.Context(), event("u1", gateOf("production", "1")))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == 0 {
				if got := w.bucket.last(t); got.Status != "FAILED" || got.PhysicalResourceId != launched.ID || !strings.Contains(got.Reason, tt.reason) {
					t.Errorf("answered %+v", got)
				}
				// The rollback that follows.
				w.stacks.description.Status = "UPDATE_ROLLBACK_IN_PROGRESS"
				if got, err := w.handle(event("back", gateOf("rollback", "1"))); err != nil || got.Status != "SUCCESS" || got.PhysicalResourceId != launched.ID {
					t.Errorf("the rollback: answered %+v, error %v", got, err)
				}
				return
			}
			r := w.held()
			if got := r.Terms.Deadline.Sub(r.CreatedAt); got != tt.want {
				t.Errorf("the deadline is after %s, want %s", got, tt.want)
			}
			if n := len(r.Terms.Reminders); n == 0 && tt.want > 3*time.Minute {
				t.Error("no reminder")
			}
			for _, at := range r.Terms.Reminders {
				if !at.After(r.CreatedAt) || !at.Before(r.Terms.Deadline) {
					t.Errorf("a reminder is at %s, the deadline at %s", at, r.Terms.Deadline)
				}
			}
		})
	}
}

func mergeProperties(a, b map[string]any) map[string]any { return merge(a, b) }

func TestHeldUpdateExpires(t *testing.T) {
	w := newWorld(t)
	launched := w.launchApproved()
	if err := w.notifier.Handle(t.Context(), w.update(launched.ID, "u1", mergeProperties(gateOf("production", "1"), map[string]any{"ServiceTimeout": "1800"}))); err != nil {
		t.Fatal(err)
	}
	r := w.held()
	if got := r.Terms.Deadline.Sub(w.Now()); got > 28*time.Minute {
		t.Errorf("the deadline is in %s, want it two minutes before CloudFormation's", got)
	}
	w.sweep(35 * time.Minute)
	got := w.bucket.last(t)
	if got.Status != "FAILED" || got.PhysicalResourceId != launched.ID || w.load(r.ID).State() != handle.Expired {
		t.Errorf("answered %+v; the request is %s", got, w.load(r.ID).State())
	}
}

// A cancelled update rolls back: CloudFormation sends the Update with the old
// properties while the new one's request still waits.
func TestCancelledUpdateWithdrawsItsRequest(t *testing.T) {
	w := newWorld(t)
	launched := w.launchApproved()
	if err := w.notifier.Handle(t.Context(), w.update(launched.ID, "u1", gateOf("production", "1"))); err != nil {
		t.Fatal(err)
	}
	r := w.held()
	w.stacks.description.Status = "UPDATE_ROLLBACK_IN_PROGRESS"
	back := w.event(gateOf("test", "1"), map[string]any{"RequestType": "Update", "PhysicalResourceId": launched.ID, "RequestId": "back",
		"OldResourceProperties": map[string]any{"WaitUrl": w.waitURL()}})
	if err := w.notifier.Handle(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	if answers := strings.Join(w.bucket.answers(), "\n"); !strings.Contains(answers, `"Status":"SUCCESS","PhysicalResourceId":"`+launched.ID+`","StackId":"`+stackID+`","RequestId":"back"`) {
		t.Errorf("the rollback was not answered SUCCESS: %s", answers)
	}
	if got := w.load(r.ID).State(); got != handle.Withdrawn {
		t.Errorf("the update's request is %s, want withdrawn", got)
	}
}

func TestRedeliveredUpdateIsOneRequest(t *testing.T) {
	w := newWorld(t)
	launched := w.launchApproved()
	event := w.update(launched.ID, "u1", gateOf("production", "1"))
	for range 3 {
		if err := w.notifier.Handle(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	if requests, _ := w.store.OfStack(t.Context(), stackID); len(requests) != 2 || len(w.slack.Messages(channel)) != 2 {
		t.Errorf("%d requests, %d messages; want two each", len(requests), len(w.slack.Messages(channel)))
	}
}

// An expired launch is approved late and launched again: it continues at once, once.
func TestGrantLetsTheSameContentThroughOnce(t *testing.T) {
	w := newWorld(t)
	w.notifier.Defaults.GrantFor = 72 * time.Hour
	launch := func(requestID string) (answer, handle.Request) {
		w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
		w.stacks.template = "a template"
		wait := strings.Replace(w.waitURL(), "X-Amz-Date="+start.Format("20060102T150405Z"), "X-Amz-Date="+w.Now().Format("20060102T150405Z"), 1)
		got, err := w.handle(w.event(mergeProperties(gateOf("test", "1"), map[string]any{"WaitUrl": wait + "&" + requestID}), map[string]any{"RequestId": requestID}))
		if err != nil {
			t.Fatal(err)
		}
		return got, w.load(got.PhysicalResourceId)
	}
	_, first := launch("first")
	w.sweep(12*time.Hour + 5*time.Minute)
	if first = w.load(first.ID); first.State() != handle.Expired || first.Grant == nil {
		t.Fatalf("after the deadline the request is %s, grant %+v", first.State(), first.Grant)
	}
	root, _ := first.Root()
	if shown := string(w.message(root).Blocks); !strings.Contains(shown, "Approve for relaunch") {
		t.Errorf("the message has no button: %s", shown)
	}
	w.advance(20 * time.Hour)
	w.vote(first.ID, handle.Approve, ann)
	if first = w.load(first.ID); first.State() != handle.Expired || !first.GrantUsable(w.Now()) {
		t.Fatalf("the request is %s, grant %+v", first.State(), first.Grant)
	}

	_, second := launch("second")
	if second.State() != handle.Approved || second.Decision.Via != handle.ViaGrant || second.Signal == nil || len(w.bucket.signals) != 2 {
		t.Fatalf("the relaunch is %s, decided %+v, %d signals", second.State(), second.Decision, len(w.bucket.signals))
	}
	if people := second.ApprovedBy(); len(people) != 1 || people[0].ID != ann {
		t.Errorf("approved by %+v, want ann", people)
	}
	if got := w.load(first.ID); got.Grant.UsedBy != second.ID {
		t.Errorf("the grant was used by %q, want %q", got.Grant.UsedBy, second.ID)
	}
	_, third := launch("third")
	if third.State() != handle.Pending {
		t.Errorf("a second relaunch is %s, want it to ask", third.State())
	}
}

func TestGrantBindsContentAndRequester(t *testing.T) {
	for name, change := range map[string]func(*stacks){
		"another template":  func(s *stacks) { s.template = "another template" },
		"another parameter": func(s *stacks) { s.description.Parameters[0].Value = "production" },
		"another requester": func(s *stacks) {
			s.description.Tags["aws:servicecatalog:provisioningPrincipalArn"] = "arn:aws:sts::111122223333:assumed-role/Requesters/ann@example.com"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.notifier.Defaults.GrantFor = 72 * time.Hour
			w.stacks.description, w.stacks.template = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com"), "a template"
			got, err := w.handle(w.event(nil, nil))
			if err != nil {
				t.Fatal(err)
			}
			w.sweep(12*time.Hour + 5*time.Minute)
			w.vote(got.PhysicalResourceId, handle.Approve, ann)
			w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
			change(w.stacks)
			var event map[string]any
			_ = json.Unmarshal(w.event(map[string]any{"WaitUrl": strings.Replace(w.waitURL(), "X-Amz-Expires=43199", "X-Amz-Expires=86399", 1)}, map[string]any{"RequestId": "again"}), &event)
			b, _ := json.Marshal(event)
			again, err := w.handle(b)
			if err != nil {
				t.Fatal(err)
			}
			if r := w.load(again.PhysicalResourceId); r.State() != handle.Pending {
				t.Errorf("the launch is %s, want it to ask", r.State())
			}
		})
	}
}

// AWS proves who launched, not who updates: the launcher may not approve, whatever
// e-mail address the update claims, and no one counts as the proven requester.
func TestLauncherMayNotApproveUpdates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		handle string // of the update
		lagged bool   // CloudFormation lags at first
		lost   bool   // the record of the launch is lost
	}{
		{name: "same handle"},
		{name: "same handle, lost record", lost: true},
		{name: "same handle, CloudFormation lags", lagged: true},
		{name: "new handle", handle: "OtherHandle"},
		{name: "new handle, CloudFormation lags", handle: "OtherHandle", lagged: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			known := 1
			launched := handle.Request{ID: handle.NewID(stackID, "ApprovalRequest", "lost")}
			if tt.lost {
				known = 0
				w.notifier.Defaults.UnprovenRequester = handle.UnprovenTwoApprovers
				w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
			} else {
				launched = w.launchApproved()
			}
			properties := gateOf("production", "1")
			properties["EmailID"] = "ann@example.com" // a claim
			w.stacks.description.Status = "UPDATE_IN_PROGRESS"
			event := w.update(launched.ID, "u1", properties)
			if tt.handle != "" {
				properties["WaitUrl"] = strings.Replace(w.waitURL(), "ApprovalHandle", tt.handle, 1)
				event = w.update(launched.ID, "u1", properties)
				w.stacks.gate.Handle = reconcile.HandleMatches
			}
			if tt.lagged {
				w.stacks.err = errors.New("throttled")
			}
			if err := w.notifier.Handle(t.Context(), event); err != nil {
				t.Fatal(err)
			}
			w.stacks.err = nil
			w.advance(2 * time.Minute)
			requests, err := w.store.OfStack(t.Context(), stackID)
			if err != nil || len(requests) != known+1 {
				t.Fatalf("%d requests, error %v; want %d", len(requests), err, known+1)
			}
			r := requests[0]
			if r.ID == launched.ID {
				r = requests[1]
			}
			if err := w.notifier.Reconcile(t.Context(), r.ID); err != nil {
				t.Fatal(err)
			}
			r = w.load(r.ID)
			if !slices.Contains(r.Requester.SlackIDs, rita) || r.Requester.Proven || r.ApprovalsNeeded() != 2 || r.GrantFrom != "" {
				t.Errorf("got excluded %v, proven %v, %d approvals needed", r.Requester.SlackIDs, r.Requester.Proven, r.ApprovalsNeeded())
			}
		})
	}
}

// Without the digest key nothing equals what was approved: an update asks, and a
// rollback succeeds all the same.
func TestUpdateWithoutDigestKey(t *testing.T) {
	w := newWorld(t)
	launched := w.launchApproved()
	w.keyErr = errors.New("throttled")
	if err := w.notifier.Handle(t.Context(), w.update(launched.ID, "u1", gateOf("test", "1"))); err != nil {
		t.Fatal(err)
	}
	if r := w.held(); r.Update.Approved != launched.ID {
		t.Errorf("the held update follows %q, want the launch", r.Update.Approved)
	}
	w.stacks.description.Status = "UPDATE_ROLLBACK_IN_PROGRESS"
	if err := w.notifier.Handle(t.Context(), w.update(launched.ID, "back", gateOf("test", "1"))); err != nil {
		t.Fatal(err)
	}
	if answers := strings.Join(w.bucket.answers(), "\n"); !strings.Contains(answers, `"Status":"SUCCESS","PhysicalResourceId":"`+launched.ID+`","StackId":"`+stackID+`","RequestId":"back"`) {
		t.Errorf("the rollback was not answered SUCCESS: %s", answers)
	}
}

func TestMessageSaysWhatAnApprovalCannotBind(t *testing.T) {
	w := newWorld(t)
	w.stacks.templateErr = reconcile.ErrDenied
	launched := w.launchApproved()
	root, _ := launched.Root()
	if shown := string(w.message(root).Blocks); !strings.Contains(shown, "has no permission to read the template") || launched.Content.Template != "" {
		t.Errorf("the launch's message does not say that its template is unread: %s", shown)
	}
	w.stacks.template, w.stacks.templateErr = "Resources: {}", nil
	if err := w.notifier.Handle(t.Context(), w.update("unknown", "u1", gateOf("production", "1"))); err != nil {
		t.Fatal(err)
	}
	root, _ = w.held().Root()
	if shown := string(w.message(root).Blocks); strings.Contains(shown, "has no permission to read the template") || !strings.Contains(shown, "`test` → `production`") {
		t.Errorf("the update's message: %s", shown)
	}
	other := newWorld(t)
	other.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	other.stacks.description.Status = "UPDATE_IN_PROGRESS"
	if err := other.notifier.Handle(t.Context(), other.update("unknown", "u1", gateOf("production", "1"))); err != nil {
		t.Fatal(err)
	}
	root, _ = other.held().Root()
	if shown := string(other.message(root).Blocks); !strings.Contains(shown, "what changes can't be shown") || strings.Contains(shown, "production") {
		t.Errorf("without a record of the launch, the message is: %s", shown)
	}
}
