package handle_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

// holder has a wait URL where fmt cannot call its methods.
type holder struct{ url handle.WaitURL }

func TestWaitURLIsNeverPrinted(t *testing.T) {
	r := launch()
	u := r.WaitURL
	raw := u.Expose()
	values := map[string]any{
		"value":                   u,
		"pointer":                 &u,
		"slice":                   []handle.WaitURL{u},
		"map":                     map[string]handle.WaitURL{"url": u},
		"key":                     map[handle.WaitURL]bool{u: true},
		"struct":                  struct{ URL handle.WaitURL }{u},
		"unexported field":        holder{u},
		"pointer to such a field": &holder{u},
		"interface":               []any{u},
		"request":                 r,
		"pointer to request":      &r,
		"requests":                []handle.Request{r},
		"error":                   fmt.Errorf("couldn't signal %s: %w", u, errors.New("no")),
	}
	check := func(t *testing.T, how, shown string) {
		t.Helper()
		secret := raw[len(raw)-32:] // of the signature
		for _, leak := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret)} {
			if strings.Contains(shown, leak) {
				t.Errorf("%s contains the wait URL: %.200s", how, shown)
				return
			}
		}
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%10.3v", "%T"} {
				check(t, verb, fmt.Sprintf(verb, v))
			}
			check(t, "Sprint", fmt.Sprint(v))
			check(t, "Sprintln", fmt.Sprintln(v))
			if b, err := json.Marshal(v); err == nil {
				check(t, "JSON", string(b))
			}
			if b, err := xml.Marshal(v); err == nil {
				check(t, "XML", string(b))
			}
			var text, object bytes.Buffer
			slog.New(slog.NewTextHandler(&text, nil)).Info("shown", "v", v)
			slog.New(slog.NewJSONHandler(&object, nil)).Info("shown", "v", v, slog.Group("g", "v", v))
			check(t, "the text log", text.String())
			check(t, "the JSON log", object.String())
		})
	}
	const placeholder = "[wait URL]"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10.3v"} {
		if got := fmt.Sprintf(verb, u); got != placeholder {
			t.Errorf("%s: got %q, want %q", verb, got, placeholder)
		}
	}
	if got := u.LogValue().String(); got != placeholder {
		t.Errorf("LogValue: got %q, want %q", got, placeholder)
	}
	if got := u.String(); got != placeholder {
		t.Errorf("String: got %q, want %q", got, placeholder)
	}
	if got, err := json.Marshal(u); err != nil || string(got) != `"[wait URL]"` {
		t.Errorf("JSON: got %s, %v, want the placeholder", got, err)
	}
}

func TestWaitURLIsNotInTheRequestsJSON(t *testing.T) {
	b, err := json.Marshal(launch())
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for name := range fields {
		if strings.EqualFold(name, "waitURL") {
			t.Errorf("the request's JSON has the field %q", name)
		}
	}
}

func TestRedactWaitURL(t *testing.T) {
	own := stackARN("aws", "us-west-2")
	const host = "cloudformation-waitcondition-us-west-2.s3-us-west-2.amazonaws.com"
	raw := "https://" + host + handlePath(own) + signed
	simulated := "http://127.0.0.1:4310" + handlePath(own) + "?token=simulated"
	elsewhere := "https://cloudformation-waitcondition-eu-west-3.s3.eu-west-3.amazonaws.com" + handlePath(stackARN("aws", "eu-west-3")) + signed
	for _, tt := range []struct {
		name, url, text, want string
	}{
		{"nothing to hide", raw, "The queue is full.", "The queue is full."},
		{"nothing", raw, "", ""},
		{"the URL", raw, raw, "[wait URL]"},
		{"in a sentence", raw, "could not PUT to " + raw + ", gave up", "could not PUT to [wait URL] gave up"},
		{"in quotes", raw, `PhysicalResourceId='` + raw + `'`, `PhysicalResourceId='[wait URL]'`},
		{"twice", raw, raw + " " + raw, "[wait URL] [wait URL]"},
		{"cut off", raw, raw[:len(raw)-10], "[wait URL]"},
		{"another stack's", raw, "see " + elsewhere, "see [wait URL]"},
		{"another stack's, without a URL of our own", "", "see " + elsewhere, "see [wait URL]"},
		{"as JSON", raw, `{"url":"` + strings.ReplaceAll(raw, "&", `\u0026`) + `"}`, "[wait URL]"},
		{"without its scheme", raw, host + handlePath(own) + signed, "[wait URL]"},
		{"simulated", simulated, "sent to " + simulated + ".", "sent to [wait URL]."},
	} {
		got := handle.StoredWaitURL(tt.url).Redact(tt.text)
		if strings.Contains(got, signature) || strings.Contains(got, "token=simulated") {
			t.Errorf("%s: not redacted: %q", tt.name, got)
		} else if tt.name != "in a sentence" && got != tt.want { // the comma may go with it
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRecordEndRedactsTheWaitURL(t *testing.T) {
	r := launch()
	raw := r.WaitURL.Expose()
	r = r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", Reason: "because of " + raw, At: at,
		Outputs: []handle.Field{{Name: "Handle", Value: raw}, {Name: "Queue", Value: "https://sqs.example.com/q"}}})
	want := []handle.Field{{Name: "Handle", Value: "[wait URL]"}, {Name: "Queue", Value: "https://sqs.example.com/q"}}
	if diff := cmp.Diff(want, r.Ended.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if want := "because of [wait URL]"; r.Ended.Reason != want {
		t.Errorf("reason: got %q, want %q", r.Ended.Reason, want)
	}
}
