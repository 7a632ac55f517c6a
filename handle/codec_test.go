package handle_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"countersign/handle"
)

func TestCodec(t *testing.T) {
	for name, r := range map[string]handle.Request{
		"nothing":   {},
		"new":       launch(),
		"whole":     fullRequest(t),
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
			wantSame(t, "there and back", r, got)
			if got.WaitURL.Expose() != r.WaitURL.Expose() {
				t.Error("the wait URL came back as another")
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

// TestStoredRecordsStayReadable holds the encoding still: a record of an earlier
// release must mean the same to this one.
func TestStoredRecordsStayReadable(t *testing.T) {
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
	want := []string{"signal", "refresh/C0APPROVALS/1.000001", "tell/decided", "watch"}
	if got := keys(r.Outstanding()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("owed: got %q, want %q", got, want)
	}
}

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
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
		"nothing":               "",
		"no JSON":               "{" + secret,
		"a list":                "[]",
		"half of it":            string(b[:len(b)-10]),
		"a later version":       with("v", "2"),
		"a much later version":  with("v", "1000000"),
		"no version":            with("v", ""),
		"version nought":        with("v", "0"),
		"a version in words":    with("v", `"1"`),
		"a broken version":      with("v", "1.5"),
		"a list that is a URL":  with("events", `"`+secret+`"`),
		"a URL that is a list":  with("waitUrl", "[]"),
		"something behind":      string(b) + "{}",
		"two records, one text": string(b) + string(b),
	} {
		r, err := handle.Decode([]byte(doc))
		if err == nil {
			t.Errorf("%s: got request %s", name, r.ID)
			continue
		}
		if strings.Contains(err.Error(), signature) {
			t.Errorf("%s: the error shows the wait URL: %v", name, err)
		}
		if r.ID != "" {
			t.Errorf("%s: got a request with the error", name)
		}
	}
}
