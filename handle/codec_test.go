package handle_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"countersign/handle"
)

func TestEncodeDecodeRoundTrip(t *testing.T) {
	for name, r := range map[string]handle.Request{
		"zero":      {},
		"new":       launch(),
		"full":      fullRequest(t),
		"no mail":   launch(withoutSlack),
		"hostile":   launch(func(r *handle.Request) { r.Purpose = "<&>\"\\\u2028\x00😀" }),
		"wait URLs": launch(func(r *handle.Request) { r.WaitURL = handle.StoredWaitURL("https://x/%3A%7C?a=%2B&b=<>&\"") }),
	} {
		t.Run(name, func(t *testing.T) {
			b, err := handle.Encode(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := handle.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, "after encoding and decoding", r, got)
			if got.WaitURL.Expose() != r.WaitURL.Expose() {
				t.Error("the wait URL changed")
			}
			again, err := handle.Encode(got)
			if err != nil {
				t.Fatal(err)
			}
			if string(again) != string(b) {
				t.Errorf("encoded again:\n%s\nwant\n%s", again, b)
			}
		})
	}
}

// A request stored by an earlier release must have the same outstanding steps.
func TestStoredRequestHasTheSameSteps(t *testing.T) {
	const stored = `{"v":1,"id":"aaaaaaaaaaaaaaaa-bbbbbbbb","rev":7,"createdAt":"2026-11-23T09:00:00Z",
		"stack":{"id":"arn:aws:cloudformation:us-east-1:111122223333:stack/SC-x/1","name":"SC-x","account":"111122223333","region":"us-east-1","gate":"ApprovalRequest"},
		"product":{"name":"Workbench"},"requester":{"email":"rob@example.com","slackId":"U0ROB","slackIds":["U0ROB"],"lookedUp":true},
		"terms":{"channel":"C0APPROVALS","approvers":["U0ANN"],"approvals":1,"deadline":"2026-11-23T19:58:00Z","remindAt":"2026-11-23T17:13:30Z"},
		"votes":[{"by":{"team":"T0HOME","id":"U0ANN","name":"Ann"},"verdict":"approve","via":"slack","at":"2026-11-23T10:00:00Z"}],
		"decision":{"state":"approved","by":{"team":"T0HOME","id":"U0ANN","name":"Ann"},"via":"slack","at":"2026-11-23T10:00:00Z"},
		"messages":[{"channel":"C0APPROVALS","ts":"1.000001","shown":"pending"}],
		"told":{"reply/asked":{"at":"2026-11-23T09:00:01Z","channel":"C0APPROVALS","ts":"1.000002"}},
		"tries":{"signal":{"n":2,"notBefore":"2026-11-23T10:00:30Z","why":"no answer"}},
		"events":[{"at":"2026-11-23T09:00:00Z","kind":"created"}],
		"waitUrl":"https://wait.example.com/a%3Ab?c=%2B"}`
	r, err := handle.Decode([]byte(stored))
	if err != nil {
		t.Fatal(err)
	}
	if !r.ApprovedFor("arn:aws:cloudformation:us-east-1:111122223333:stack/SC-x/1") || r.Rev != 7 || r.WaitURL.Expose() != "https://wait.example.com/a%3Ab?c=%2B" {
		t.Errorf("got %s, revision %d", r.State(), r.Rev)
	}
	want := []string{"signal", "refresh/C0APPROVALS/1.000001", "tell/decided", "watch", "react"}
	if got := keys(r.Outstanding()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("outstanding: got %q, want %q", got, want)
	}
}

func TestDecodeRefusesOtherDocuments(t *testing.T) {
	const secret = "https://wait.example.com/x?X-Amz-Signature=" + signature
	b, err := handle.Encode(launch(func(r *handle.Request) { r.WaitURL = handle.StoredWaitURL(secret) }))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	with := func(name, value string) string {
		was, had := fields[name]
		defer func() {
			if delete(fields, name); had {
				fields[name] = was
			}
		}()
		if delete(fields, name); value != "" {
			fields[name] = json.RawMessage(value)
		}
		edited, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(edited)
	}
	for name, doc := range map[string]string{
		"nothing":                    "",
		"not JSON":                   "{" + secret,
		"a list":                     "[]",
		"half of it":                 string(b[:len(b)-10]),
		"a later version":            with("v", "2"),
		"a much later version":       with("v", "1000000"),
		"no version":                 with("v", ""),
		"version zero":               with("v", "0"),
		"a version that is a string": with("v", `"1"`),
		"a fractional version":       with("v", "1.5"),
		"a list that is a URL":       with("events", `"`+secret+`"`),
		"a URL that is a list":       with("waitUrl", "[]"),
		"something appended":         string(b) + "{}",
		"two records, one text":      string(b) + string(b),
	} {
		r, err := handle.Decode([]byte(doc))
		if err == nil {
			t.Errorf("%s: got request %s", name, r.ID)
			continue
		}
		if strings.Contains(err.Error(), signature) {
			t.Errorf("%s: the error contains the wait URL: %v", name, err)
		}
		if r.ID != "" {
			t.Errorf("%s: got a request with the error", name)
		}
	}
}
