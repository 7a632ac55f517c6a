package handle_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign/handle"
)

// keys returns the keys of steps.
func keys(steps []handle.Step) []string {
	var list []string
	for _, s := range steps {
		list = append(list, s.Key())
	}
	return list
}

// needs reports whether the step with that key is outstanding.
func needs(r handle.Request, key string) bool { return slices.Contains(keys(r.Outstanding()), key) }

var (
	posted = handle.Message{Channel: "C0APPROVALS", TS: "1.000001"}
	asked  = handle.Notification{Name: handle.NotifyAsked}
)

// postAndNotify posts the message and its first reply.
func postAndNotify(r handle.Request) handle.Request {
	return r.MarkPosted(posted.Channel, posted.TS, r.ViewHash(), at).MarkDelivered(asked.ReplyKey(), "C0APPROVALS", "1.000002", at).
		MarkDelivered(asked.DirectKey(), "D0ROB", "1.000002", at)
}

func TestOutstandingSteps(t *testing.T) {
	decided := at.Add(time.Hour)
	for _, tt := range []struct {
		name string
		r    func() handle.Request
		want []string // the most important first
	}{
		{"new", func() handle.Request { return launch() }, []string{"expire", "post", "mail/asked"}},
		{"new, without Slack", func() handle.Request { return launch(withoutSlack) }, []string{"expire", "mail/asked"}},
		{"posted", func() handle.Request { r := launch(); return r.MarkPosted("C0APPROVALS", "1.000001", r.ViewHash(), at) },
			[]string{"expire", "tell/asked"}}, // no reminder of what was not asked yet
		{"posted, showing an old state", func() handle.Request { return launch().MarkPosted("C0APPROVALS", "1.000001", "?", at) },
			[]string{"expire", "refresh/C0APPROVALS/1.000001", "tell/asked"}},
		{"asked", func() handle.Request { return postAndNotify(launch()) }, []string{"expire", "tell/reminder"}},
		{"asked, no reminder", func() handle.Request {
			return postAndNotify(launch(func(r *handle.Request) { r.Terms.RemindAt = time.Time{} }))
		}, []string{"expire"}},
		{"half approved", func() handle.Request { return votes(t, postAndNotify(launch()), handle.Approve, decided, ann) },
			[]string{"expire", "refresh/C0APPROVALS/1.000001", "tell/vote-0", "tell/reminder"}},
		{"approved", func() handle.Request { return approved(t, postAndNotify(launch(approvals(1))), decided) },
			[]string{"signal", "refresh/C0APPROVALS/1.000001", "tell/decided", "watch", "react"}},
		{"approved by mail, never posted", func() handle.Request {
			r, err := launch(withoutSlack).MarkDelivered("mail/asked", "", "", at).VoteByMail("Ann", handle.Approve, "", decided)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}, []string{"signal", "mail/decided", "watch"}},
		{"rejected, with a duplicate message", func() handle.Request {
			return rejected(t, postAndNotify(launch()).AdoptMessage("C0APPROVALS", "1.000003"), decided)
		}, []string{"signal", "refresh/C0APPROVALS/1.000001", "refresh/C0APPROVALS/1.000003", "tell/decided", "watch", "react"}},
		{"expired", func() handle.Request { r := postAndNotify(launch()); return r.Expire(r.Terms.Deadline) },
			[]string{"signal", "refresh/C0APPROVALS/1.000001", "tell/decided", "watch", "react"}},
		{"expired, requester not identified", func() handle.Request {
			r := launch(unidentified).AdoptMessage("C0APPROVALS", "1.000001")
			return r.Expire(r.Terms.Deadline)
		}, []string{"signal", "refresh/C0APPROVALS/1.000001", "tell/decided", "watch", "react"}},
		{"withdrawn, never posted", func() handle.Request { return launch().Withdraw("x", decided) },
			[]string{"signal", "tell/decided", "watch"}}, // to the requester only
		{"withdrawn, requester unknown", func() handle.Request { return launch(unidentified).Withdraw("x", decided) },
			[]string{"signal", "watch"}},
		{"status event", func() handle.Request { return postAndNotify(launch()).ObserveStatus("CREATE_COMPLETE", "", decided) },
			[]string{"expire", "tell/reminder", "watch"}},
		{"bypassed", func() handle.Request { return postAndNotify(launch()).RecordBypass("x", decided) },
			[]string{"expire", "refresh/C0APPROVALS/1.000001", "tell/bypass", "tell/reminder", "react"}},
		{"bypassed, by mail", func() handle.Request {
			return launch(withoutSlack).MarkDelivered("mail/asked", "", "", at).RecordBypass("x", decided)
		}, []string{"expire", "mail/bypass"}},
		{"ended", func() handle.Request {
			r := approved(t, postAndNotify(launch(approvals(1))), decided).MarkSignalled("", decided)
			r = r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: decided.Add(time.Minute)})
			return r.MarkRefreshed(r.Messages[0], r.ViewHash())
		}, []string{"tell/decided", "tell/ended", "react"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.r()
			if diff := cmp.Diff(tt.want, keys(r.Outstanding()), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Outstanding (-want +got):\n%s", diff)
			}
			due := r.Due(r.Terms.Deadline.Add(100 * time.Hour))
			if diff := cmp.Diff(tt.want, keys(due), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Due long after the deadline (-want +got):\n%s", diff)
			}
			if due := r.Due(at.Add(-1)); len(due) != 0 {
				t.Errorf("before the launch: due is %q, want nothing", keys(due))
			}
		})
	}
}

func TestWhenStepsAreDue(t *testing.T) {
	r := postAndNotify(launch(approvals(1)))
	decided := at.Add(time.Hour)
	reported := decided.Add(time.Minute)
	approvedReq := approved(t, r, decided)
	for _, tt := range []struct {
		name, key string
		r         handle.Request
		want      time.Time
	}{
		{"the expiry", "expire", r, r.Terms.Deadline},
		{"the reminder", "tell/reminder", r, r.Terms.RemindAt},
		{"the post", "post", launch(), at},
		{"the post after a failure", "post", launch().RecordFailure(handle.Step{Kind: handle.StepPost}, handle.Failure{}, at), at.Add(10 * time.Second)},
		{"the question by mail", "mail/asked", launch(withoutSlack), at},
		{"the signal", "signal", approvedReq, decided},
		{"the signal after a failure", "signal", approvedReq.RecordFailure(handle.Step{Kind: handle.StepSignal}, handle.Failure{}, decided), decided.Add(10 * time.Second)},
		{"the decision", "tell/decided", approvedReq, decided},
		{"the watch after a decision", "watch", approvedReq, decided.Add(5 * time.Minute)},
		{"the watch after a status event", "watch", approvedReq.ObserveStatus("CREATE_COMPLETE", "", reported), reported},
		{"the watch after a status event, pending", "watch", r.ObserveStatus("CREATE_COMPLETE", "", reported), reported},
		{"the watch when the stack has not ended", "watch", approvedReq.StillInProgress(reported), reported.Add(5 * time.Minute)},
		{"the watch when a status event follows", "watch", approvedReq.StillInProgress(reported).ObserveStatus("CREATE_COMPLETE", "", reported), reported},
	} {
		i := slices.Index(keys(tt.r.Outstanding()), tt.key)
		if i < 0 {
			t.Errorf("%s: not outstanding", tt.name)
			continue
		}
		if got := tt.r.Outstanding()[i].At; !got.Equal(tt.want) {
			t.Errorf("%s: due %s after the launch, want %s", tt.name, got.Sub(at), tt.want.Sub(at))
		}
		if due := keys(tt.r.Due(tt.want.Add(-1))); slices.Contains(due, tt.key) {
			t.Errorf("%s: due before its time", tt.name)
		}
		if due := keys(tt.r.Due(tt.want)); !slices.Contains(due, tt.key) {
			t.Errorf("%s: not due at its time", tt.name)
		}
	}
}

func TestNotificationsInOrderOfTime(t *testing.T) {
	r := votes(t, launch(approvals(3)), handle.Approve, at.Add(time.Hour), ann)
	r = votes(t, r, handle.Approve, at.Add(2*time.Hour), ben)
	pending := r
	r = r.RecordBypass("x", at.Add(9*time.Hour))
	r = votes(t, r, handle.Approve, at.Add(10*time.Hour), gil)
	r = r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: at.Add(11 * time.Hour)})

	names := func(r handle.Request) (list []string) {
		for _, n := range r.Notifications() {
			list = append(list, n.Name)
		}
		return list
	}
	if diff := cmp.Diff([]string{"asked", "vote-0", "vote-1", "reminder"}, names(pending)); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"bypass", "decided", "ended"}, names(r)); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
	rejected := rejected(t, pending, at.Add(3*time.Hour))
	if diff := cmp.Diff([]string{"decided"}, names(rejected)); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
	for _, n := range pending.Notifications() {
		if n.Name == "vote-1" && pending.Votes[n.Vote].By.ID != ben {
			t.Errorf("vote-1 is the vote of %s, want %s", pending.Votes[n.Vote].By.ID, ben)
		}
	}
}

func TestPendingDeliveries(t *testing.T) {
	r := approved(t, launch(approvals(1)), at).RecordBypass("x", at).RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: at})
	for _, n := range r.Notifications() {
		outcome := n.Name == handle.NotifyDecided || n.Name == handle.NotifyBypass || n.Name == handle.NotifyEnded
		if reply, direct := r.PendingDeliveries(n); reply || direct != outcome {
			t.Errorf("%s, not posted: got %t, %t, want a direct message for outcomes only", n.Name, reply, direct)
		}
		if reply, direct := postAndNotify(r).PendingDeliveries(n); reply != (n.Name != handle.NotifyAsked) || direct != outcome {
			t.Errorf("%s, posted: got %t, %t", n.Name, reply, direct)
		}
		delivered := postAndNotify(r).MarkDelivered(n.ReplyKey(), "C0APPROVALS", "2.000001", at).MarkDelivered(n.DirectKey(), "D0ROB", "2.000002", at)
		if reply, direct := delivered.PendingDeliveries(n); reply || direct {
			t.Errorf("%s, delivered: got %t, %t, want nothing more", n.Name, reply, direct)
		}
		unknown := postAndNotify(r)
		unknown.Requester.SlackID = ""
		if _, direct := unknown.PendingDeliveries(n); direct {
			t.Errorf("%s: a direct message to an unknown requester", n.Name)
		}
	}
}

// Approvers are told by direct message if neither the thread nor a mail can tell them:
// each once, twenty people at most, and none who has voted or who requests.
func TestApproversAskedByDirectMessage(t *testing.T) {
	members := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprintf("U0MEMBER%02d", i))
		}
		return ids
	}
	lost := handle.Failure{Reason: "lost", Permanent: true}
	open := func(groups map[string]handle.Group, approvers ...string) handle.Request {
		r := launch(func(r *handle.Request) { r.Terms.Approvers = approvers }).RecordGroups(groups)
		r = r.MarkPosted(posted.Channel, posted.TS, r.ViewHash(), at)
		return r.RecordFailure(handle.Step{Kind: handle.StepNotify, Notification: asked}, lost, at)
	}
	unmailed := func(r handle.Request) handle.Request {
		return r.RecordFailure(handle.Step{Kind: handle.StepMail, Notification: asked}, lost, at)
	}
	asks := func(r handle.Request) (list []string) {
		for _, s := range r.Outstanding() {
			if s.Kind == handle.StepAsk {
				list = append(list, s.To)
			}
		}
		return list
	}
	small := map[string]handle.Group{"S0SMALL": {Size: 3, Members: []string{ann, rob, "U0CARL"}}}
	for _, tt := range []struct {
		name string
		r    handle.Request
		want []string
	}{
		{"a mail may still tell them", open(nil, ann, ben), nil},
		{"mailed", open(nil, ann, ben).MarkDelivered(asked.MailKey(), "", "", at), nil},
		{"mentioned", unmailed(open(nil, ann, ben).MarkDelivered(asked.ReplyKey(), "C0APPROVALS", "1.000002", at)), nil},
		{"users", unmailed(open(nil, ann, ben)), []string{ann, ben}},
		{"a group without the requester", unmailed(open(small, "S0SMALL", ann)), []string{ann, "U0CARL"}},
		{"a group that is not known", unmailed(open(nil, "S0SMALL", ann)), []string{ann}},
		{"a large group", unmailed(open(map[string]handle.Group{"S0LARGE": {Size: 21, Members: members(21)}}, "S0LARGE")), nil},
		{"one is told", unmailed(open(nil, ann, ben)).MarkDelivered("ask/"+ann, "D0ANN", "1.000003", at), []string{ben}},
		{"one has voted", votes(t, unmailed(open(nil, ann, ben)), handle.Approve, at, ann), []string{ben}},
		{"decided", unmailed(open(nil, ann, ben)).Withdraw("x", at), nil},
	} {
		if diff := cmp.Diff(tt.want, asks(tt.r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	many := unmailed(open(map[string]handle.Group{"S0ONE": {Size: 20, Members: members(20)}}, ann, "S0ONE", ben))
	for i, left := 0, asks(many); len(left) > 0; i, left = i+1, asks(many) {
		if len(left)+i != handle.MaxListed {
			t.Fatalf("%d are told and %d are left, want %d in all", i, len(left), handle.MaxListed)
		}
		many = many.MarkDelivered("ask/"+left[0], "D0", "1.1", at)
	}
}

func TestStepsThatNeedTheLease(t *testing.T) {
	for kind, want := range map[handle.StepKind]bool{
		handle.StepExpire: false, handle.StepSignal: false,
		handle.StepPost: true, handle.StepRefresh: true, handle.StepNotify: true, handle.StepMail: true, handle.StepAsk: true, handle.StepWatch: true,
	} {
		if got := (handle.Step{Kind: kind}).NeedsLease(); got != want {
			t.Errorf("%s: got %t, want %t", kind, got, want)
		}
	}
}

func TestNextDue(t *testing.T) {
	claim := func(r handle.Request) handle.Request {
		next, ok := r.Claim("one", at)
		if !ok {
			t.Fatal("the lease is not free")
		}
		return next
	}
	for _, tt := range []struct {
		name string
		r    handle.Request
		want time.Time
	}{
		{"at once", launch(), at},
		{"at the reminder", postAndNotify(launch()), launch().Terms.RemindAt},
		{"while leased", claim(launch()), at.Add(handle.LeaseTime)},
		{"the signal, while leased", claim(approved(t, launch(), at.Add(time.Second))), at.Add(time.Second)},
		{"after the lease was released", claim(launch()).Release("one"), at},
		{"never", handle.Request{Decision: &handle.Decision{State: handle.Withdrawn}, Signal: &handle.Signal{}, Ended: &handle.Ended{}}, time.Time{}},
	} {
		if got := tt.r.NextDue(); !got.Equal(tt.want) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestViewHashChangesWithWhatIsShown(t *testing.T) {
	hashes := map[string]string{}
	add := func(what string, r handle.Request) {
		t.Helper()
		if old, ok := hashes[r.ViewHash()]; ok {
			t.Errorf("%s has the ViewHash of %s: %q", what, old, r.ViewHash())
		}
		hashes[r.ViewHash()] = what
	}
	half := votes(t, launch(approvals(3)), handle.Approve, at, ann)
	add("pending", launch())
	add("of an unknown requester", launch(unidentified))
	add("one approval", half)
	add("two approvals", votes(t, half, handle.Approve, at, ben))
	add("pending, bypassed", launch().RecordBypass("x", at))
	for state, r := range closedRequests(t, launch()) {
		add(string(state), r)
		add(string(state)+", bypassed", r.RecordBypass("x", at))
		if state != handle.Withdrawn {
			add(string(state)+", signal refused", r.MarkSignalled("403", at))
		}
		for _, status := range []string{"ROLLBACK_COMPLETE", "DELETE_FAILED", ""} {
			add(string(state)+", ended "+status, r.RecordEnd(handle.Ended{Status: status, At: at}))
		}
	}
	if r := launch(); r.MarkSignalled("", at).ViewHash() != r.ViewHash() || postAndNotify(r).ViewHash() != r.ViewHash() {
		t.Error("ViewHash changes with what is not shown")
	}
}
