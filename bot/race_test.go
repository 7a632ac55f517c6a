package bot_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/bot/blocks"
	"countersign/handle"
	"countersign/handle/handletest"
)

// TestConcurrentApprovals lets two approvers click ten times each at once.
func TestConcurrentApprovals(t *testing.T) {
	for _, approvals := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d needed", approvals), func(t *testing.T) {
			w := newWorld(t)
			r := w.launch(quorum(approvals))
			var wg sync.WaitGroup
			for range 10 {
				for _, by := range []string{approver, member} {
					d := w.approve(r).by(by)
					wg.Go(func() { w.wantAck(w.send(d)) })
				}
			}
			wg.Wait()
			got := w.wantVotes(r.ID, approvals, handle.Approved)
			decisions := 0
			for _, e := range got.Events {
				if e.Kind == handle.EventDecided {
					decisions++
				}
			}
			if decisions != 1 {
				t.Errorf("decisions: got %d, want 1; events %+v", decisions, got.Events)
			}
		})
	}
}

// TestConcurrentVerdicts lets one approver approve and another reject at once.
func TestConcurrentVerdicts(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	var wg sync.WaitGroup
	for range 10 {
		yes, no := w.approve(r), w.submission(r).by(member)
		wg.Go(func() { w.wantAck(w.send(yes)) })
		wg.Go(func() { w.send(no) })
	}
	wg.Wait()
	if got := w.stored(r.ID); len(got.Votes) != 1 || got.State() == handle.Pending {
		t.Errorf("request: got %s with votes %+v, want one", got.State(), got.Votes)
	}
}

// TestActsRaceWithDecisions lets what approvers and the requester do meet a decision, in
// both orders and at once. There is one decision, and after it nothing else changes.
func TestActsRaceWithDecisions(t *testing.T) {
	approve := func(w *world, r handle.Request) document { return w.approve(r).by(approver) }
	batch := func(w *world, r handle.Request) document {
		m, err := json.Marshal(map[string]any{"r": [][2]string{{r.ID, blocks.Shown(r)}}})
		if err != nil {
			w.Fatal(err)
		}
		return w.submission(r).set(blocks.BatchReviewModal, "view", "callback_id").set(string(m), "view", "private_metadata").by(member)
	}
	for name, other := range map[string]func(w *world, r handle.Request) document{
		"answer":           func(w *world, r handle.Request) document { return w.answer(r, "q1", requester, "Because") },
		"withdrawal":       func(w *world, r handle.Request) document { return w.withdrawal(r, requester, "Wrong size") },
		"reassigned away":  func(w *world, r handle.Request) document { return w.reassignment(r, member, "U0SECOND") },
		"several together": batch,
		"rejection":        func(w *world, r handle.Request) document { return w.submission(r).by(member) },
		"question":         func(w *world, r handle.Request) document { return w.question(r, member, "How long?") },
		"review":           func(w *world, r handle.Request) document { return w.click(r, "reviewing", "", member) },
		"nudge":            func(w *world, r handle.Request) document { return w.click(r, "nudge", "", requester) },
	} {
		t.Run(name, func(t *testing.T) {
			for n := range 30 {
				w := newWorld(t)
				r := w.launch(reassignable, func(r *handle.Request) {
					next, _, err := r.Ask(handle.Voter{Person: handle.Person{ID: approver}, Home: true}, "Why?", launched)
					if err != nil {
						t.Fatal(err)
					}
					*r = next
				})
				var both sync.WaitGroup
				for k, d := range []document{approve(w, r), other(w, r)} {
					both.Go(func() {
						time.Sleep(time.Duration((n%3-1)*(1-2*k)) * 200 * time.Microsecond)
						w.send(d)
					})
				}
				both.Wait()
				got := w.stored(r.ID)
				decided := -1
				for i, e := range got.Events {
					switch e.Kind {
					case handle.EventDecided:
						if decided >= 0 {
							t.Fatalf("two decisions: %+v", got.Events)
						}
						decided = i
					case handle.EventVote, handle.EventAnswer, handle.EventQuestion, handle.EventReviewing, handle.EventNudged, handle.EventReassigned:
						if decided >= 0 {
							t.Fatalf("%s after the decision: %+v", e.Kind, got.Events)
						}
					}
				}
				switch len(got.Reassignments) {
				case 0:
					if decided < 0 {
						t.Fatalf("no decision: %+v", got.Events)
					}
				default: // an approver who was replaced could not approve any more
					if len(got.Votes) != 0 || got.CountRefusals(handle.RefusedNotApprover) != 1 {
						t.Fatalf("after the reassignment: votes %+v, events %+v", got.Votes, got.Events)
					}
				}
				if got.State() == handle.Approved && len(got.Votes) != 1 {
					t.Fatalf("votes: %+v", got.Votes)
				}
			}
		})
	}
}

// TestStoreFails lets each call of the store fail once in each way, in every flow
// that writes a vote. The vote must count exactly once.
func TestStoreFails(t *testing.T) {
	flows := []struct {
		name string
		send func(*world, handle.Request) response
		want handle.State
	}{
		{"approve", func(w *world, r handle.Request) response { return w.send(w.approve(r)) }, handle.Approved},
		{"approve a copy", func(w *world, r handle.Request) response {
			return w.send(w.approve(r).set("1795341700.000300", "container", "message_ts"))
		}, handle.Approved},
		{"reject", func(w *world, r handle.Request) response { return w.send(w.submission(r)) }, handle.Rejected},
	}
	for _, flow := range flows {
		for _, fault := range []handletest.Fault{handletest.NotApplied, handletest.ResponseLost, handletest.RetriedByClient} {
			for n := range 3 {
				t.Run(fmt.Sprintf("%s, %s at call %d", flow.name, fault, n), func(t *testing.T) {
					w := newWorld(t)
					r := w.launch()
					w.store.Fault = handletest.FailNth(n, fault)
					w.wantAck(flow.send(w, r))
					got := w.wantVotes(r.ID, 1, flow.want)
					w.wantPrivate()
					after := w.afterCalls()
					if len(after) != 1 || after[0].holder == "" || !got.HeldBy(after[0].holder, w.clock()) {
						t.Errorf("After: got %+v, want one call under the lease %v", after, got.Lease)
					}
					if w.slack.count("users.info") != 1 {
						t.Errorf("look-ups: got %v, want one", w.slack.methods())
					}
				})
			}
		}
	}
}

// TestLookupIsNotRepeatedAfterLostWrite loses the response of a write and lets Slack
// fail: the retry must not look up the user again.
func TestLookupIsNotRepeatedAfterLostWrite(t *testing.T) {
	w := newWorld(t)
	r := w.launch(quorum(2))
	w.store.Fault = func(v handletest.Method, _ string) handletest.Fault {
		if v != handletest.Replace {
			return handletest.NoFault
		}
		w.slack.fail["users.info"] = "fatal_error"
		w.advance(2 * time.Minute)
		return handletest.ResponseLost
	}
	w.wantAck(w.send(w.approve(r)))
	w.wantVotes(r.ID, 1, handle.Pending)
	w.wantPrivate("Recorded. 1 more approval is needed.")
}

// TestConflict writes between the bot's read and its write.
func TestConflict(t *testing.T) {
	other := handle.Voter{Person: handle.Person{Team: "T0HOME", ID: member, Name: "Mel"}, Home: true, Groups: []string{"S0APPROVERS"}}
	tests := []struct {
		name    string
		change  func(*world, handle.Request) (handle.Request, error)
		votes   int
		state   handle.State
		private []string
	}{
		{"the sweep reminds", func(w *world, r handle.Request) (handle.Request, error) {
			return r.MarkDelivered(handle.Notification{Name: handle.NotifyReminder}.ReplyKey(), channel, "1.2", w.clock()), nil
		}, 1, handle.Approved, nil},
		{"another approver approves", func(w *world, r handle.Request) (handle.Request, error) {
			return r.VoteBySlack(other, handle.Approve, "", w.clock())
		}, 1, handle.Approved, []string{"Already approved by <@U0MEMBER>"}},
		{"another approver rejects", func(w *world, r handle.Request) (handle.Request, error) {
			return r.VoteBySlack(other, handle.Reject, "too dear", w.clock())
		}, 1, handle.Rejected, []string{"Already rejected by <@U0MEMBER>"}},
		{"the request is withdrawn", func(w *world, r handle.Request) (handle.Request, error) {
			return r.Withdraw("rolled back", w.clock()), nil
		}, 0, handle.Withdrawn, []string{"This request was withdrawn"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			once := false
			w.store.Fault = func(v handletest.Method, _ string) handletest.Fault {
				if v != handletest.Replace || once {
					return handletest.NoFault
				}
				once = true
				next, err := tt.change(w, w.stored(r.ID))
				if err == nil {
					_, err = w.store.Store.Replace(t.Context(), next)
				}
				if err != nil {
					t.Error(err)
				}
				return handletest.NoFault
			}
			w.wantAck(w.send(w.approve(r)))
			w.wantVotes(r.ID, tt.votes, tt.state)
			w.wantPrivate(tt.private...)
		})
	}
}

// TestPersistentStoreFailures checks that the message says whether the vote was not
// recorded or its outcome is unknown.
func TestPersistentStoreFailures(t *testing.T) {
	failing := func(f handletest.Fault, verbs ...handletest.Method) func(handletest.Method, string) handletest.Fault {
		return func(v handletest.Method, _ string) handletest.Fault {
			for _, failing := range verbs {
				if v == failing {
					return f
				}
			}
			return handletest.NoFault
		}
	}
	const (
		sure   = "Your decision could not be recorded. Try again in a moment."
		unsure = "Your decision may not have been recorded."
	)
	written := func(f handletest.Fault) func(handletest.Method, string) handletest.Fault {
		down := false
		return func(v handletest.Method, _ string) handletest.Fault {
			if down {
				return handletest.NotApplied
			}
			if down = v == handletest.Replace; down {
				return f
			}
			return handletest.NoFault
		}
	}
	tests := []struct {
		name    string
		fault   func(handletest.Method, string) handletest.Fault
		private string
		votes   int
	}{
		{"reads fail", failing(handletest.NotApplied, handletest.Load), sure, 0},
		{"writes fail", failing(handletest.NotApplied, handletest.Replace), unsure, 0},
		{"the response of the write is lost, then all calls fail", written(handletest.ResponseLost), unsure, 1},
		{"the write is retried by the client, then all calls fail", written(handletest.RetriedByClient), unsure, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newInMemoryWorld(t)
				r := w.launch()
				w.store.Fault = tt.fault
				w.wantAck(w.send(w.approve(r)))
				w.wantPrivate(tt.private)
				if got := w.stored(r.ID); len(got.Votes) != tt.votes {
					t.Errorf("votes: got %d, want %d", len(got.Votes), tt.votes)
				}
				if tt.votes == 0 {
					w.wantFormError(w.send(w.submission(r)), tt.private[:30])
					w.wantVotes(r.ID, 0, handle.Pending)
				}
			})
		})
	}
}
