package notifier_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"countersign/bot/blocks"
	"countersign/handle"
	"countersign/notifier"
	"countersign/notifier/reconcile"
)

const signature = "5ec2e75ec2e7"

// buckets fakes CloudFormation's buckets as a RoundTripper. It takes every PUT.
type buckets struct{ answers, signals [][]byte }

const answerHost = "cloudformation-custom-resource-response-useast1.s3.amazonaws.com"

func (a *buckets) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPut || req.URL.Scheme != "https" {
		return nil, errors.New("only PUTs over https may be sent")
	}
	body := new(bytes.Buffer)
	if _, err := body.ReadFrom(req.Body); err != nil {
		return nil, err
	}
	switch {
	case responseBucket.MatchString(req.URL.Host):
		a.answers = append(a.answers, body.Bytes())
	case waitBucket.MatchString(req.URL.Host):
		a.signals = append(a.signals, body.Bytes())
	default:
		return nil, errors.New("not a bucket of CloudFormation: " + req.URL.Host)
	}
	return (&httptest.ResponseRecorder{Code: http.StatusOK}).Result(), nil
}

var (
	responseBucket = regexp.MustCompile(`^cloudformation-custom-resource-response-[a-z0-9]+\.s3([.-][a-z0-9-]+)*\.amazonaws\.(com|com\.cn|eu)$`)
	waitBucket     = regexp.MustCompile(`^cloudformation-waitcondition-[a-z0-9-]+\.s3([.-][a-z0-9-]+)?\.amazonaws\.(com|com\.cn|eu)$`)
)

// fuzzEvent is a custom resource event as CloudFormation sends it.
func fuzzEvent(kind string, properties map[string]any) string {
	b, err := json.Marshal(map[string]any{
		"RequestType": kind, "RequestId": "11111111-2222-3333-4444-555566667777", "StackId": stackID,
		"ResponseURL":        "https://" + answerHost + "/" + url.PathEscape(stackID+"|ApprovalRequest|11111111-2222-3333-4444-555566667777") + "?X-Amz-Signature=a45",
		"ResourceType":       "Custom::ApprovalRequest",
		"LogicalResourceId":  "ApprovalRequest",
		"PhysicalResourceId": handle.NewID(stackID, "ApprovalRequest", "1"),
		"ResourceProperties": properties,
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// snsEnvelope wraps message in the part of SNS's envelope that the notifier reads.
func snsEnvelope(message string) string {
	b, err := json.Marshal(map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "Sns": map[string]any{"Type": "Notification", "Message": message}}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// FuzzHandle passes arbitrary documents. None may make the notifier panic, every event
// that can be answered is answered within CloudFormation's limits, and no output
// contains the wait URL.
func FuzzHandle(f *testing.F) {
	waitURL := "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/" + url.PathEscape(stackID) + "/7/ApprovalHandle?X-Amz-Date=" +
		start.Format("20060102T150405Z") + "&X-Amz-Expires=43199&X-Amz-Signature=" + signature
	ask := map[string]any{"WaitUrl": waitURL, "EmailID": "rita@example.com", "Timeout": "3600", "Title": "Queue", "Purpose": "why",
		"Approvers": []string{"U0BOSS", group}, "Approvals": "2", "Details": map[string]any{"a": 1, "b": waitURL}, "Channel": "#approvals"}
	seeds := []string{
		fuzzEvent("Create", ask), fuzzEvent("Update", ask), fuzzEvent("Delete", ask), fuzzEvent("Other", ask),
		fuzzEvent("Create", map[string]any{"RequestId": handle.NewID(stackID, "ApprovalRequest", "1")}),
		fuzzEvent("Create", map[string]any{"WaitUrl": waitURL, "Purpose": "see " + waitURL, "Timeout": "x"}),
		fuzzEvent("Create", map[string]any{"WaitUrl": []string{waitURL}}),
		fuzzEvent("Create", nil),
		strings.Replace(fuzzEvent("Create", ask), `"RequestType":"Create"`, `"RequestType":7`, 1),
		fuzzEvent("Create", ask)[:900],
		`{"source":"aws.cloudformation","detail-type":"CloudFormation Stack Status Change","detail":{"stack-id":"` + stackID + `","status-details":{"status":"ROLLBACK_COMPLETE","status-reason":"no"}}}`,
		`{"source":"aws.events","detail-type":"Scheduled Event"}`, `{"source":"aws.scheduler"}`, `{"Records":[{}]}`, `{"Records":7}`, `null`, `[]`, `{`, ``,
	}
	for _, s := range seeds {
		f.Add(s)
		f.Add(snsEnvelope(s))
	}
	f.Fuzz(func(t *testing.T, event string) {
		n, puts, mail, log := fuzzNotifier()
		err := n.Handle(t.Context(), json.RawMessage(event))
		if strings.Contains(log.String(), "msg=panic") {
			t.Errorf("panic: %s", log)
		}
		said := log.String()
		if err != nil {
			said += err.Error()
		}
		for _, body := range puts.answers {
			var a answer
			if err := json.Unmarshal(body, &a); err != nil || a.Status != "SUCCESS" && a.Status != "FAILED" || len(body) > 4096 || a.PhysicalResourceId == "" {
				t.Errorf("answered %s, %v", body, err)
			}
			said += a.Reason
			for k, v := range a.Data {
				said += k + v
			}
		}
		for _, l := range mail.sent {
			said += l.subject + l.body
		}
		want, secret, ok := answerable(event)
		answered := false
		for _, body := range puts.answers {
			var a answer
			_ = json.Unmarshal(body, &a) // checked above
			answered = answered || a.StackId == want.StackId && a.RequestId == want.RequestId && a.LogicalResourceId == want.LogicalResourceId
			if ok && want.Status == "Delete" && a.Status != "SUCCESS" {
				t.Errorf("a Delete was answered %s", body)
			}
		}
		if ok && !answered {
			t.Errorf("CloudFormation got %q for %s, error %v", puts.answers, event, err)
		}
		if ok && strings.HasPrefix(secret, "https://cloudformation-waitcondition-") && strings.Contains(said, secret) {
			t.Errorf("the wait URL is in %s", said)
		}
		// This also covers events that cannot be parsed: if the signature occurs only
		// within whole wait URLs, it must not be shown.
		whole := strings.TrimPrefix(waitURL, "https://")
		if n := strings.Count(event, signature); n > 0 && n == strings.Count(event, whole) && strings.Contains(said, signature) {
			t.Errorf("a wait URL's signature is in %s", said)
		}
	})
}

// fuzzNotifier returns a notifier without a network, and what it sent and logged.
func fuzzNotifier() (n *notifier.Notifier, puts *buckets, mail *inbox, log *bytes.Buffer) {
	puts, mail, log = &buckets{}, &inbox{}, &bytes.Buffer{}
	return &notifier.Notifier{
		Reconciler: &reconcile.Reconciler{
			Store: &handle.Memory{}, Mail: mail, Client: &http.Client{Transport: puts}, Now: func() time.Time { return start },
			Stacks: &stacks{description: proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")},
			Log:    slog.New(slog.NewTextHandler(log, nil)),
			Links:  func(context.Context) (*blocks.Links, error) { return nil, errors.New("no links here") },
			Wait:   func(context.Context, time.Duration) error { return nil },
		},
		DigestKey: func(context.Context) ([]byte, error) { return nil, errors.New("no key here") },
		Defaults:  notifier.Defaults{Approvers: []string{group}, Approvals: 1, Margin: handle.MinMargin},
	}, puts, mail, log
}

// answerable parses a well-formed event independently of the notifier. It returns the
// IDs that the answer must have, with the RequestType as its Status, and the wait URL.
func answerable(event string) (want answer, waitURL string, ok bool) {
	var exact map[string]json.RawMessage
	if json.Unmarshal([]byte(event), &exact) != nil {
		return want, "", false
	}
	seen := map[string]bool{}
	for name := range exact {
		if seen[strings.ToLower(name)] {
			return want, "", false // ambiguous
		}
		seen[strings.ToLower(name)] = true
	}
	text := func(name string) (s string) {
		if json.Unmarshal(exact[name], &s) != nil {
			return ""
		}
		return s
	}
	want = answer{Status: text("RequestType"), StackId: text("StackId"), RequestId: text("RequestId"), LogicalResourceId: text("LogicalResourceId")}
	var properties map[string]any
	_ = json.Unmarshal(exact["ResourceProperties"], &properties)
	waitURL, _ = properties["WaitUrl"].(string)
	u, err := url.Parse(text("ResponseURL"))
	ok = err == nil && u.Scheme == "https" && u.User == nil && u.Host == answerHost && u.Fragment == "" && !strings.Contains(text("ResponseURL"), "#") &&
		strings.HasPrefix(want.StackId, "arn:aws:cloudformation:us-east-1:") && u.Path == "/"+want.StackId+"|"+want.LogicalResourceId+"|"+want.RequestId && len(exact["Records"]) == 0 &&
		want.StackId != "" && want.RequestId != "" && want.LogicalResourceId != "" && want.Status != "" && len(want.StackId+want.RequestId+want.LogicalResourceId) < 500
	return want, waitURL, ok
}

// FuzzRecord wraps documents in the envelope of SNS. The notifier must treat a wrapped
// custom resource request like the plain one, and reject nested envelopes, schedules
// and stack events. See
// https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
func FuzzRecord(f *testing.F) {
	waitURL := "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/" + url.PathEscape(stackID) + "/7/ApprovalHandle"
	ask := fuzzEvent("Create", map[string]any{"WaitUrl": waitURL, "EmailID": "rita@example.com", "Purpose": "\"quoted\" \u2028"})
	for _, message := range []string{
		ask, fuzzEvent("Create", map[string]any{"WaitUrl": 7}), fuzzEvent("Delete", nil), ask[:len(ask)-9], strings.Replace(ask, `"Create"`, `["Create"]`, 1),
		`{"source":"aws.events","detail-type":"Scheduled Event"}`, `{"source":"aws.cloudformation","detail-type":"CloudFormation Stack Status Change","detail":7}`,
		snsEnvelope(ask), strings.Replace(snsEnvelope(ask), "Records", "records", 1), `{"Records":[{"Sns":{"Message":"{}"}}]}`, `{"records":[7]}`, `{"Records":[]}`, "null", "", " ", "\x00", "text for people",
	} {
		f.Add(message, "AWS CloudFormation custom resource request", "us-east-1")
		f.Add(message, "", "\"}}]}")
	}
	f.Fuzz(func(t *testing.T, message, subject, region string) {
		if !utf8.ValidString(message) {
			return // JSON cannot hold it
		}
		envelope, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
			"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn:aws:sns:" + region + ":111122223333:countersign:5a",
			"Sns": map[string]any{
				"Type": "Notification", "MessageId": "5a", "TopicArn": "arn:aws:sns:" + region + ":111122223333:countersign", "Subject": subject, "Message": message,
				"Timestamp": "2026-11-23T09:00:00.000Z", "SignatureVersion": "1", "Signature": "5a==", "SigningCertUrl": "https://sns.example.com/a.pem",
				"UnsubscribeUrl": "https://sns.example.com/?Action=Unsubscribe", "MessageAttributes": map[string]any{},
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		plain, plainPuts, plainMail, _ := fuzzNotifier()
		wrapped, wrappedPuts, wrappedMail, _ := fuzzNotifier()
		plainErr, wrappedErr := plain.Handle(t.Context(), json.RawMessage(message)), wrapped.Handle(t.Context(), envelope)
		var nested struct{ Records []json.RawMessage }
		if json.Unmarshal([]byte(message), &nested) == nil && len(nested.Records) > 0 {
			if wrappedErr == nil || len(wrappedPuts.answers)+len(wrappedPuts.signals)+len(wrappedMail.sent) > 0 {
				t.Errorf("a nested envelope was accepted: %v", wrappedErr)
			}
			return
		}
		if wrappedErr != nil && errors.Is(wrappedErr, notifier.ErrEvent) && len(wrappedPuts.answers)+len(wrappedPuts.signals)+len(wrappedMail.sent) == 0 && !strings.Contains(strings.ToLower(message), "responseurl") {
			return // a topic may carry neither schedules nor stack events
		}
		if (plainErr == nil) != (wrappedErr == nil) || errors.Is(plainErr, notifier.ErrEvent) != errors.Is(wrappedErr, notifier.ErrEvent) {
			t.Errorf("%q: error %v plain, %v wrapped", message, plainErr, wrappedErr)
		}
		if diff := cmp.Diff(texts(plainPuts.answers), texts(wrappedPuts.answers)); diff != "" {
			t.Errorf("%q: answers differ (-plain +wrapped):\n%s", message, diff)
		}
		if p, e := len(plainMail.sent), len(wrappedMail.sent); p != e {
			t.Errorf("%q: %d mails plain, %d wrapped", message, p, e)
		}
	})
}

func texts(list [][]byte) (out []string) {
	for _, b := range list {
		out = append(out, string(b))
	}
	return out
}
