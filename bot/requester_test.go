package bot_test

import (
	"strings"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/handle"
)

func (w *world) withdrawal(r handle.Request, who, reason string) document {
	return w.form(r, "withdraw", "", who, "withdrawal", map[string]any{"type": "plain_text_input", "value": reason})
}

// inDirect moves a click to the requester's direct messages.
func (w *world) inDirect(d document) document {
	w.slack.AddChannel(slacktest.Channel{ID: "D0REQUESTER", IMUserID: requester, Members: []string{requester, "U0COUNTERSIGN"}})
	return d.set("D0REQUESTER", "container", "channel_id").set("1795341700.000300", "container", "message_ts")
}

// TestRequesterWithdraws opens the form from the direct message, and submits it twice.
func TestRequesterWithdraws(t *testing.T) {
	for reason, want := range map[string]string{" Wrong size ": "Wrong size", "": "the requester no longer needs it"} {
		w := newWorld(t)
		r := w.launch()
		w.wantAck(w.send(w.inDirect(w.click(r, "withdraw", "", requester))))
		if view := w.opened(1); !strings.Contains(view, "Withdraw this launch?") || !strings.Contains(view, "is rolled back at once") {
			t.Errorf("the form is %s", view)
		}
		if n := w.store.Counts(); n.Writes != 0 {
			t.Errorf("opening the form wrote %d times", n.Writes)
		}
		w.wantAck(w.send(w.withdrawal(r, requester, reason)))
		w.wantAck(w.send(w.withdrawal(r, requester, reason)))
		got := w.wantVotes(r.ID, 0, handle.Withdrawn)
		if d := got.Decision; d.Reason != want || d.By.ID != requester || !got.WithdrawnByRequester() {
			t.Errorf("decision: %+v, want reason %q", d, want)
		}
		if len(got.Messages) != 1 {
			t.Errorf("messages: got %v, want the root only", got.Messages)
		}
		w.wantPrivate()
	}
}

// TestWithdrawalRefused: others may not withdraw, and nothing is withdrawn that is
// decided or too late. Each is told privately, or in the form.
func TestWithdrawalRefused(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	for _, who := range []string{approver, member} {
		w.wantErrorAt(w.send(w.withdrawal(r, who, "x")), "withdrawal", "Only the requester")
	}
	w.wantAck(w.send(w.click(r, "withdraw", "", approver)))
	w.wantPrivate("Only the requester")
	w.wantVotes(r.ID, 0, handle.Pending)

	w.wantAck(w.send(w.approve(r).by(approver)))
	w.wantErrorAt(w.send(w.withdrawal(r, requester, "x")), "withdrawal", "nothing left to withdraw")
	w.wantAck(w.send(w.inDirect(w.click(r, "withdraw", "", requester))))
	w.wantPrivate("Only the requester", "nothing left to withdraw")
	w.wantVotes(r.ID, 1, handle.Approved)
}

// TestRequesterNudges nudges once, too soon, and once more; others may not.
func TestRequesterNudges(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.wantAck(w.send(w.inDirect(w.click(r, "nudge", "", requester))))
	w.wantPrivate("will be reminded")
	w.now = w.now.Add(time.Minute)
	w.wantAck(w.send(w.inDirect(w.click(r, "nudge", "", requester))))
	w.wantPrivate("will be reminded", "nudged recently")
	if last := w.slack.ephemerals()[1]; !strings.Contains(last, "<!date^") {
		t.Errorf("it does not say when again as a date: %s", last)
	}
	w.wantAck(w.send(w.click(r, "nudge", "", approver)))
	w.wantPrivate("will be reminded", "nudged recently", "Only the requester")
	if got := w.stored(r.ID); len(got.Nudges) != 1 {
		t.Errorf("nudges: %+v", got.Nudges)
	}
}
