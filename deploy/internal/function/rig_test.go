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

// rig is the made world around the real binaries: its CloudFormation, Slack and
// mail, a DynamoDB table and a secret, and a Lambda that runs both functions.
type rig struct {
	*sandbox.Sandbox
	t             testing.TB
	account       *account
	store         handle.Store
	bot, notifier *host
	base64        bool         // the front sends bodies as base64, as it may
	before        func([]byte) // optional: sees an event before the notifier does
}

const (
	invokeTime = 60 * time.Second // as in the template
	clickTime  = 10 * time.Second
	mailKey    = "a made-up key for the links in mails"
)

// newRig makes a rig. more are variables that the functions have beside their own, or
// instead.
func newRig(t testing.TB, more ...string) *rig {
	t.Helper()
	w, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	c := w.FunctionsConfig
	a := newAccount(t)
	a.set(func(a *account) { a.secret = secretText(c.Token, c.SigningSecrets, mailKey) })
	env := append(a.env(),
		"AWS_ENDPOINT_URL_CLOUDFORMATION="+c.CloudFormation, "AWS_ENDPOINT_URL_SNS="+c.Mail,
		"COUNTERSIGN_TABLE="+tableName, "COUNTERSIGN_SECRET="+secretARN, "COUNTERSIGN_TOPIC="+c.TopicARN, "COUNTERSIGN_URL="+c.Bot,
		"COUNTERSIGN_SLACK_API="+c.Slack+"/api/", "COUNTERSIGN_SLACK_TEAM="+c.TeamID, "COUNTERSIGN_SLACK_APP="+c.AppID,
		"COUNTERSIGN_CHANNEL="+c.Defaults.Channel, "COUNTERSIGN_APPROVERS="+strings.Join(c.Defaults.Approvers, ","), "COUNTERSIGN_MARGIN=2m",
		"COUNTERSIGN_ORIGINS="+c.CloudFormation)
	env = append(env, more...)
	r := &rig{
		Sandbox: w, t: t, account: a,
		bot:      newHost(t, "countersign-bot", binary(t, "bot"), env...),
		notifier: newHost(t, "countersign-notifier", binary(t, "notifier"), env...),
	}
	sdk := aws.Config{Region: c.Region, BaseEndpoint: &a.server.URL, Credentials: credentials.NewStaticCredentialsProvider("ASIAMADE", "made", "made-session-token")}
	r.store = dynamo.New(sdk, awsfix.HTTPClient(&http.Client{}), tableName)
	mux := http.NewServeMux()
	mux.HandleFunc(localfn.InvokePath, r.invoke)
	mux.HandleFunc("/", r.front)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.UseRemote(server.URL, server.URL+localfn.InvokePath)
	return r
}

// invoke is the Lambda API, for the made CloudFormation.
func (r *rig) invoke(w http.ResponseWriter, req *http.Request) {
	event, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	if r.before != nil {
		r.before(event)
	}
	if o := r.notifier.invoke(event, invokeTime); o.failed != "" {
		http.Error(w, o.failed, http.StatusInternalServerError)
	}
}

// front is the HTTP API, for the made Slack and for browsers.
func (r *rig) front(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	o := r.bot.invoke(httpEvent(r.t, req, body, r.base64), clickTime)
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
			r.t.Error(err)
		}
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(text)
}

// httpEvent is a request as an HTTP API hands it over.
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

func (r *rig) run() {
	r.t.Helper()
	if err := r.Run(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// launch launches the sample product, and returns its stack and its request.
func (r *rig) launch() (stack string, request handle.Request) {
	r.t.Helper()
	template, err := gate.Parse(deploy.Product)
	if err != nil {
		r.t.Fatal(err)
	}
	stack, err = r.Launch(sandbox.Launch{Template: template, Name: "my-queue",
		Parameters: map[string]string{"UserEmail": "rita@example.com", "Purpose": "Orders"}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.run()
	return stack, r.request(stack)
}

// request is the one request of a stack.
func (r *rig) request(stack string) handle.Request {
	r.t.Helper()
	requests, err := r.store.OfStack(context.Background(), stack)
	if err != nil || len(requests) != 1 {
		r.t.Fatalf("%d requests, error %v\n%s", len(requests), err, r.notifier.output())
	}
	return requests[0]
}

// press presses a button of the request's message.
func (r *rig) press(who string, of handle.Request, verdict handle.Verdict) {
	r.t.Helper()
	root, posted := of.Root()
	if !posted {
		r.t.Fatalf("nothing was posted\n%s", r.notifier.output())
	}
	i, err := r.Slack.ClickButton(who, root.Channel, root.TS, string(verdict))
	if err != nil || i.Failed {
		r.t.Fatalf("press: %+v, %v\n%s", i, err, r.bot.output())
	}
	r.run()
}

// status is the status of a stack.
func (r *rig) status(stack string) string {
	r.t.Helper()
	s, ok := r.CloudFormation.Stack(stack)
	if !ok {
		r.t.Fatalf("no stack %s", stack)
	}
	return string(s.Status)
}
