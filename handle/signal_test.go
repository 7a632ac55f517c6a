package handle_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

func signalOf(t *testing.T, r handle.Request) handle.SignalBody {
	t.Helper()
	body, ok := r.SignalBody()
	if !ok {
		t.Fatalf("a request that is %s needs no signal", r.State())
	}
	return body
}

func TestSignalBody(t *testing.T) {
	r := launch(approvals(1))
	id := r.ID
	by := func(v handle.Voter, verdict handle.Verdict, reason string) handle.Request {
		next, err := r.VoteBySlack(v, verdict, reason, at)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	byMail := func(verdict handle.Verdict, reason string) handle.Request {
		next, err := r.VoteByMail("Ann Example", verdict, reason, at)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	nameless := voter(ann)
	nameless.Name = "\u202e"
	for _, tt := range []struct {
		name string
		r    handle.Request
		want handle.SignalBody
	}{
		{"approved", by(voter(ann), handle.Approve, "fine"),
			handle.SignalBody{Status: "SUCCESS", Reason: "Approved by U0ANN", UniqueID: "approved-" + id, Data: id}},
		{"approved by a person without a name", by(nameless, handle.Approve, ""),
			handle.SignalBody{Status: "SUCCESS", Reason: "Approved by U0ANN", UniqueID: "approved-" + id, Data: id}},
		{"approved by mail", byMail(handle.Approve, ""),
			handle.SignalBody{Status: "SUCCESS", Reason: "Approved by Ann Example (by mail)", UniqueID: "approved-" + id, Data: id}},
		{"rejected", by(voter(ann), handle.Reject, "too\ndear \u202e"),
			handle.SignalBody{Status: "FAILURE", Reason: "Rejected by U0ANN: too dear", UniqueID: "rejected-" + id, Data: id}},
		{"rejected by mail", byMail(handle.Reject, "no"),
			handle.SignalBody{Status: "FAILURE", Reason: "Rejected by Ann Example (by mail): no", UniqueID: "rejected-" + id, Data: id}},
		{"expired", r.Expire(r.Terms.Deadline),
			handle.SignalBody{Status: "FAILURE", Reason: "Expired: no decision was made by 2026-11-23 19:58 UTC", UniqueID: "expired-" + id, Data: id}},
		{"withdrawn", r.Withdraw("the stack gave up", at),
			handle.SignalBody{Status: "FAILURE", Reason: "Withdrawn: the stack gave up", UniqueID: "withdrawn-" + id, Data: id}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, signalOf(t, tt.r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if body, ok := r.SignalBody(); ok {
		t.Errorf("a pending request signals %+v", body)
	}
	if got := r.Decider(); got != "" {
		t.Errorf("a pending request was decided by %q", got)
	}
}

func TestSignalBodiesStaySmall(t *testing.T) {
	b := newBucket(t, nil)
	u := b.url(t)
	for name, unit := range map[string]string{
		"letters": "x", "ampersands": "&", "angles": "<>", "quotes": `"`, "backslashes": `\`, "tabs": "\t", "NULs": "\x00", "deletes": "\x7f",
		"accents": "é", "signs": "€", "emoji": "😀", "family": "👩‍👩‍👧‍👦", "separators": "\u2028", "broken": "\xf0\x9f", "overrides": "\u202ex",
	} {
		t.Run(name, func(t *testing.T) {
			for lead := range 4 { // so that the text is cut within a rune
				flood := strings.Repeat("x", lead) + strings.Repeat(unit, 100_000/len(unit)) + "end"
				v := voter(ann)
				v.Name = flood
				bySlack, err := launch().VoteBySlack(v, handle.Reject, flood, at)
				if err != nil {
					t.Fatal(err)
				}
				byMail, err := launch().VoteByMail(flood, handle.Reject, flood, at)
				if err != nil {
					t.Fatal(err)
				}
				stored := rejected(t, launch(), at) // by a release with other limits
				stored.Decision.Reason, stored.Decision.By.Name = flood, flood
				for way, r := range map[string]handle.Request{"Slack": bySlack, "mail": byMail, "withdrawal": launch().Withdraw(flood, at), "store": stored} {
					if _, err := handle.SendSignal(t.Context(), b.Client(), u, signalOf(t, r)); err != nil {
						t.Fatal(err)
					}
					puts := b.got()
					body := puts[len(puts)-1].body
					if len(body) >= 4096 {
						t.Errorf("by %s: got a body of %d bytes, want fewer than 4096", way, len(body))
					}
					var sent handle.SignalBody
					if err := json.Unmarshal([]byte(body), &sent); err != nil {
						t.Errorf("by %s: %v in %.100q", way, err, body)
					}
					if !utf8.ValidString(body) || name != "broken" && strings.ContainsRune(sent.Reason, utf8.RuneError) {
						t.Errorf("by %s: a rune was split: %q", way, sent.Reason)
					}
					if len(sent.Reason) > 1500 {
						t.Errorf("by %s: got a reason of %d bytes, want at most 1500", way, len(sent.Reason))
					}
					if strings.ContainsAny(sent.Reason, "\n\r\t\x00\u202e\u2028") {
						t.Errorf("by %s: the reason is not one line: %q", way, sent.Reason)
					}
				}
			}
		})
	}
}

func TestSendResultString(t *testing.T) {
	for outcome, want := range map[handle.SendResult]string{handle.Delivered: "delivered", handle.Retry: "retry", handle.Permanent: "permanent"} {
		if got := outcome.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
