package function_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/awsfix"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/handle/dynamo"
)

// fixture runs the real binaries: simulated CloudFormation, Slack and mail, a
// DynamoDB table, a secret, and a Lambda for both functions.
type fixture struct {
	*sandbox.Sandbox
	t             testing.TB
	aws           *fakeAWS
	store         handle.Store
	bot, notifier *fakeLambda
	base64        bool         // the HTTP API sends bodies as base64
	beforeEvent   func([]byte) // optional: sees an event before the notifier does

	clickEvent []byte        // the last event of the bot
	clickTook  time.Duration // until its response
}

const (
	invokeTime = 60 * time.Second // as in the template
	clickTime  = 10 * time.Second
	mailKey    = "a made-up key for the links in mails"
)

// newFixture returns a fixture. more adds or replaces environment variables of both
// functions.
func newFixture(t testing.TB, more ...string) *fixture {
	t.Helper()
	w, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	c := w.FunctionsConfig
	a := newFakeAWS(t)
	a.set(func(a *fakeAWS) { a.secret = secretText(c.Token, c.SigningSecrets, mailKey) })
	env := append(a.env(),
		"AWS_ENDPOINT_URL_CLOUDFORMATION="+c.CloudFormation, "AWS_ENDPOINT_URL_SERVICE_CATALOG="+c.CloudFormation, "AWS_ENDPOINT_URL_SNS="+c.Mail,
		"COUNTERSIGN_ACCOUNT=111122223333", "COUNTERSIGN_TABLE="+tableName, "COUNTERSIGN_SECRET="+secretARN, "COUNTERSIGN_TOPIC="+c.TopicARN, "COUNTERSIGN_URL="+c.Bot,
		"COUNTERSIGN_SLACK_API="+c.Slack+"/api/", "COUNTERSIGN_SLACK_TEAM="+c.TeamID, "COUNTERSIGN_SLACK_APP="+c.AppID,
		"COUNTERSIGN_CHANNEL="+c.Defaults.Channel, "COUNTERSIGN_APPROVERS="+strings.Join(c.Defaults.Approvers, ","), "COUNTERSIGN_MARGIN=2m",
		"COUNTERSIGN_ORIGINS="+c.CloudFormation)
	env = append(env, more...)
	r := &fixture{
		Sandbox: w, t: t, aws: a,
		bot:      newFakeLambda(t, "countersign-bot", binary(t, "bot"), env...),
		notifier: newFakeLambda(t, "countersign-notifier", binary(t, "notifier"), env...),
	}
	sdk := aws.Config{Region: c.Region, BaseEndpoint: &a.server.URL, Credentials: credentials.NewStaticCredentialsProvider("ASIAMADE", "made", "made-session-token")}
	r.store = dynamo.New(sdk, awsfix.HTTPClient(&http.Client{}), tableName)
	mux := http.NewServeMux()
	mux.HandleFunc(localfn.InvokePath, r.serveInvoke)
	mux.HandleFunc("/", r.serveHTTPAPI)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.UseRemote(server.URL, server.URL+localfn.InvokePath)
	return r
}

// serveInvoke is the Lambda API for the simulated CloudFormation.
func (f *fixture) serveInvoke(w http.ResponseWriter, req *http.Request) {
	event, err := io.ReadAll(req.Body)
	if err != nil {
		f.t.Error(err)
	}
	if f.beforeEvent != nil {
		f.beforeEvent(event)
	}
	if o := f.notifier.invoke(event, invokeTime); o.failed != "" {
		http.Error(w, o.failed, http.StatusInternalServerError)
	}
}

// serveHTTPAPI is the HTTP API for the simulated Slack and for browsers.
func (f *fixture) serveHTTPAPI(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.clickEvent = httpEvent(f.t, req, body, f.base64)
	begun := time.Now()
	o := f.bot.invoke(f.clickEvent, clickTime)
	f.clickTook = time.Since(begun)
	var res events.APIGatewayV2HTTPResponse
	if o.failed != "" || json.Unmarshal(o.answer, &res) != nil {
		http.Error(w, `{"message":"Internal Server Error"}`, http.StatusInternalServerError)
		return
	}
	for name, value := range res.Headers {
		w.Header().Set(name, value)
	}
	text := []byte(res.Body)
	if res.IsBase64Encoded {
		if text, err = base64.StdEncoding.DecodeString(res.Body); err != nil {
			f.t.Error(err)
		}
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(text)
}

// httpEvent is the event that an HTTP API makes of a request.
func httpEvent(t testing.TB, req *http.Request, body []byte, encoded bool) []byte {
	t.Helper()
	headers := map[string]string{"host": req.Host}
	for name, values := range req.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: req.URL.Path, RawQueryString: req.URL.RawQuery, Headers: headers, Body: string(body),
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "$default", AccountID: "111122223333", Stage: "$default", RequestID: "LV7fzho-PHcEJPw=", APIID: "aaaaaaaaaa",
			DomainName: "aaaaaaaaaa.execute-api.us-east-1.amazonaws.com", DomainPrefix: "aaaaaaaaaa",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: req.Method, Path: req.URL.Path, Protocol: "HTTP/1.1", SourceIP: "192.0.2.1"},
		},
	}
	if encoded {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	event, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

func (f *fixture) run() {
	f.t.Helper()
	if err := f.Run(context.Background()); err != nil {
		f.t.Fatal(err)
	}
}

// launch launches the sample product and returns its stack and request.
func (f *fixture) launch() (stack string, request handle.Request) {
	f.t.Helper()
	template, err := gate.Parse(deploy.Product)
	if err != nil {
		f.t.Fatal(err)
	}
	stack, err = f.Launch(sandbox.Launch{Template: template, Name: "my-queue",
		Parameters: map[string]string{"UserEmail": "rita@example.com", "Purpose": "Orders"}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.run()
	return stack, f.request(stack)
}

// request is the one request of a stack.
func (f *fixture) request(stack string) handle.Request {
	f.t.Helper()
	requests, err := f.store.OfStack(context.Background(), stack)
	if err != nil || len(requests) != 1 {
		f.t.Fatalf("%d requests, error %v\n%s", len(requests), err, f.notifier.output())
	}
	return requests[0]
}

// clickButton clicks a button on the request's message.
func (f *fixture) clickButton(who string, of handle.Request, verdict handle.Verdict) {
	f.t.Helper()
	root, posted := of.Root()
	if !posted {
		f.t.Fatalf("the request was not posted\n%s", f.notifier.output())
	}
	i, err := f.Slack.ClickButton(who, root.Channel, root.TS, string(verdict))
	if err != nil || i.Failed {
		f.t.Fatalf("click: %+v, %v\n%s", i, err, f.bot.output())
	}
	f.run()
}

// status is the status of a stack.
func (f *fixture) status(stack string) string {
	f.t.Helper()
	s, ok := f.CloudFormation.Stack(stack)
	if !ok {
		f.t.Fatalf("no stack %s", stack)
	}
	return string(s.Status)
}
