package function_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"countersign/deploy/internal/function"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// The real binaries, under the Runtime API, over the real protocols.

func TestApproval(t *testing.T) {
	r := newRig(t)
	stack, request := r.launch()
	r.press(sandbox.Ann, request, handle.Approve)
	r.ended(stack, "CREATE_COMPLETE", handle.Approved)
	for _, h := range []*host{r.bot, r.notifier} {
		if h.starts != 1 || h.initFail != 0 {
			t.Errorf("a process was started %d times, and failed to %d times", h.starts, h.initFail)
		}
	}
	r.bot.said(`"message":"press"`, `"request":"`+request.ID+`"`, `"requestId":"8476a536-`)
	r.bot.said(`"Decisions":1`, `"State":"approved"`, `"FunctionName":"countersign-bot"`)
	r.notifier.said(`"Launches":1`, `"request":"`+request.ID+`"`)
	r.silent()
}

// As many a front does, this one sends the body as base64.
func TestRejection(t *testing.T) {
	r := newRig(t)
	r.base64 = true
	stack, request := r.launch()
	root, _ := request.Root()
	i, err := r.Slack.ClickButton(sandbox.Ann, root.Channel, root.TS, string(handle.Reject))
	if err != nil || i.Opened == nil {
		t.Fatalf("no form: %+v, %v\n%s", i, err, r.bot.output())
	}
	if i, err = r.Slack.Submit(sandbox.Ann, i.Opened.ID, map[string]map[string]string{"reason": {"reason": "use the shared cluster — instead"}}); err != nil || i.Failed {
		t.Fatalf("submit: %+v, %v\n%s", i, err, r.bot.output())
	}
	r.run()
	r.ended(stack, "ROLLBACK_COMPLETE", handle.Rejected)
	if got := r.request(stack).Decision.Reason; got != "use the shared cluster — instead" {
		t.Errorf("the reason on record is %q", got)
	}
	r.silent()
}

// ended checks how a launch has ended, and that every law held.
func (r *rig) ended(stack, status string, state handle.State) {
	r.t.Helper()
	request := r.request(stack)
	if got := r.status(stack); got != status || request.State() != state {
		r.t.Errorf("the stack is %s and the request %s, want %s and %s\n%s%s", got, request.State(), status, state, r.bot.output(), r.notifier.output())
	}
	for _, broken := range r.Check(context.Background(), r.store) {
		r.t.Error(broken)
	}
}

// silent checks that no secret and no wait URL is in any log.
func (r *rig) silent() {
	r.t.Helper()
	out := r.bot.output() + r.notifier.output()
	secrets := append([]string{"xoxb-", mailKey, "AWSAccessKeyId=", "X-Amz-Signature", "made-session-token"}, r.FunctionsConfig.SigningSecrets...)
	for id := range r.account.items {
		if request, err := r.store.Load(context.Background(), strings.ReplaceAll(id, "/", "-")); err == nil {
			secrets = append(secrets, request.WaitURL.Expose())
		}
	}
	for _, secret := range secrets {
		if strings.Contains(out, secret) {
			r.t.Errorf("a log has %q:\n%s", secret, out)
		}
	}
}

// The signing secret is rotated in Slack and in Secrets Manager; the process,
// which knows the old one, goes on. So it is with the token.
func TestRotation(t *testing.T) {
	r := newRig(t)
	stack, request := r.launch()
	r.account.count("GetSecretValue")
	old := r.FunctionsConfig.SigningSecrets[0]
	r.Slack.RotateCredentials("xoxb-another-made-up-token", "another-made-up-signing-secret")
	// Both have read the secret at their start, or read it now; then it changes.
	if o := r.bot.invoke(httpEvent(t, httptest.NewRequest(http.MethodGet, "/", nil), nil, false), clickTime); o.failed != "" {
		t.Fatal(o.failed)
	}
	time.Sleep(2100 * time.Millisecond) // what was read a moment ago is not doubted
	r.account.set(func(a *account) {
		a.secret = secretText("xoxb-another-made-up-token", []string{"another-made-up-signing-secret", old}, mailKey)
	})
	r.press(sandbox.Ann, request, handle.Approve)
	r.ended(stack, "CREATE_COMPLETE", handle.Approved)
	if r.bot.starts != 1 || r.notifier.starts != 1 {
		t.Errorf("the processes were started %d and %d times", r.bot.starts, r.notifier.starts)
	}
	if n := r.account.count("GetSecretValue"); n != 3 {
		t.Errorf("the secret was read %d times, want once at the bot's start, and once by each when it had reason", n)
	}
	r.silent()
}

// A forged request makes the secret be read anew once a minute at most.
func TestForgedRequestsAreRefused(t *testing.T) {
	r := newRig(t)
	for range 5 {
		req := httptest.NewRequest(http.MethodPost, "/slack/interactivity", nil)
		req.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint(time.Now().Unix()))
		req.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("ab", 32))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if status := r.click(req, "payload=%7B%7D"); status != http.StatusUnauthorized {
			t.Errorf("a forged request is answered %d", status)
		}
		time.Sleep(500 * time.Millisecond)
	}
	if n := r.account.count("GetSecretValue"); n > 2 {
		t.Errorf("the secret was read %d times", n)
	}
}

// click sends a request to the bot, and returns the status of its answer.
func (r *rig) click(req *http.Request, body string) int {
	r.t.Helper()
	o := r.bot.invoke(httpEvent(r.t, req, []byte(body), false), clickTime)
	var res struct {
		StatusCode int `json:"statusCode"`
	}
	if err := json.Unmarshal(o.answer, &res); err != nil {
		r.t.Fatalf("%v: %s", err, o.failed)
	}
	return res.StatusCode
}

// A secret that cannot be read when the process starts is read later; until
// then nobody is let in, and launches fail.
func TestWithoutASecret(t *testing.T) {
	r := newRig(t)
	good := r.account.secret
	r.account.set(func(a *account) { a.secret = `{"slackToken": "xoxp-not-a-bots", "signingSecret": "x"}` })
	req := httptest.NewRequest(http.MethodPost, "/slack/interactivity", nil)
	req.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint(time.Now().Unix()))
	req.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("ab", 32))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status := r.click(req, "payload=%7B%7D"); status != http.StatusServiceUnavailable {
		t.Errorf("without a secret a click is answered %d", status)
	}
	r.bot.said("couldn't read the secret", "slackToken must be a bot token", "signingSecrets is missing", `signingSecret\" means nothing`)
	if strings.Contains(r.bot.output(), "not-a-bots") {
		t.Error("the log quotes the secret")
	}
	time.Sleep(1100 * time.Millisecond)
	r.account.set(func(a *account) { a.secret = good })
	stack, request := r.launch()
	r.press(sandbox.Ann, request, handle.Approve)
	r.ended(stack, "CREATE_COMPLETE", handle.Approved)
	if r.bot.starts != 1 {
		t.Errorf("the bot was started %d times", r.bot.starts)
	}
}

// waiting is a CloudFormation that waits for answers.
type waiting struct {
	*httptest.Server
	answers chan map[string]any
}

func newWaiting(t *testing.T) *waiting {
	w := &waiting{answers: make(chan map[string]any, 10)}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var answer map[string]any
		if err != nil || r.Method != http.MethodPut || r.Header.Get("Content-Type") != "" || json.Unmarshal(body, &answer) != nil {
			t.Errorf("an answer that S3 would refuse: %s %s", r.Method, body)
		}
		w.answers <- answer
	}))
	t.Cleanup(w.Close)
	return w
}

// event is a custom resource request as CloudFormation sends it.
func (w *waiting) event(kind string, properties string) []byte {
	return fmt.Appendf(nil, `{
  "RequestType": %q,
  "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:countersign-notifier",
  "ResponseURL": "%s/response",
  "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/SC-111122223333-pp-2mmexample/5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f",
  "RequestId": "7a3b1c2d-5e6f-4a7b-8c9d-0e1f2a3b4c5d",
  "ResourceType": "Custom::ApprovalRequest",
  "LogicalResourceId": "ApprovalRequest",
  "ResourceProperties": {"ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:countersign-notifier", %s}
}`, kind, w.URL, properties)
}

func (w *waiting) gate() string {
	return fmt.Sprintf(`"WaitUrl": "%s/arn%%3Aaws%%3Acloudformation%%3Aus-east-1%%3A111122223333%%3Astack/SC-111122223333-pp-2mmexample/5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f/ApprovalHandle?Expires=%d&Signature=secret", "EmailID": "rita@example.com", "Timeout": "39600"`,
		w.URL, time.Now().Add(12*time.Hour).Unix())
}

// answer is what CloudFormation was answered, by now.
func (w *waiting) answer(t *testing.T, h *host) (status, reason string) {
	t.Helper()
	select {
	case a := <-w.answers:
		status, _ = a["Status"].(string)
		reason, _ = a["Reason"].(string)
		return status, reason
	default:
		t.Fatalf("CloudFormation was not answered\n%s", h.output())
		return "", ""
	}
}

// When the store hangs and the function's time is nearly over, CloudFormation
// is answered before Lambda ends the process.
func TestDeadlineIsNear(t *testing.T) {
	cloud := newWaiting(t)
	r := newRig(t, "COUNTERSIGN_ORIGINS="+cloud.URL)
	r.account.set(func(a *account) { a.hangs = true })
	begun := time.Now()
	o := r.notifier.invoke(cloud.event("Create", cloud.gate()), 4500*time.Millisecond)
	if o.failed != "" || time.Since(begun) > 4*time.Second {
		t.Errorf("after %s: %q", time.Since(begun), o.failed)
	}
	if status, reason := cloud.answer(t, r.notifier); status != "FAILED" || reason == "" {
		t.Errorf("CloudFormation was answered %s: %s", status, reason)
	}
	if r.notifier.invoke(cloud.event("Delete", cloud.gate()), 4500*time.Millisecond); r.notifier.starts != 1 {
		t.Errorf("the process was started %d times", r.notifier.starts)
	}
	if status, _ := cloud.answer(t, r.notifier); status != "SUCCESS" {
		t.Errorf("Delete was answered %s", status)
	}
}

// The process is lost between two events, and the second finds what the first
// has done.
func TestProcessIsLost(t *testing.T) {
	r := newRig(t)
	stack, request := r.launch()
	r.notifier.stop(r.notifier.process)
	r.press(sandbox.Ann, request, handle.Approve)
	r.ended(stack, "CREATE_COMPLETE", handle.Approved)
	if r.notifier.starts != 2 {
		t.Errorf("the notifier was started %d times, want twice", r.notifier.starts)
	}
}

// A faulty configuration ends no process: CloudFormation is answered with the
// faults, people get 503, and the log and a metric say so.
func TestFaultyConfiguration(t *testing.T) {
	cloud := newWaiting(t)
	r := newRig(t, "COUNTERSIGN_ORIGINS="+cloud.URL, "COUNTERSIGN_TABLE=", "COUNTERSIGN_APPROVALS=many")
	for _, c := range []struct{ kind, status, reason string }{
		{"Create", "FAILED", "COUNTERSIGN_TABLE is missing"},
		{"Update", "FAILED", "COUNTERSIGN_APPROVALS must be a whole number"},
		{"Delete", "SUCCESS", ""},
	} {
		if o := r.notifier.invoke(cloud.event(c.kind, cloud.gate()), invokeTime); o.failed != "" {
			t.Errorf("%s failed: %s", c.kind, o.failed)
		}
		if status, reason := cloud.answer(t, r.notifier); status != c.status || !strings.Contains(reason, c.reason) {
			t.Errorf("%s is answered %s: %s, want %s: %s", c.kind, status, reason, c.status, c.reason)
		}
	}
	// A sweep that cannot be done is logged, and not delivered again.
	if o := r.notifier.invoke([]byte(`{"source":"aws.scheduler"}`), invokeTime); o.failed != "" {
		t.Errorf("a sweep came to %+v", o)
	}
	r.notifier.said(`"message":"couldn't sweep"`)
	if status := r.click(httptest.NewRequest(http.MethodPost, "/slack/interactivity", nil), ""); status != http.StatusServiceUnavailable {
		t.Errorf("the bot answers %d", status)
	}
	for _, h := range []*host{r.bot, r.notifier} {
		h.said(`"level":"ERROR"`, "COUNTERSIGN_TABLE is missing", "COUNTERSIGN_APPROVALS must be")
		h.said(`"ConfigurationFaults":1`)
		if h.starts != 1 || h.initFail != 0 {
			t.Errorf("a process was started %d times, and failed to %d times", h.starts, h.initFail)
		}
	}
}

// asFunction makes this very test the bootstrap of a function that Lambda's own
// runtime runs, with a store that panics.
const asFunction = "COUNTERSIGN_TEST_AS_FUNCTION"

func beFunction(role string) {
	environ := []string{}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, asFunction) {
			environ = append(environ, v)
		}
	}
	if role == "notifier" {
		f := function.NewNotifier(environ, os.Stdout)
		f.SetStore(panics{})
		lambda.Start(f)
	}
}

type panics struct{ handle.Store }

func (panics) Create(context.Context, handle.Request) (handle.Request, error) { panic("xoxb-secret") }
func (panics) OfStack(context.Context, string) ([]handle.Request, error)      { panic("xoxb-secret") }

// Whatever panics, CloudFormation is answered, the process goes on, and what
// was panicked with is not logged.
func TestPanic(t *testing.T) {
	cloud := newWaiting(t)
	r := newRig(t, "COUNTERSIGN_ORIGINS="+cloud.URL, asFunction+"=notifier")
	r.notifier.binary = os.Args[0]
	if o := r.notifier.invoke(cloud.event("Create", cloud.gate()), invokeTime); o.failed != "" {
		t.Errorf("failed: %s", o.failed)
	}
	if status, reason := cloud.answer(t, r.notifier); status != "FAILED" || !strings.Contains(reason, "internal fault") {
		t.Errorf("CloudFormation was answered %s: %s", status, reason)
	}
	moved := `{"source":"aws.cloudformation","detail-type":"CloudFormation Stack Status Change","detail":{"stack-id":"arn:aws:cloudformation:us-east-1:111122223333:stack/s/5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f","status-details":{"status":"CREATE_COMPLETE"}}}`
	if o := r.notifier.invoke([]byte(moved), invokeTime); !strings.Contains(o.failed, "internal fault") {
		t.Errorf("a panic outside of a custom resource came to %+v", o)
	}
	r.notifier.said(`"message":"panic"`)
	if r.notifier.starts != 1 || strings.Contains(r.notifier.output(), "xoxb-") {
		t.Errorf("the process was started %d times, and wrote\n%s", r.notifier.starts, r.notifier.output())
	}
}

// Each sweep tells of the oldest undecided launch; 0 if there is none.
func TestSweepTellsWhatIsPending(t *testing.T) {
	r := newRig(t)
	sweep := []byte(`{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","detail-type":"Scheduled Event","source":"aws.events","account":"111122223333","time":"2026-10-08T16:53:06Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:111122223333:rule/sweep"],"detail":{}}`)
	if o := r.notifier.invoke(sweep, invokeTime); o.failed != "" {
		t.Fatal(o.failed)
	}
	r.notifier.said(`"OldestPending":0,`)
	stack, request := r.launch()
	time.Sleep(20 * time.Millisecond)
	if o := r.notifier.invoke(sweep, invokeTime); o.failed != "" {
		t.Fatal(o.failed)
	}
	r.notifier.said(`"OldestPending":0.`)
	r.press(sandbox.Ann, request, handle.Approve)
	r.ended(stack, "CREATE_COMPLETE", handle.Approved)
	r.account.set(func(a *account) { a.dead = true })
	n := strings.Count(r.notifier.output(), "OldestPending")
	if o := r.notifier.invoke(sweep, invokeTime); o.failed != "" {
		t.Errorf("a sweep without a store is to be delivered again: %s", o.failed)
	}
	r.notifier.said(`"message":"couldn't sweep"`)
	if strings.Count(r.notifier.output(), "OldestPending") != n {
		t.Error("a sweep that found nothing out has told something")
	}
}

// The requester's own PUT releases the wait; the verdict fails the stack, and
// the alarm is raised once.
func TestBypass(t *testing.T) {
	r := newRig(t)
	stack, _ := r.launch()
	if status, err := r.PutWaitHandle(t.Context(), stack); err != nil || status != http.StatusOK {
		t.Fatalf("steal: %d, %v", status, err)
	}
	r.run()
	r.ended(stack, "ROLLBACK_COMPLETE", handle.Withdrawn)
	r.notifier.said(`"Bypassed":1`, `"stack":"`+stack+`"`)
	if n := strings.Count(r.notifier.output(), `"Bypassed":1`); n != 1 {
		t.Errorf("the alarm was raised %d times", n)
	}
}
