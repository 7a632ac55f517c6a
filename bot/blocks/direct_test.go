package blocks_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/handle"
)

// TestDirect compares the requester's first direct message with its golden file, in every
// state, and checks that it is valid.
func TestDirect(t *testing.T) {
	list := states()
	withdrawn := must(sample().WithdrawByRequester(voter(rita), "Wrong size", start.Add(time.Hour)))
	list["withdrawn-by-requester"] = withdrawn
	elsewhere := list["approved"]
	elsewhere.Stack.OtherAccount = true
	list["elsewhere"] = elsewhere
	for name, r := range list {
		if !r.Requester.Addressable() {
			continue
		}
		v := blocks.Direct(r)
		valid(t, v)
		b, err := json.MarshalIndent(v.Blocks, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "direct/"+name+".json", append(b, '\n'))
		golden(t, "direct/"+name+".txt", []byte(v.Text+"\n"))
		for _, button := range []string{blocks.WithdrawAction, blocks.NudgeAction} {
			if has := strings.Contains(string(b), `"action_id": "`+button+`"`); has != (r.Decision == nil) &&
				!(button == blocks.WithdrawAction && r.State() == handle.Expired) {
				t.Errorf("%s: button %s: got %t", name, button, has)
			}
		}
	}
}

// TestFirstDirectNotifiesOfWhatHappened checks the text that phones show: of a decision
// that came before any direct message, it is the decision.
func TestFirstDirectNotifiesOfWhatHappened(t *testing.T) {
	r := must(sample().VoteBySlack(voter(ann), handle.Reject, "Use the shared queue, please", start.Add(time.Hour)))
	v := blocks.FirstDirect(r, handle.Notification{Name: handle.NotifyDecided, At: r.Decision.At})
	if !strings.Contains(v.Text, "rejected by <@U0ANN>") || !strings.Contains(v.Text, "Use the shared queue") {
		t.Errorf("it notifies of %q", v.Text)
	}
}

// TestWithdrawnByRequesterNamesThem checks message, thread and direct message.
func TestWithdrawnByRequesterNamesThem(t *testing.T) {
	r := must(sample().WithdrawByRequester(voter(rita), "Wrong size", start.Add(time.Hour)))
	n := handle.Notification{Name: handle.NotifyDecided, At: r.Decision.At}
	for where, v := range map[string]blocks.View{
		"message": blocks.Message(r), "direct": blocks.Direct(r),
		"thread": blocks.Notification(r, n, false), "reply in the direct message": blocks.Notification(r, n, true),
	} {
		b, err := json.Marshal(v.Blocks)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(b); !strings.Contains(s, `by \u003c@U0RITA\u003e`) || !strings.Contains(s, "Wrong size") {
			t.Errorf("%s: %s", where, s)
		}
	}
}

// TestNudgedNamesApproversAndNextTime checks the answer to a nudge.
func TestNudgedNamesApproversAndNextTime(t *testing.T) {
	r := must(sampleOfGroups().Nudge(voter(rita), start.Add(time.Hour)))
	if text := blocks.Nudged(r); !strings.Contains(text, "<@U0ANN>") || !strings.Contains(text, "<!date^") || !strings.Contains(text, "again after") {
		t.Error(text)
	}
	late := must(sampleOfGroups().Nudge(voter(rita), start.Add(10*time.Hour)))
	if text := blocks.Nudged(late); !strings.Contains(text, "expires before") {
		t.Error(text)
	}
}
