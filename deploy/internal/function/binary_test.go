package function_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"countersign/deploy/internal/function"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// The real binaries, under the Runtime API, over the real protocols.

func TestApprovalWithRealBinaries(t *testing.T) {
	r := newFixture(t)
	stack, request := r.launch()
	r.clickButton(sandbox.Ann, request, handle.Approve)
	r.checkEnd(stack, "CREATE_COMPLETE", handle.Approved)
	for _, h := range []*fakeLambda{r.bot, r.notifier} {
		if h.starts != 1 || h.initFail != 0 {
			t.Errorf("a process started %d times, and failed to start %d times", h.starts, h.initFail)
		}
	}
	r.bot.waitForLog(`"message":"interaction"`, `"request":"`+request.ID+`"`, `"requestId":"8476a536-`)
	r.bot.waitForLog(`"Decisions":1`, `"State":"approved"`, `"FunctionName":"countersign-bot"`)
	r.notifier.waitForLog(`"Launches":1`, `"request":"`+request.ID+`"`)
	r.checkLogsHoldNoSecret()
}

// The API may send the body as base64.
func TestRejectionWithRealBinaries(t *testing.T) {
	r := newFixture(t)
	r.base64 = true
	stack, request := r.launch()
	root, _ := request.Root()
	i, err := r.Slack.ClickButton(sandbox.Ann, root.Channel, root.TS, string(handle.Reject))
	if err != nil || i.Opened == nil {
		t.Fatalf("no modal: %+v, %v\n%s", i, err, r.bot.output())
	}
	if i, err = r.Slack.Submit(sandbox.Ann, i.Opened.ID, map[string]map[string]string{"reason": {"reason": "use the shared cluster — instead"}}); err != nil || i.Failed {
		t.Fatalf("submit: %+v, %v\n%s", i, err, r.bot.output())
	}
	r.run()
	r.checkEnd(stack, "ROLLBACK_COMPLETE", handle.Rejected)
	if got := r.request(stack).Decision.Reason; got != "use the shared cluster — instead" {
		t.Errorf("the stored reason is %q", got)
	}
	r.checkLogsHoldNoSecret()
}

// The hook passes stacks of others at once, and fails a product's stack whose template
// it cannot get.
func TestHookWithRealBinary(t *testing.T) {
	h := newFakeLambda(t, "countersign-hook", binary(t, "hook"), "COUNTERSIGN_STACK_PREFIX=SC-")
	for name, want := range map[string]string{"network": `"hookStatus":"SUCCESS"`, "SC-111122223333-pp-2mmexample": `"hookStatus":"FAILED","errorCode":"InternalFailure"`} {
		o := h.invoke(fmt.Appendf(nil, `{"clientRequestToken":"7a3b1c2d","stackId":"arn:aws:cloudformation:us-east-1:111122223333:stack/%s/1","actionInvocationPoint":"CREATE_PRE_PROVISION","requestData":{"payload":"http://127.0.0.1/?X-Amz-Signature=1"}}`, name), invokeTime)
		if o.failed != "" || !strings.Contains(string(o.answer), want) || !strings.Contains(string(o.answer), `"clientRequestToken":"7a3b1c2d"`) {
			t.Errorf("%s: got %s %s, want %s", name, o.answer, o.failed, want)
		}
	}
	h.waitForLog(`"level":"WARN"`, `"status":"FAILED"`, `"requestId":"8476a536-`)
	if strings.Contains(h.output(), "X-Amz-Signature") {
		t.Errorf("the log quotes the payload's URL:\n%s", h.output())
	}
}

// checkEnd checks how a launch ended, and that every invariant held.
func (f *fixture) checkEnd(stack, status string, state handle.State) {
	f.t.Helper()
	request := f.request(stack)
	if got := f.status(stack); got != status || request.State() != state {
		f.t.Errorf("the stack is %s and the request %s, want %s and %s\n%s%s", got, request.State(), status, state, f.bot.output(), f.notifier.output())
	}
	for _, broken := range f.Check(context.Background(), f.store) {
		f.t.Error(broken)
	}
}

// checkLogsHoldNoSecret checks that the logs contain no secret and no wait URL.
func (f *fixture) checkLogsHoldNoSecret() {
	f.t.Helper()
	out := f.bot.output() + f.notifier.output()
	secrets := append([]string{"xoxb-", mailKey, "AWSAccessKeyId=", "X-Amz-Signature", "made-session-token"}, f.FunctionsConfig.SigningSecrets...)
	for id := range f.aws.items {
		if request, err := f.store.Load(context.Background(), strings.ReplaceAll(id, "/", "-")); err == nil {
			secrets = append(secrets, request.WaitURL.Expose())
		}
	}
	for _, secret := range secrets {
		if strings.Contains(out, secret) {
			f.t.Errorf("a log contains %q:\n%s", secret, out)
		}
	}
}

// After the signing secret and the token are rotated in Slack and in Secrets
// Manager, running processes pick up the new ones.
func TestRotatedSecretNeedsNoRestart(t *testing.T) {
	r := newFixture(t)
	stack, request := r.launch()
	r.aws.count("GetSecretValue")
	old := r.FunctionsConfig.SigningSecrets[0]
	r.Slack.RotateCredentials("xoxb-another-made-up-token", "another-made-up-signing-secret")
	// By now both processes have read the secret. Then it changes.
	if o := r.bot.invoke(httpEvent(t, httptest.NewRequest(http.MethodGet, "/", nil), nil, false), clickTime); o.failed != "" {
		t.Fatal(o.failed)
	}
	time.Sleep(2100 * time.Millisecond) // the secret is not reread sooner
	r.aws.set(func(a *fakeAWS) {
		a.secret = secretText("xoxb-another-made-up-token", []string{"another-made-up-signing-secret", old}, mailKey)
	})
	r.clickButton(sandbox.Ann, request, handle.Approve)
	r.checkEnd(stack, "CREATE_COMPLETE", handle.Approved)
	if r.bot.starts != 1 || r.notifier.starts != 1 {
		t.Errorf("the processes started %d and %d times", r.bot.starts, r.notifier.starts)
	}
	if n := r.aws.count("GetSecretValue"); n != 3 {
		t.Errorf("the secret was read %d times, want once when the bot started and once by each after a refusal", n)
	}
	r.checkLogsHoldNoSecret()
}

// Forged requests cannot make the bot reread the secret every time.
func TestForgedRequestsAreRefused(t *testing.T) {
	r := newFixture(t)
	for range 5 {
		req := httptest.NewRequest(http.MethodPost, "/slack/interactivity", nil)
		req.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint(time.Now().Unix()))
		req.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("ab", 32))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if status := r.click(req, "payload=%7B%7D"); status != http.StatusUnauthorized {
			t.Errorf("a forged request got status %d", status)
		}
		time.Sleep(500 * time.Millisecond)
	}
	if n := r.aws.count("GetSecretValue"); n > 2 {
		t.Errorf("the secret was read %d times", n)
	}
}

// click sends a request to the bot and returns the status.
func (f *fixture) click(req *http.Request, body string) int {
	f.t.Helper()
	o := f.bot.invoke(httpEvent(f.t, req, []byte(body), false), clickTime)
	var res struct {
		StatusCode int `json:"statusCode"`
	}
	if err := json.Unmarshal(o.answer, &res); err != nil {
		f.t.Fatalf("%v: %s", err, o.failed)
	}
	return res.StatusCode
}

// A secret that is invalid when the process starts is read again later. Until then
// clicks get 503.
func TestInvalidSecretIsReadAgain(t *testing.T) {
	r := newFixture(t)
	good := r.aws.secret
	r.aws.set(func(a *fakeAWS) { a.secret = `{"slackToken": "xoxp-not-a-bots", "signingSecret": "x"}` })
	req := httptest.NewRequest(http.MethodPost, "/slack/interactivity", nil)
	req.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint(time.Now().Unix()))
	req.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("ab", 32))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status := r.click(req, "payload=%7B%7D"); status != http.StatusServiceUnavailable {
		t.Errorf("without a secret a click got status %d", status)
	}
	r.bot.waitForLog("couldn't read the secret", "slackToken must be a bot token", "signingSecrets is missing", "resembles signingSecrets")
	if strings.Contains(r.bot.output(), "not-a-bots") {
		t.Error("the log quotes the secret")
	}
	time.Sleep(1100 * time.Millisecond)
	r.aws.set(func(a *fakeAWS) { a.secret = good })
	stack, request := r.launch()
	r.clickButton(sandbox.Ann, request, handle.Approve)
	r.checkEnd(stack, "CREATE_COMPLETE", handle.Approved)
	if r.bot.starts != 1 {
		t.Errorf("the bot started %d times", r.bot.starts)
	}
}

// fakeCloudFormation receives the responses to custom resource requests.
type fakeCloudFormation struct {
	*httptest.Server
	answers chan map[string]any
}

func newFakeCloudFormation(t *testing.T) *fakeCloudFormation {
	w := &fakeCloudFormation{answers: make(chan map[string]any, 10)}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var answer map[string]any
		if err != nil || r.Method != http.MethodPut || r.Header.Get("Content-Type") != "" || json.Unmarshal(body, &answer) != nil {
			t.Errorf("a response that S3 would refuse: %s %s", r.Method, body)
		}
		w.answers <- answer
	}))
	t.Cleanup(w.Close)
	return w
}

// event is a custom resource request as CloudFormation sends it.
func (w *fakeCloudFormation) event(kind string, properties string) []byte {
	return fmt.Appendf(nil, `{
  "RequestType": %q,
  "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:countersign-notifier",
  "ResponseURL": "%s/arn%%3Aaws%%3Acloudformation%%3Aus-east-1%%3A111122223333%%3Astack/SC-111122223333-pp-2mmexample/5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f%%7CApprovalRequest%%7C7a3b1c2d-5e6f-4a7b-8c9d-0e1f2a3b4c5d",
  "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/SC-111122223333-pp-2mmexample/5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f",
  "RequestId": "7a3b1c2d-5e6f-4a7b-8c9d-0e1f2a3b4c5d",
  "ResourceType": "Custom::ApprovalRequest",
  "LogicalResourceId": "ApprovalRequest",
  "ResourceProperties": {"ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:countersign-notifier", %s}
}`, kind, w.URL, properties)
}

func (w *fakeCloudFormation) gateProperties() string {
	return fmt.Sprintf(`"WaitUrl": "%s/arn%%3Aaws%%3Acloudformation%%3Aus-east-1%%3A111122223333%%3Astack/SC-111122223333-pp-2mmexample/5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f/ApprovalHandle?Expires=%d&Signature=secret", "EmailID": "rita@example.com", "Timeout": "39600"`,
		w.URL, time.Now().Add(12*time.Hour).Unix())
}

// answer returns the response that CloudFormation has received.
func (w *fakeCloudFormation) answer(t *testing.T, h *fakeLambda) (status, reason string) {
	t.Helper()
	select {
	case a := <-w.answers:
		status, _ = a["Status"].(string)
		reason, _ = a["Reason"].(string)
		return status, reason
	default:
		t.Fatalf("CloudFormation got no response\n%s", h.output())
		return "", ""
	}
}

// When the store hangs, CloudFormation gets its response before Lambda's timeout.
func TestResponseIsSentBeforeTimeout(t *testing.T) {
	cloud := newFakeCloudFormation(t)
	r := newFixture(t, "COUNTERSIGN_ORIGINS="+cloud.URL)
	r.aws.set(func(a *fakeAWS) { a.hangs = true })
	begun := time.Now()
	o := r.notifier.invoke(cloud.event("Create", cloud.gateProperties()), 4500*time.Millisecond)
	if o.failed == timedOut || time.Since(begun) > 4*time.Second { // an error makes Lambda deliver the event again
		t.Errorf("after %s: %q", time.Since(begun), o.failed)
	}
	if status, reason := cloud.answer(t, r.notifier); status != "FAILED" || reason == "" {
		t.Errorf("CloudFormation got %s: %s", status, reason)
	}
	if r.notifier.invoke(cloud.event("Delete", cloud.gateProperties()), 4500*time.Millisecond); r.notifier.starts != 1 {
		t.Errorf("the process started %d times", r.notifier.starts)
	}
	if status, _ := cloud.answer(t, r.notifier); status != "SUCCESS" {
		t.Errorf("Delete got %s", status)
	}
}

// State survives a process that dies between two events.
func TestLaunchSurvivesRestart(t *testing.T) {
	r := newFixture(t)
	stack, request := r.launch()
	r.notifier.stop(r.notifier.process)
	r.clickButton(sandbox.Ann, request, handle.Approve)
	r.checkEnd(stack, "CREATE_COMPLETE", handle.Approved)
	if r.notifier.starts != 2 {
		t.Errorf("the notifier started %d times, want twice", r.notifier.starts)
	}
}

// An invalid configuration does not end the process: CloudFormation gets the
// problems, people get 503, and a log line and a metric report it.
func TestInvalidConfiguration(t *testing.T) {
	cloud := newFakeCloudFormation(t)
	r := newFixture(t, "COUNTERSIGN_ORIGINS="+cloud.URL, "COUNTERSIGN_TABLE=", "COUNTERSIGN_APPROVALS=many")
	for _, c := range []struct{ kind, status, reason string }{
		{"Create", "FAILED", "COUNTERSIGN_TABLE is missing"},
		{"Update", "FAILED", "COUNTERSIGN_APPROVALS must be a whole number"},
		{"Delete", "SUCCESS", ""},
	} {
		if o := r.notifier.invoke(cloud.event(c.kind, cloud.gateProperties()), invokeTime); o.failed != "" {
			t.Errorf("%s failed: %s", c.kind, o.failed)
		}
		if status, reason := cloud.answer(t, r.notifier); status != c.status || !strings.Contains(reason, c.reason) {
			t.Errorf("%s got %s: %s, want %s: %s", c.kind, status, reason, c.status, c.reason)
		}
	}
	// A sweep that fails is logged and not retried.
	if o := r.notifier.invoke([]byte(`{"source":"aws.scheduler"}`), invokeTime); o.failed != "" {
		t.Errorf("a sweep returned %+v", o)
	}
	r.notifier.waitForLog(`"message":"couldn't sweep"`)
	if status := r.click(httptest.NewRequest(http.MethodPost, "/slack/interactivity", nil), ""); status != http.StatusServiceUnavailable {
		t.Errorf("the bot returned %d", status)
	}
	for _, h := range []*fakeLambda{r.bot, r.notifier} {
		h.waitForLog(`"level":"ERROR"`, "COUNTERSIGN_TABLE is missing", "COUNTERSIGN_APPROVALS must be")
		h.waitForLog(`"ConfigurationFaults":1`)
		if h.starts != 1 || h.initFail != 0 {
			t.Errorf("a process started %d times, and failed to start %d times", h.starts, h.initFail)
		}
	}
}

// With an invalid configuration, a stack can still roll an update back, and be updated
// without a change of what was approved.
func TestInvalidConfigurationFailsNoRollback(t *testing.T) {
	cloud := newFakeCloudFormation(t)
	var status atomic.Value
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(rw, `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>x</StackName><StackStatus>%s</StackStatus></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`, status.Load())
	}))
	t.Cleanup(api.Close)
	r := newFixture(t, "COUNTERSIGN_ORIGINS="+cloud.URL, "COUNTERSIGN_TABLE=", "AWS_ENDPOINT_URL_CLOUDFORMATION="+api.URL)
	gate := cloud.gateProperties() + `, "Parameters": {"Size": "small"}`
	for _, c := range []struct{ stack, old, want string }{
		{"UPDATE_IN_PROGRESS", strings.Replace(gate, "small", "large", 1), "FAILED"},
		{"UPDATE_IN_PROGRESS", strings.Replace(gate, "rita@", "rob@", 1), "SUCCESS"},
		{"UPDATE_ROLLBACK_IN_PROGRESS", strings.Replace(gate, "small", "large", 1), "SUCCESS"},
		{"UPDATE_ROLLBACK_IN_PROGRESS", strings.Replace(gate, "ApprovalHandle", "OldHandle", 1), "SUCCESS"},
	} {
		status.Store(c.stack)
		event := bytes.Replace(cloud.event("Update", gate), []byte(`  "ResourceProperties"`), fmt.Appendf(nil, `  "PhysicalResourceId": "x", "OldResourceProperties": {%s},`+"\n"+`  "ResourceProperties"`, c.old), 1)
		if o := r.notifier.invoke(event, invokeTime); o.failed != "" {
			t.Errorf("%s: failed: %s", c.stack, o.failed)
		}
		if got, reason := cloud.answer(t, r.notifier); got != c.want {
			t.Errorf("%s, old properties %s: got %s %s, want %s", c.stack, c.old, got, reason, c.want)
		}
	}
}

// asFunction turns the test binary into a function whose store panics.
const asFunction = "COUNTERSIGN_TEST_AS_FUNCTION"

func runAsFunction(role string) {
	environ := []string{}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, asFunction) {
			environ = append(environ, v)
		}
	}
	if role == "notifier" {
		f := function.NewNotifier(environ, os.Stdout, nil)
		f.SetStore(panickingStore{})
		lambda.Start(f)
	}
}

type panickingStore struct{ handle.Store }

func (panickingStore) Create(context.Context, handle.Request) (handle.Request, error) {
	panic("xoxb-secret")
}
func (panickingStore) OfStack(context.Context, string) ([]handle.Request, error) {
	panic("xoxb-secret")
}

// After a panic CloudFormation gets a response, the process continues, and the
// panic's value is not logged.
func TestPanicIsContained(t *testing.T) {
	cloud := newFakeCloudFormation(t)
	r := newFixture(t, "COUNTERSIGN_ORIGINS="+cloud.URL, asFunction+"=notifier")
	r.notifier.binary = os.Args[0]
	if o := r.notifier.invoke(cloud.event("Create", cloud.gateProperties()), invokeTime); o.failed != "" {
		t.Errorf("failed: %s", o.failed)
	}
	if status, reason := cloud.answer(t, r.notifier); status != "FAILED" || !strings.Contains(reason, "internal error") {
		t.Errorf("CloudFormation got %s: %s", status, reason)
	}
	moved := `{"source":"aws.cloudformation","detail-type":"CloudFormation Stack Status Change","detail":{"stack-id":"arn:aws:cloudformation:us-east-1:111122223333:stack/s/5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f","status-details":{"status":"CREATE_COMPLETE"}}}`
	if o := r.notifier.invoke([]byte(moved), invokeTime); !strings.Contains(o.failed, "internal error") {
		t.Errorf("a panic outside of a custom resource request returned %+v", o)
	}
	r.notifier.waitForLog(`"message":"panic"`)
	if r.notifier.starts != 1 || strings.Contains(r.notifier.output(), "xoxb-") {
		t.Errorf("the process started %d times, and wrote\n%s", r.notifier.starts, r.notifier.output())
	}
}

// Each sweep publishes the age of the oldest undecided request, 0 if there is none.
func TestSweepPublishesOldestPending(t *testing.T) {
	r := newFixture(t)
	sweep := []byte(`{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","detail-type":"Scheduled Event","source":"aws.events","account":"111122223333","time":"2026-10-08T16:53:06Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:111122223333:rule/sweep"],"detail":{}}`)
	if o := r.notifier.invoke(sweep, invokeTime); o.failed != "" {
		t.Fatal(o.failed)
	}
	r.notifier.waitForLog(`"OldestPending":0,`)
	stack, request := r.launch()
	time.Sleep(20 * time.Millisecond)
	if o := r.notifier.invoke(sweep, invokeTime); o.failed != "" {
		t.Fatal(o.failed)
	}
	r.notifier.waitForLog(`"OldestPending":0.`)
	r.clickButton(sandbox.Ann, request, handle.Approve)
	r.checkEnd(stack, "CREATE_COMPLETE", handle.Approved)
	r.aws.set(func(a *fakeAWS) { a.down = true })
	n := strings.Count(r.notifier.output(), "OldestPending")
	if o := r.notifier.invoke(sweep, invokeTime); o.failed != "" {
		t.Errorf("a sweep without a store is retried: %s", o.failed)
	}
	r.notifier.waitForLog(`"message":"couldn't sweep"`)
	if strings.Count(r.notifier.output(), "OldestPending") != n {
		t.Error("a failed sweep published a value")
	}
}

// The requester PUTs to the wait URL: the verdict fails the stack, and the bypass is
// counted once.
func TestBypassIsCountedOnce(t *testing.T) {
	r := newFixture(t)
	stack, _ := r.launch()
	if status, err := r.PutWaitHandle(t.Context(), stack); err != nil || status != http.StatusOK {
		t.Fatalf("PUT: %d, %v", status, err)
	}
	r.run()
	r.checkEnd(stack, "ROLLBACK_COMPLETE", handle.Withdrawn)
	r.notifier.waitForLog(`"Bypassed":1`, `"stack":"`+stack+`"`)
	if n := strings.Count(r.notifier.output(), `"Bypassed":1`); n != 1 {
		t.Errorf("the bypass was counted %d times", n)
	}
}
