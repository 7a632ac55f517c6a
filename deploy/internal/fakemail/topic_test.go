package fakemail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakemail"
)

const arn = "arn:aws:sns:eu-west-1:111122223333:countersign"

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// newTopic serves a topic on loopback and returns the SDK's client for it.
func newTopic(t *testing.T, subscribers ...fakemail.Subscriber) (*fakemail.Topic, *sns.Client, string) {
	t.Helper()
	topic := fakemail.New(fakemail.Config{
		Now: func() time.Time { return start }, ARN: arn, DisplayName: "Countersign", Subscribers: subscribers,
	})
	server := httptest.NewServer(topic)
	t.Cleanup(server.Close)
	return topic, client(server.URL, "eu-west-1"), server.URL
}

func client(origin, region string) *sns.Client {
	return sns.New(sns.Options{
		Region: region, BaseEndpoint: aws.String(origin), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "example", ""),
		HTTPClient:  &http.Client{Timeout: 5 * time.Second},
	})
}

var (
	ann     = fakemail.Subscriber{Address: "ann@example.com", Confirmed: true}
	bob     = fakemail.Subscriber{Address: "bob@example.com", Confirmed: true}
	pending = fakemail.Subscriber{Address: "pending@example.com"}
)

func publish(subject, message string) *sns.PublishInput {
	in := &sns.PublishInput{TopicArn: aws.String(arn), Message: aws.String(message)}
	if subject != "" {
		in.Subject = aws.String(subject)
	}
	return in
}

func TestPublish(t *testing.T) {
	topic, api, _ := newTopic(t, ann, pending, bob)
	out, err := api.Publish(t.Context(), publish("Approval needed: PostgreSQL", "Ärger & <Freude>\nline 2"))
	if err != nil {
		t.Fatal(err)
	}
	messages := topic.Messages()
	if len(messages) != 1 {
		t.Fatalf("mails: got %d, want 1", len(messages))
	}
	got := messages[0]
	want := fakemail.Message{
		ID: aws.ToString(out.MessageId), From: "Countersign <no-reply@sns.amazonaws.com>",
		To: []string{"ann@example.com", "bob@example.com"}, Subject: "Approval needed: PostgreSQL",
		Text: "Ärger & <Freude>\nline 2", Body: got.Body, At: start,
	}
	if diff := cmp.Diff(want, got); diff != "" || got.ID == "" {
		t.Errorf("mail (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got.Body, got.Text+"\n\n--\n") || !strings.Contains(got.Body, "unsubscribe") {
		t.Errorf("body: got %q", got.Body)
	}
}

func TestPublishRefused(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name string
		in   *sns.PublishInput
		want string // the error's code
	}{
		{"no subject", publish("", "x"), ""},
		{"a subject of 99", publish(long(99), "x"), ""},
		{"a subject of 100", publish(long(100), "x"), "InvalidParameter"},
		{"an empty subject", &sns.PublishInput{TopicArn: aws.String(arn), Message: aws.String("x"), Subject: aws.String("")}, "InvalidParameter"},
		{"a line break", publish("a\nb", "x"), "InvalidParameter"},
		{"a tab", publish("a\tb", "x"), "InvalidParameter"},
		{"not ASCII", publish("Genehmigung nötig", "x"), "InvalidParameter"},
		{"a leading space", publish(" a", "x"), "InvalidParameter"},
		{"punctuation first", publish("[a]", "x"), ""},
		{"256 KiB", publish("", long(256<<10)), ""},
		{"256 KiB and a byte", publish("", long(256<<10+1)), "InvalidParameter"},
		{"an empty message", publish("", ""), "InvalidParameter"},
		{"a different topic", &sns.PublishInput{TopicArn: aws.String(arn + "x"), Message: aws.String("x")}, "NotFound"},
		{"no topic", &sns.PublishInput{Message: aws.String("x")}, "InvalidParameter"},
		{"a phone", &sns.PublishInput{PhoneNumber: aws.String("+15550100"), Message: aws.String("x")}, "InvalidParameter"},
		{"an unknown structure", &sns.PublishInput{TopicArn: aws.String(arn), Message: aws.String("x"), MessageStructure: aws.String("yaml")}, "InvalidParameter"},
		{"structure without a default", &sns.PublishInput{TopicArn: aws.String(arn), Message: aws.String(`{"email":"x"}`), MessageStructure: aws.String("json")}, "InvalidParameter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			topic, api, _ := newTopic(t, ann)
			_, err := api.Publish(t.Context(), tt.in)
			if got := errorCode(err); got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
			if sent := len(topic.Messages()) == 1; sent != (tt.want == "") {
				t.Errorf("sent: %t", sent)
			}
		})
	}
}

func errorCode(err error) string {
	var apiErr smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &apiErr):
		return apiErr.ErrorCode()
	}
	return "not an SNS error: " + err.Error()
}

func TestTypedErrors(t *testing.T) {
	_, api, _ := newTopic(t)
	_, err := api.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(arn + "x"), Message: aws.String("x")})
	var notFound *types.NotFoundException
	if !errors.As(err, &notFound) || notFound.ErrorMessage() != "Topic does not exist" {
		t.Errorf("got %v, want a NotFoundException", err)
	}
	_, err = api.Publish(t.Context(), publish("a\nb", "x"))
	var invalid *types.InvalidParameterException
	if !errors.As(err, &invalid) || invalid.ErrorMessage() != "Invalid parameter: Subject" {
		t.Errorf("got %v, want an InvalidParameterException", err)
	}
}

func TestMessageStructure(t *testing.T) {
	topic, api, _ := newTopic(t, ann)
	for _, m := range []string{`{"default":"for all","email":"for mail"}`, `{"default":"for all"}`} {
		in := publish("", m)
		in.MessageStructure = aws.String("json")
		if _, err := api.Publish(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	got := topic.Messages()
	if got[0].Text != "for mail" || got[1].Text != "for all" || got[0].Subject != "AWS Notification Message" {
		t.Errorf("got %+v", got)
	}
}

// Publishing succeeds without recipients.
func TestPublishWithoutConfirmedSubscribers(t *testing.T) {
	topic, api, _ := newTopic(t, pending)
	if _, err := api.Publish(t.Context(), publish("", "x")); err != nil {
		t.Fatal(err)
	}
	if got := topic.Messages(); len(got) != 0 || topic.Published() != 1 {
		t.Errorf("got %v of %d published", got, topic.Published())
	}
	topic.Subscribe(fakemail.Subscriber{Address: pending.Address, Confirmed: true})
	topic.Subscribe(ann)
	if _, err := api.Publish(t.Context(), publish("", "x")); err != nil {
		t.Fatal(err)
	}
	topic.Unsubscribe(ann.Address)
	if _, err := api.Publish(t.Context(), publish("", "x")); err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, m := range topic.Messages() {
		got = append(got, m.To)
	}
	if diff := cmp.Diff([][]string{{pending.Address, ann.Address}, {pending.Address}}, got); diff != "" {
		t.Errorf("recipients (-want +got):\n%s", diff)
	}
}

func TestTopicAttributes(t *testing.T) {
	_, api, _ := newTopic(t, ann, pending, bob)
	out, err := api.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: aws.String(arn)})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"TopicArn": arn, "Owner": "111122223333", "DisplayName": "Countersign",
		"SubscriptionsConfirmed": "2", "SubscriptionsPending": "1", "SubscriptionsDeleted": "0",
	}
	if diff := cmp.Diff(want, out.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	_, err = api.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: aws.String(arn + "x")})
	if got := errorCode(err); got != "NotFound" {
		t.Errorf("a different topic: got %q", got)
	}
}

func TestSubscriptions(t *testing.T) {
	topic, api, _ := newTopic(t, ann, pending)
	for i := range 20 {
		topic.Subscribe(fakemail.Subscriber{Address: fmt.Sprintf("p%d@example.com", i), Confirmed: true})
	}
	var all []types.Subscription
	pages := sns.NewListSubscriptionsByTopicPaginator(api, &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(arn)})
	n := 0
	for ; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Subscriptions...)
	}
	if n != 3 || len(all) != 22 {
		t.Fatalf("got %d subscriptions on %d pages, want 22 on 3", len(all), n)
	}
	if got := all[0]; !strings.HasPrefix(aws.ToString(got.SubscriptionArn), arn+":") || aws.ToString(got.Protocol) != "email" || aws.ToString(got.Endpoint) != ann.Address {
		t.Errorf("confirmed: got %v", got)
	}
	if got := aws.ToString(all[1].SubscriptionArn); got != "PendingConfirmation" {
		t.Errorf("pending: got %s", got)
	}
	_, err := api.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(arn), NextToken: aws.String("x")})
	if got := errorCode(err); got != "InvalidParameter" {
		t.Errorf("a wrong token: got %q", got)
	}
}

func TestSignature(t *testing.T) {
	topic, _, origin := newTopic(t, ann)
	_, err := client(origin, "us-east-1").Publish(t.Context(), publish("", "x"))
	if got := errorCode(err); got != "SignatureDoesNotMatch" {
		t.Errorf("signed for another Region: got %q", got)
	}
	form := url.Values{"Action": {"Publish"}, "Version": {"2010-03-31"}, "TopicArn": {arn}, "Message": {"x"}}.Encode()
	good := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/eu-west-1/sns/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64)
	for _, tt := range []struct {
		name, auth, contentType, body string
		status                        int
		want                          string
	}{
		{"signed", good, "application/x-www-form-urlencoded", form, 200, "<MessageId>"},
		{"not signed", "", "application/x-www-form-urlencoded", form, 403, "MissingAuthenticationToken"},
		{"a bearer token", "Bearer x", "application/x-www-form-urlencoded", form, 403, "MissingAuthenticationToken"},
		{"half a signature", good[:90], "application/x-www-form-urlencoded", form, 403, "IncompleteSignature"},
		{"for a different service", strings.Replace(good, "/sns/", "/sqs/", 1), "application/x-www-form-urlencoded", form, 403, "SignatureDoesNotMatch"},
		{"JSON", good, "application/json", form, 400, "MalformedInput"},
		{"an unknown version", good, "application/x-www-form-urlencoded", strings.Replace(form, "2010", "2011", 1), 400, "NoSuchVersion"},
		{"an unknown action", good, "application/x-www-form-urlencoded", strings.Replace(form, "Publish", "DeleteTopic", 1), 400, "InvalidAction"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, origin, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", tt.contentType)
		req.Header.Set("X-Amz-Date", "20261123T090000Z")
		if tt.auth != "" {
			req.Header.Set("Authorization", tt.auth)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: got %d %s, want %d with %s", tt.name, res.StatusCode, body, tt.status, tt.want)
		}
	}
	if got := len(topic.Messages()); got != 1 {
		t.Errorf("mails: got %d, want 1, from the signed request", got)
	}
}

// Each failure comes in two kinds: the call had no effect, or it took effect and
// only the response is bad.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault fakemail.Fault
		want  string // the error's code; empty for one without
	}{
		{"an error", fakemail.Fault{Code: "InternalError"}, "InternalError"},
		{"throttled", fakemail.Fault{Code: "Throttled", Status: 429}, "Throttled"},
		{"not authorized", fakemail.Fault{Code: "AuthorizationError", Status: 403}, "AuthorizationError"},
		{"503 without a body", fakemail.Fault{Status: 503}, ""},
		{"broken XML", fakemail.Fault{Body: "<PublishResponse><Publish"}, ""},
		{"lost", fakemail.Fault{Lost: true}, ""},
	} {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, applied %t", tt.name, applied), func(t *testing.T) {
				topic, api, _ := newTopic(t, ann)
				fault := tt.fault
				fault.Applied = applied
				topic.SetFault(func(action string, form url.Values) *fakemail.Fault {
					if action != "Publish" || form.Get("Message") != "x" {
						t.Errorf("the hook was called with %s %v", action, form)
					}
					return &fault
				})
				_, err := api.Publish(t.Context(), publish("", "x"))
				if err == nil || tt.want != "" && errorCode(err) != tt.want {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				if sent := len(topic.Messages()) == 1; sent != applied {
					t.Errorf("sent: %t, want %t", sent, applied)
				}
				if got := topic.Counts()["Publish"]; got != 1 {
					t.Errorf("calls: got %d, want 1", got)
				}
			})
		}
	}
}

func TestFaultHookMayChangeTopic(t *testing.T) {
	topic, api, _ := newTopic(t, ann)
	topic.SetFault(func(string, url.Values) *fakemail.Fault {
		topic.Subscribe(bob)
		return &fakemail.Fault{BeforeResponse: func() { topic.Unsubscribe(ann.Address) }}
	})
	for range 2 {
		if _, err := api.Publish(t.Context(), publish("", "x")); err != nil {
			t.Fatal(err)
		}
	}
	var got [][]string
	for _, m := range topic.Messages() {
		got = append(got, m.To)
	}
	if diff := cmp.Diff([][]string{{ann.Address, bob.Address}, {bob.Address}}, got); diff != "" {
		t.Errorf("recipients (-want +got):\n%s", diff)
	}
}

// Run with -race.
func TestConcurrentUse(t *testing.T) {
	const callers, rounds = 8, 10
	topic, api, _ := newTopic(t, ann)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range rounds {
				if _, err := api.Publish(context.WithoutCancel(t.Context()), publish("", "x")); err != nil {
					t.Error(err)
				}
				_, _ = topic.Messages(), topic.Counts()
			}
		})
	}
	all.Wait()
	ids := map[string]bool{}
	for _, m := range topic.Messages() {
		ids[m.ID] = true
	}
	if len(ids) != callers*rounds {
		t.Errorf("message IDs: got %d, want %d", len(ids), callers*rounds)
	}
}
