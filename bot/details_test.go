package bot_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"countersign/bot/slacktest"
	"countersign/handle"
	"countersign/handle/handletest"
)

// details is a click on Details by who.
func (w *world) details(r handle.Request, who string) document {
	return w.approve(r).set("details", "actions", "0", "action_id").set(handle.Action{ID: r.ID, Name: "details"}.String(), "actions", "0", "value").set(who, "user", "id")
}

// TestDetails opens all details for anyone who sees the message, also after the
// decision, and changes nothing.
func TestDetails(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 4000) + "END"
	r := w.launch(func(r *handle.Request) {
		r.Purpose = "Purpose in full"
		r.Parameters = append(r.Parameters, handle.Field{Name: "Policy", Value: long}, handle.Field{Name: "Url", Value: r.WaitURL.Expose()})
	})
	w.wantAck(w.send(w.details(r, outsider)))
	opened := w.slack.of("views.open")
	if len(opened) != 1 || opened[0].params.Get("trigger_id") == "" {
		t.Fatalf("views.open: got %+v, want one call", opened)
	}
	view := opened[0].params.Get("view")
	for _, p := range slacktest.ValidateView(json.RawMessage(view)) {
		t.Errorf("Slack would refuse it: %v", p)
	}
	for _, want := range []string{"Launch details", "Purpose in full", "MasterPassword", "m7i.large", "Policy", "END"} {
		if !strings.Contains(view, want) {
			t.Errorf("the details do not show %q: %s", want, view)
		}
	}
	if n := strings.Count(view, "x"); n < 4000 {
		t.Errorf("%d of 4,000 characters are shown", n)
	}
	if strings.Contains(view, "cloudformation-waitcondition") {
		t.Error("the details show a wait URL")
	}
	w.wantPrivate()
	if diff := handletest.Diff(r, w.stored(r.ID)); diff != "" {
		t.Errorf("the record changed (-before +after):\n%s", diff)
	}
	if n := w.store.Counts(); n.Reads != 1 || n.Writes != 0 || len(w.afterCalls()) != 0 {
		t.Errorf("calls of the store: got %+v, want one read; After: %d calls", n, len(w.afterCalls()))
	}
	w.wantAck(w.send(w.approve(r)))
	w.wantAck(w.send(w.details(w.wantVotes(r.ID, 1, handle.Approved), approver)))
	if n := len(w.slack.of("views.open")); n != 2 {
		t.Errorf("after the decision: %d views, want 2", n)
	}
}

func TestDetailsThatCannotBeShown(t *testing.T) {
	for name, tt := range map[string]struct {
		value string // instead of the request's
		fail  string // of views.open
		want  string
	}{
		"another verdict":    {value: "approve", want: "belongs to an unknown request"},
		"no request":         {value: handle.Action{ID: "abcdefghabcdefgh-abcdefgh", Name: "details"}.String(), want: "belongs to an unknown request"},
		"nonsense":           {value: "x", want: "belongs to an unknown request"},
		"an expired trigger": {fail: "expired_trigger_id", want: "Click Details again"},
		"a refused view":     {fail: "view_too_large", want: "could not be opened"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			d := w.details(r, approver)
			switch tt.value {
			case "":
			case "approve":
				d.set(handle.Ticket{ID: r.ID, Verdict: handle.Approve}.String(), "actions", "0", "value")
			default:
				d.set(tt.value, "actions", "0", "value")
			}
			if tt.fail != "" {
				w.slack.fail["views.open"] = tt.fail
			}
			w.wantAck(w.send(d))
			w.wantPrivate(tt.want)
			w.wantVotes(r.ID, 0, handle.Pending)
		})
	}
}

// TestDetailsActionIsNotAVote puts the Details button's value on Approve.
func TestDetailsActionIsNotAVote(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.wantAck(w.send(w.approve(r).set(handle.Action{ID: r.ID, Name: "details"}.String(), "actions", "0", "value")))
	w.wantPrivate("belongs to an unknown request")
	w.wantVotes(r.ID, 0, handle.Pending)
}

// TestMostDetails opens the most that a record holds.
func TestMostDetails(t *testing.T) {
	for name, unit := range map[string]string{"letters": "x", "ampersands": "&", "backticks": "`", "quotes": `"`, "emoji": "😀"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch(func(r *handle.Request) {
				var list []handle.Field
				for i := range 200 {
					list = append(list, handle.Field{Name: fmt.Sprintf("Parameter%03d", i), Value: strings.Repeat(unit, 4096/len(unit))})
				}
				r.Details, r.Parameters = handle.RedactFields(r.WaitURL, list), handle.RedactFields(r.WaitURL, list)
			})
			w.wantAck(w.send(w.details(r, approver)))
			opened := w.slack.of("views.open")
			if len(opened) != 1 {
				t.Fatalf("views.open: got %d calls, want 1", len(opened))
			}
			for _, p := range slacktest.ValidateView(json.RawMessage(opened[0].params.Get("view"))) {
				t.Errorf("Slack would refuse it: %v", p)
			}
			w.wantPrivate()
		})
	}
}
