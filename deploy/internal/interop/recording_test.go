package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// click is a request of the simulated Slack to the bot, and the bot's response.
type click struct {
	path   string
	header http.Header
	body   string
	status int
	kind   string // Content-Type of the response
	answer string
}

const (
	pathCommands = "/slack/commands"
	pathEvents   = "/slack/events"
)

// payload returns the JSON in the click's form, or of the event; of a command its
// fields as JSON.
func (c click) payload(t *testing.T) string {
	t.Helper()
	if c.path == pathEvents {
		return c.body
	}
	form, err := url.ParseQuery(c.body)
	if err != nil {
		t.Fatal(err)
	}
	if c.path != pathCommands {
		return form.Get("payload")
	}
	fields := map[string]string{}
	for name := range form {
		fields[name] = form.Get(name)
	}
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// call is a Slack API call of the bot or the notifier.
type call struct {
	method string
	form   url.Values
}

// recording is all traffic between the simulated Slack and the functions.
type recording struct {
	t       *testing.T
	sandbox *sandbox.Sandbox
	config  localfn.Config
	store   *handle.Memory

	mu     sync.Mutex
	clicks []click
	calls  []call
}

// record runs launches that are approved, rejected, refused, bypassed, withdrawn and
// left to expire, and records the traffic.
func record(t *testing.T) *recording {
	t.Helper()
	store := &handle.Memory{}
	w, err := sandbox.New(sandbox.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	rec := &recording{t: t, sandbox: w, config: w.FunctionsConfig, store: store}
	w.Network.Intercept(rec.around)

	approved := rec.launch("approved")
	rec.details(approved)
	rec.question(approved)
	rec.click(approved, sandbox.Ann, handle.Approve)
	rec.reject(rec.launch("rejected"), "Use the shared queue, “please”: é 😀 & < > + % = ; <!channel>\n*second* line", nil)
	late := rec.launch("too-late")
	rec.reject(late, "not today", func() { rec.click(late, sandbox.Ann, handle.Approve) })
	rec.click(rec.launch("outsider"), sandbox.Rita, handle.Approve)
	stolen := rec.launch("stolen")
	if _, err := w.PutWaitHandle(t.Context(), stolen); err != nil {
		t.Fatal(err)
	}
	rec.lists(rec.launch("together-1"), rec.launch("together-2"))
	gone := rec.launch("withdrawn")
	if err := w.CloudFormation.DeleteStack(gone); err != nil {
		t.Fatal(err)
	}
	rec.launch(`<!channel> <@U0BOB> & "x"`)
	if err := w.Advance(t.Context(), 12*time.Hour); err != nil { // reminders, then expiry
		t.Fatal(err)
	}
	if broken := w.Check(t.Context(), store); len(broken) > 0 {
		t.Fatalf("laws were broken: %s", broken)
	}
	return rec
}

// lists opens the Home tab, runs the command, and approves two launches together.
func (rec *recording) lists(stacks ...string) {
	rec.t.Helper()
	if i, err := rec.sandbox.Slack.OpenHome(sandbox.Ann); err != nil || i.Failed {
		rec.t.Fatalf("the Home tab: %v, %d", err, i.Status)
	}
	for _, text := range []string{"", "mine", `product:"message queue"`, "help"} {
		if i, err := rec.sandbox.Slack.Command(sandbox.Ann, sandbox.Channel, "/approvals", text); err != nil || i.Failed {
			rec.t.Fatalf("/approvals %s: %v, %s", text, err, i.Notice)
		}
	}
	home, _ := rec.sandbox.Slack.Home(sandbox.Ann)
	i, err := rec.sandbox.Slack.Click(sandbox.Ann, slacktest.Target{ViewID: home.ID, ActionID: blocks.BatchAction})
	if err != nil || i.Opened == nil {
		rec.t.Fatalf("the form to approve several: %v", err)
	}
	var ids []string
	for _, id := range stacks {
		stack, _ := rec.sandbox.CloudFormation.Stack(id)
		ids = append(ids, stack.Resource("ApprovalRequest").PhysicalID)
	}
	chosen := map[string]map[string]string{blocks.BatchBlock(0): {blocks.BatchChoice: strings.Join(ids, ",")}}
	for _, values := range []map[string]map[string]string{chosen, nil} {
		if s, err := rec.sandbox.Slack.Submit(sandbox.Ann, i.Opened.ID, values); err != nil || s.Failed {
			rec.t.Fatalf("approving several: %v, %s", err, s.Notice)
		}
	}
	if _, err := rec.sandbox.Slack.CloseView(sandbox.Ann, i.Opened.ID); err != nil {
		rec.t.Fatal(err)
	}
	rec.run()
}

func (rec *recording) around(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	res, err := next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	origin := req.URL.Scheme + "://" + req.URL.Host
	switch method, api := strings.CutPrefix(req.URL.Path, "/api/"); {
	case origin == rec.config.Slack && api:
		form, err := arguments(req.Header.Get("Content-Type"), body)
		if err != nil {
			rec.t.Errorf("%s: %v", method, err)
		}
		rec.mu.Lock()
		rec.calls = append(rec.calls, call{method, form})
		rec.mu.Unlock()
	case origin == rec.config.Bot:
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			return nil, err
		}
		res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(answer))
		rec.mu.Lock()
		rec.clicks = append(rec.clicks, click{req.URL.Path, req.Header.Clone(), string(body), res.StatusCode, res.Header.Get("Content-Type"), string(answer)})
		rec.mu.Unlock()
	}
	return res, nil
}

// arguments parses the arguments of a call, sent as a form or as JSON.
func arguments(kind string, body []byte) (url.Values, error) {
	if !strings.HasPrefix(kind, "application/json") {
		return url.ParseQuery(string(body))
	}
	var object map[string]json.RawMessage
	err := json.Unmarshal(body, &object)
	form := url.Values{}
	for name, raw := range object {
		form.Set(name, string(raw))
	}
	return form, err
}

func (rec *recording) launch(name string) (stackID string) {
	rec.t.Helper()
	product, err := gate.Parse(deploy.Product)
	if err != nil {
		rec.t.Fatal(err)
	}
	id, err := rec.sandbox.Launch(sandbox.Launch{Template: product, Name: name, Parameters: map[string]string{
		"UserEmail": "rita@example.com", "Purpose": "<!here> " + name,
	}})
	if err != nil {
		rec.t.Fatal(err)
	}
	rec.run()
	return id
}

func (rec *recording) run() {
	rec.t.Helper()
	if err := rec.sandbox.Run(context.WithoutCancel(rec.t.Context())); err != nil {
		rec.t.Fatal(err)
	}
}

// message returns the message that asks for approval of the launch.
func (rec *recording) message(stackID string) slacktest.Message {
	rec.t.Helper()
	stack, _ := rec.sandbox.CloudFormation.Stack(stackID)
	id := stack.Resource("ApprovalRequest").PhysicalID
	for _, m := range rec.sandbox.Slack.Messages(sandbox.Channel) {
		if b := m.ButtonsIn("decide"); id != "" && len(b) > 0 && strings.Contains(b[0].Value, id) {
			return m
		}
	}
	rec.t.Fatalf("no message asks for approval of %s", stack.Name)
	return slacktest.Message{}
}

func (rec *recording) click(stackID, who string, v handle.Verdict) slacktest.Interaction {
	rec.t.Helper()
	i, err := rec.sandbox.Slack.ClickStale(who, rec.message(stackID), string(v))
	if err != nil || i.Failed {
		rec.t.Fatalf("%s: %v, %s", v, err, i.Notice)
	}
	rec.run()
	return i
}

// details opens the details, as anyone who sees the message may, and closes them.
func (rec *recording) details(stackID string) {
	rec.t.Helper()
	i := rec.click(stackID, sandbox.Rita, blocks.DetailsAction)
	if i.Opened == nil {
		rec.t.Fatal("the details did not open")
	}
	if _, err := rec.sandbox.Slack.CloseView(sandbox.Rita, i.Opened.ID); err != nil {
		rec.t.Fatal(err)
	}
}

// question has Ann ask, Rita answer in the thread, and Bob review for a moment.
func (rec *recording) question(stackID string) {
	rec.t.Helper()
	rec.fill(sandbox.Ann, rec.click(stackID, sandbox.Ann, blocks.AskAction), blocks.QuestionField, "How long?\n“é” 😀 & < > + % = ; <!channel>")
	asked := slices.IndexFunc(rec.message(stackID).Replies, func(m slacktest.Message) bool { return len(m.ButtonsIn("answer")) > 0 })
	if asked < 0 {
		rec.t.Fatal("the question is not in the thread")
	}
	i, err := rec.sandbox.Slack.ClickStale(sandbox.Rita, rec.message(stackID).Replies[asked], blocks.AnswerAction)
	if err != nil || i.Failed {
		rec.t.Fatalf("answer: %v, %s", err, i.Notice)
	}
	rec.fill(sandbox.Rita, i, blocks.AnswerField, "A month")
	rec.click(stackID, sandbox.Bob, blocks.StartReviewAction)
	rec.click(stackID, sandbox.Bob, blocks.StopReviewAction)
}

// fill submits the form that a click has opened.
func (rec *recording) fill(who string, i slacktest.Interaction, field, text string) {
	rec.t.Helper()
	if i.Opened == nil {
		rec.t.Fatal("the form did not open")
	}
	s, err := rec.sandbox.Slack.Submit(who, i.Opened.ID, map[string]map[string]string{field: {field: text}})
	if err != nil || s.Failed || s.Body != "" {
		rec.t.Fatalf("submitting the form: %v, %s %s", err, s.Notice, s.Body)
	}
	rec.run()
}

// reject opens the modal, calls meanwhile, and submits the modal.
func (rec *recording) reject(stackID, reason string, meanwhile func()) {
	rec.t.Helper()
	i := rec.click(stackID, sandbox.Bob, handle.Reject)
	if i.Opened == nil {
		rec.t.Fatal("the modal did not open")
	}
	if meanwhile != nil {
		meanwhile()
	}
	s, err := rec.sandbox.Slack.Submit(sandbox.Bob, i.Opened.ID, map[string]map[string]string{"reason": {"reason": reason}})
	if err != nil || s.Failed {
		rec.t.Fatalf("submitting the modal: %v, %s", err, s.Notice)
	}
	if v, open := rec.sandbox.Slack.Modal(sandbox.Bob); open { // it shows an error
		if _, err := rec.sandbox.Slack.CloseView(sandbox.Bob, v.ID); err != nil {
			rec.t.Fatal(err)
		}
	}
	rec.run()
}
