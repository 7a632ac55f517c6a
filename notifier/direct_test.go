package notifier_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
)

// TestOneReactionPerState decides a launch whose stack then fails: the message has the
// reaction of its last state alone, even if Slack's answers were lost.
func TestOneReactionPerState(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w := newWorld(t)
		r := w.launch()
		if lost {
			seen := map[string]bool{}
			w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
				if call := method + form.Get("name"); strings.HasPrefix(method, "reactions.") && !seen[call] {
					seen[call] = true
					return &slacktest.Fault{Lost: true}
				}
				return nil
			})
		}
		root, _ := w.load(r.ID).Root()
		if got := w.message(root).Reactions; len(got) != 0 {
			t.Errorf("pending: reactions %+v", got)
		}
		w.decide(r.ID, handle.Approve, "")
		if got := w.message(root).Reactions; len(got) != 0 {
			t.Errorf("the click waited for the reaction %+v", got)
		}
		w.sweep(20 * time.Minute)
		if got := w.message(root).Reactions; len(got) != 1 || got[0].Name != handle.ReactionApproved {
			t.Errorf("approved (lost: %t): reactions %+v", lost, got)
		}
		if err := w.ended("ROLLBACK_COMPLETE"); err != nil {
			t.Fatal(err)
		}
		w.sweep(20 * time.Minute)
		if got := w.message(root).Reactions; len(got) != 1 || got[0].Name != handle.ReactionFailed {
			t.Errorf("failed (lost: %t): reactions %+v", lost, got)
		}
		if due := w.load(r.ID).NextDue(); !due.IsZero() {
			t.Errorf("still due (lost: %t): %v", lost, due)
		}
	}
}

// TestRefusedReactionBlocksNothing: an app that was installed without the scope, or a
// message with too many reactions, leaves nothing to try again.
func TestRefusedReactionBlocksNothing(t *testing.T) {
	for _, refusal := range []string{"missing_scope", "too_many_reactions", "message_not_found", "is_archived", "an_unknown_code"} {
		w := newWorld(t)
		r := w.launch()
		w.slack.SetFault(func(method string, _ url.Values) *slacktest.Fault {
			if strings.HasPrefix(method, "reactions.") {
				return &slacktest.Fault{Error: refusal}
			}
			return nil
		})
		w.decide(r.ID, handle.Reject, "No need")
		if err := w.ended("ROLLBACK_COMPLETE"); err != nil {
			t.Fatal(err)
		}
		w.sweep(10 * time.Minute)
		r = w.load(r.ID)
		if due := r.NextDue(); !due.IsZero() || len(r.Attempts) != 0 {
			t.Errorf("%s: due %v, attempts %+v", refusal, due, r.Attempts)
		}
	}
}

// TestRefusedDirectMessageHarmsNothing: a requester who takes no messages of the app is
// told in the thread alone.
func TestRefusedDirectMessageHarmsNothing(t *testing.T) {
	for _, refusal := range []string{"messages_tab_disabled", "user_disabled", "cannot_dm_bot"} {
		w := newWorld(t)
		w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
		w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
			if method == "chat.postMessage" && !strings.HasPrefix(form.Get("channel"), "C") {
				return &slacktest.Fault{Error: refusal}
			}
			return nil
		})
		r := w.launch()
		w.decide(r.ID, handle.Approve, "")
		if err := w.ended("CREATE_COMPLETE"); err != nil {
			t.Fatal(err)
		}
		w.sweep(10 * time.Minute)
		r = w.load(r.ID)
		root, _ := r.Root()
		if m := w.message(root); len(m.Replies) != 3 || !strings.Contains(string(m.Blocks), "Approved and launched") {
			t.Errorf("%s: %d replies, and the message %s", refusal, len(m.Replies), m.Blocks)
		}
		if r.Signal == nil || r.Direct != nil || len(w.slack.DMs(rita)) != 0 || !r.NextDue().IsZero() {
			t.Errorf("%s: signal %+v, direct %+v, due %v", refusal, r.Signal, r.Direct, r.NextDue())
		}
	}
}

// TestLaterDirectMessagesGoOutAfterARefusedFirst: the app's Messages tab was off at the
// launch, and is on by the time of a question. The rest of the story is in its thread.
func TestLaterDirectMessagesGoOutAfterARefusedFirst(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
		if method == "chat.postMessage" && !strings.HasPrefix(form.Get("channel"), "C") {
			return &slacktest.Fault{Error: "messages_tab_disabled"}
		}
		return nil
	})
	r := w.launch()
	w.slack.SetFault(nil)
	r = w.load(r.ID)
	next, _, err := r.Ask(handle.Voter{Person: handle.Person{ID: ann}, Home: true, Groups: []string{group}}, "How long?", w.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Replace(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	w.sweep(time.Minute)
	w.decide(r.ID, handle.Approve, "")
	if err := w.ended("CREATE_COMPLETE"); err != nil {
		t.Fatal(err)
	}
	w.sweep(time.Minute)
	direct := w.slack.DMs(rita)
	if len(direct) != 1 || len(direct[0].ButtonsIn("answer")) != 1 || len(direct[0].Replies) != 2 {
		t.Fatalf("direct messages: %+v", direct)
	}
	if !strings.Contains(direct[0].Replies[0].Text, "approved by") || !strings.Contains(direct[0].Replies[1].Text, "the stack is ready") {
		t.Errorf("replies: %+v", direct[0].Replies)
	}
}

// TestDecisionBeforeTheQuestionIsOneDirectMessage: while Slack refuses direct messages
// for a while, a decision is made. The requester is told of the decision alone.
func TestDecisionBeforeTheQuestionIsOneDirectMessage(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
		if method == "chat.postMessage" && !strings.HasPrefix(form.Get("channel"), "C") {
			return &slacktest.Fault{Error: "internal_error"}
		}
		return nil
	})
	r := w.launch()
	w.slack.SetFault(nil)
	w.decide(r.ID, handle.Reject, "Use the shared queue")
	w.sweep(10 * time.Minute)
	direct := w.slack.DMs(rita)
	if len(direct) != 1 || len(direct[0].Replies) != 0 || !strings.Contains(direct[0].Text, "rejected by") || len(direct[0].ButtonsIn("requester")) != 0 {
		t.Errorf("direct messages: %+v", direct)
	}
	if r = w.load(r.ID); r.Direct == nil || r.Direct.TS != direct[0].TS {
		t.Errorf("the first direct message on record is %+v", r.Direct)
	}
}

// TestDirectMessageFollowsTheRecord: the first direct message has the buttons while the
// request is pending, and shows what has happened since.
func TestDirectMessageFollowsTheRecord(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	r := w.launch()
	direct := w.slack.DMs(rita)
	if len(direct) != 1 || len(direct[0].ButtonsIn("requester")) != 2 || !strings.Contains(direct[0].Text, "waiting for approval by") {
		t.Fatalf("direct messages: %+v", direct)
	}
	if id := direct[0].ButtonsIn("requester")[0].ActionID; id != blocks.NudgeAction {
		t.Errorf("the first button is %s", id)
	}
	calls := len(w.slack.Calls())
	w.decide(r.ID, handle.Reject, "Use the shared queue")
	for _, c := range w.slack.Calls()[calls:] {
		if c.Method == "chat.update" && c.Channel == direct[0].ChannelID {
			t.Error("the click updated the direct message, which costs a call")
		}
	}
	w.sweep(10 * time.Minute)
	direct = w.slack.DMs(rita)
	if len(direct[0].ButtonsIn("requester")) != 0 || !strings.Contains(string(direct[0].Blocks), "Use the shared queue") || len(direct[0].Replies) != 1 {
		t.Errorf("afterwards: %+v", direct)
	}
}
