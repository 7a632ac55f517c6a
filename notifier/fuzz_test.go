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

// aws is CloudFormation's buckets, without sockets: they take every PUT.
type aws struct{ answers, signals [][]byte }

const answerHost = "cloudformation-custom-resource-response-useast1.s3.amazonaws.com"

func (a *aws) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPut || req.URL.Scheme != "https" {
		return nil, errors.New("only PUTs over https lead out")
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
		return nil, errors.New("no bucket of CloudFormation: " + req.URL.Host)
	}
	return (&httptest.ResponseRecorder{Code: http.StatusOK}).Result(), nil
}

var (
	responseBucket = regexp.MustCompile(`^cloudformation-custom-resource-response-[a-z0-9]+\.s3([.-][a-z0-9-]+)*\.amazonaws\.(com|com\.cn|eu)$`)
	waitBucket     = regexp.MustCompile(`^cloudformation-waitcondition-[a-z0-9-]+\.s3([.-][a-z0-9-]+)?\.amazonaws\.(com|com\.cn|eu)$`)
)

// fuzzEvent is an event as it comes over the wire on AWS.
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

// packed is as much of SNS's envelope as the notifier reads.
func packed(message string) string {
	b, err := json.Marshal(map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "Sns": map[string]any{"Type": "Notification", "Message": message}}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// FuzzHandle hands over all kinds of documents. None makes the notifier panic;
// whatever can be answered is answered, within CloudFormation's limits; and
// nothing quotes the wait URL.
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
		f.Add(packed(s))
	}
	f.Fuzz(func(t *testing.T, event string) {
		n, world, mail, log := fuzzed()
		err := n.Handle(t.Context(), json.RawMessage(event))
		if strings.Contains(log.String(), "msg=panic") {
			t.Errorf("it panicked: %s", log)
		}
		said := log.String()
		if err != nil {
			said += err.Error()
		}
		for _, body := range world.answers {
			var a answer
			if err := json.Unmarshal(body, &a); err != nil || a.Status != "SUCCESS" && a.Status != "FAILED" || len(body) > 4096 || a.PhysicalResourceId == "" {
				t.Errorf("answered %s, %v", body, err)
			}
			said += a.Reason
			for k, v := range a.Data {
				said += k + v
			}
		}
		for _, l := range mail.letters {
			said += l.subject + l.body
		}
		want, secret, ok := answerable(event)
		answered := false
		for _, body := range world.answers {
			var a answer
			_ = json.Unmarshal(body, &a) // looked at above
			answered = answered || a.StackId == want.StackId && a.RequestId == want.RequestId && a.LogicalResourceId == want.LogicalResourceId
			if ok && want.Status == "Delete" && a.Status != "SUCCESS" {
				t.Errorf("a Delete was answered %s", body)
			}
		}
		if ok && !answered {
			t.Errorf("CloudFormation got %q for %s, and the error was %v", world.answers, event, err)
		}
		if ok && strings.HasPrefix(secret, "https://cloudformation-waitcondition-") && strings.Contains(said, secret) {
			t.Errorf("the wait URL is in %s", said)
		}
		// Of events too broken to tell: as long as the signature stands in whole
		// wait URLs only, it is not shown.
		whole := strings.TrimPrefix(waitURL, "https://")
		if n := strings.Count(event, signature); n > 0 && n == strings.Count(event, whole) && strings.Contains(said, signature) {
			t.Errorf("a wait URL's signature is in %s", said)
		}
	})
}

// fuzzed is a notifier without a network: what leaves it is kept.
func fuzzed() (n *notifier.Notifier, world *aws, mail *inbox, log *bytes.Buffer) {
	world, mail, log = &aws{}, &inbox{}, &bytes.Buffer{}
	return &notifier.Notifier{
		Reconciler: &reconcile.Reconciler{
			Store: &handle.Memory{}, Mail: mail, Client: &http.Client{Transport: world}, Now: func() time.Time { return start },
			Stacks: &stacks{is: proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")},
			Log:    slog.New(slog.NewTextHandler(log, nil)),
			Links:  func(context.Context) (*blocks.Links, error) { return nil, errors.New("no links here") },
			Wait:   func(context.Context, time.Duration) error { return nil },
		},
		Defaults: notifier.Defaults{Approvers: []string{group}, Approvals: 1, Margin: handle.MinMargin},
	}, world, mail, log
}

// answerable reads off a well-formed event, by other means than the notifier,
// what CloudFormation must be told, and the wait URL. Status is the RequestType.
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

// FuzzRecord puts documents into the envelope in which SNS hands them over.
// What comes of one is what comes of the document by itself; only an envelope
// within an envelope comes to nothing. See
// https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
func FuzzRecord(f *testing.F) {
	waitURL := "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/" + url.PathEscape(stackID) + "/7/ApprovalHandle"
	ask := fuzzEvent("Create", map[string]any{"WaitUrl": waitURL, "EmailID": "rita@example.com", "Purpose": "\"quoted\" \u2028"})
	for _, message := range []string{
		ask, fuzzEvent("Create", map[string]any{"WaitUrl": 7}), fuzzEvent("Delete", nil), ask[:len(ask)-9], strings.Replace(ask, `"Create"`, `["Create"]`, 1),
		`{"source":"aws.events","detail-type":"Scheduled Event"}`, `{"source":"aws.cloudformation","detail-type":"CloudFormation Stack Status Change","detail":7}`,
		packed(ask), strings.Replace(packed(ask), "Records", "records", 1), `{"Records":[{"Sns":{"Message":"{}"}}]}`, `{"records":[7]}`, `{"Records":[]}`, "null", "", " ", "\x00", "text for people",
	} {
		f.Add(message, "AWS CloudFormation custom resource request", "us-east-1")
		f.Add(message, "", "\"}}]}")
	}
	f.Fuzz(func(t *testing.T, message, subject, region string) {
		if !utf8.ValidString(message) {
			return // no JSON carries it
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
		plain, plainWorld, plainMail, _ := fuzzed()
		within, withinWorld, withinMail, _ := fuzzed()
		plainErr, withinErr := plain.Handle(t.Context(), json.RawMessage(message)), within.Handle(t.Context(), envelope)
		var nested struct{ Records []json.RawMessage }
		if json.Unmarshal([]byte(message), &nested) == nil && len(nested.Records) > 0 {
			if withinErr == nil || len(withinWorld.answers)+len(withinWorld.signals)+len(withinMail.letters) > 0 {
				t.Errorf("an envelope within an envelope was opened: %v", withinErr)
			}
			return
		}
		if withinErr != nil && errors.Is(withinErr, notifier.ErrEvent) && len(withinWorld.answers)+len(withinWorld.signals)+len(withinMail.letters) == 0 && !strings.Contains(strings.ToLower(message), "responseurl") {
			return // schedules and stack events are not taken from a topic
		}
		if (plainErr == nil) != (withinErr == nil) || errors.Is(plainErr, notifier.ErrEvent) != errors.Is(withinErr, notifier.ErrEvent) {
			t.Errorf("%q: error %v by itself, and in an envelope %v", message, plainErr, withinErr)
		}
		if diff := cmp.Diff(texts(plainWorld.answers), texts(withinWorld.answers)); diff != "" {
			t.Errorf("%q: CloudFormation was answered otherwise (-by itself +in an envelope):\n%s", message, diff)
		}
		if p, e := len(plainMail.letters), len(withinMail.letters); p != e {
			t.Errorf("%q: %d letters by itself, and in an envelope %d", message, p, e)
		}
	})
}

func texts(list [][]byte) (out []string) {
	for _, b := range list {
		out = append(out, string(b))
	}
	return out
}
