package function_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/function"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/handle/handletest"
	"countersign/notifier/reconcile"
)

// heldUpdate is the pending request of an update whose CloudFormation event waits
// for its answer, and the real bot and reconciler around it, over HTTP.
type heldUpdate struct {
	*testing.T
	slack      *slacktest.Workspace
	reconciler *reconcile.Reconciler
	store      *handle.Memory
	key        handle.MailKey
	bot        string // URL
	id         string

	mu      sync.Mutex
	refuse  int      // how many PUTs get a 503
	answers []string // bodies of the PUTs that were accepted
}

const responsePath = "/arn%3Aaws%3Acloudformation%3Aus-east-1%3A111122223333%3Astack/update%7CApprovalRequest%7Cu1"

func newHeldUpdate(t *testing.T, edits ...func(*handle.Request)) *heldUpdate {
	h := &heldUpdate{T: t, store: &handle.Memory{}, key: handle.MailKey("a mail key of at least thirty-two bytes")}
	bucket := httptest.NewServer(http.HandlerFunc(h.put))
	t.Cleanup(bucket.Close)
	var slackHandler, botHandler http.Handler
	slackServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { slackHandler.ServeHTTP(w, r) }))
	t.Cleanup(slackServer.Close)
	botServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { botHandler.ServeHTTP(w, r) }))
	t.Cleanup(botServer.Close)
	const signingSecret, token = "made-up-signing-secret", "xoxb-made-up-token"
	h.bot = botServer.URL
	h.slack = slacktest.New(slacktest.Config{
		Now: time.Now, TeamID: sandbox.Team, AppID: sandbox.AppID, BotID: "B0COUNTERSIGN", BotUserID: sandbox.BotUser, BotToken: token,
		Scopes: []string{"chat:write", "users:read", "users:read.email", "usergroups:read", "reactions:write"}, MessagesTab: true,
		Origin: slackServer.URL, SigningSecret: signingSecret, RequestURL: botServer.URL + "/slack/interactivity", Client: slackServer.Client(),
	})
	sandbox.Populate(h.slack)
	slackHandler = h.slack
	deps := function.Deps{
		Store: h.store, Client: bucket.Client(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Slack: slackServer.Client(), SlackAPI: slackServer.URL + "/api/", Token: token,
		SigningSecrets: func(context.Context, bool) ([]string, error) { return []string{signingSecret}, nil },
		MailKeys:       func(context.Context) ([]handle.MailKey, error) { return []handle.MailKey{h.key}, nil },
		Address:        func(context.Context) string { return botServer.URL },
		Account:        "999988887777", // not the stack's, which therefore can't be read
		Team:           sandbox.Team, App: sandbox.AppID,
	}
	h.reconciler = deps.Reconciler()
	botHandler = deps.Bot(h.reconciler)

	r := handletest.Request(1, time.Now().UTC().Truncate(time.Second), func(r *handle.Request) {
		r.Update = &handle.Update{RequestID: "u1", PhysicalID: "the-approved-request", Changes: []handle.Change{{Name: "Environment", Old: "test", New: "production"}}}
		r.WaitURL = handle.StoredWaitURL(bucket.URL + responsePath)
		r.Requester = handle.Requester{Email: "rita@example.com"}
		r.Terms.Channel, r.Terms.Approvers, r.Terms.UnprovenRequester = sandbox.Channel, []string{sandbox.Approvers}, handle.UnprovenTwoApprovers
		r.Terms.Deadline = r.CreatedAt.Add(58 * time.Minute)
		for _, edit := range edits {
			edit(r)
		}
	})
	if _, err := h.store.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	h.id = r.ID
	h.reconcile()
	return h
}

// put is CloudFormation's bucket for the answers to custom resource requests.
func (h *heldUpdate) put(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPut || r.URL.EscapedPath() != responsePath || r.Header.Get("Content-Type") != "" {
		h.Errorf("%s %s with Content-Type %q, %v", r.Method, r.URL.EscapedPath(), r.Header.Get("Content-Type"), err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse > 0 {
		h.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	h.answers = append(h.answers, string(body))
}

func (h *heldUpdate) reconcile() {
	h.Helper()
	if err := h.reconciler.Reconcile(h.Context(), h.id); err != nil {
		h.Fatal(err)
	}
}

func (h *heldUpdate) load() handle.Request {
	h.Helper()
	r, err := h.store.Load(h.Context(), h.id)
	if err != nil {
		h.Fatal(err)
	}
	return r
}

func (h *heldUpdate) click(who string, verdict handle.Verdict) slacktest.Interaction {
	h.Helper()
	root, posted := h.load().Root()
	if !posted {
		h.Fatal("the request was not posted")
	}
	i, err := h.slack.ClickButton(who, root.Channel, root.TS, string(verdict))
	if err != nil || i.Failed {
		h.Fatalf("click: %+v, %v", i, err)
	}
	return i
}

// mail submits the page behind a mailed link and returns its status.
func (h *heldUpdate) mail(verdict handle.Verdict, reason string) int {
	h.Helper()
	sealed := h.key.Seal(handle.Ticket{ID: h.id, Verdict: verdict}, h.load().Terms.Deadline)
	form := url.Values{"name": {"Ann Approver"}, "code": {h.key.Code(sealed)}, "reason": {reason}, "extra": {""}}
	res, err := http.PostForm(h.bot+"/decide/"+sealed, form)
	if err != nil {
		h.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// wantAnswer checks that CloudFormation got one answer to the event, and no wait
// signal.
func (h *heldUpdate) wantAnswer(status, physicalID, reason string) {
	h.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.answers) != 1 {
		h.Fatalf("%d answers, want one: %q", len(h.answers), h.answers)
	}
	stack := handletest.Request(1, time.Now()).Stack
	want := map[string]any{"Status": status, "PhysicalResourceId": physicalID, "StackId": stack.ID, "RequestId": "u1", "LogicalResourceId": "ApprovalRequest"}
	if status == "SUCCESS" {
		want["Data"] = map[string]any{"RequestId": h.id}
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(h.answers[0]), &got); err != nil {
		h.Fatal(err)
	}
	if text, _ := got["Reason"].(string); !strings.Contains(text, reason) || (text == "") != (reason == "") {
		h.Errorf("reason: got %q, want %q in it", text, reason)
	}
	delete(got, "Reason")
	if d := cmp.Diff(want, got); d != "" {
		h.Errorf("the answer (-want +got):\n%s", d)
	}
}

func (h *heldUpdate) wantNoAnswer() {
	h.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.answers) != 0 {
		h.Errorf("CloudFormation was answered: %q", h.answers)
	}
}

func TestHeldUpdateIsApprovedInSlack(t *testing.T) {
	h := newHeldUpdate(t)
	h.wantNoAnswer()
	h.click(sandbox.Ann, handle.Approve)
	h.wantNoAnswer() // AWS does not prove who updates, so two people must approve
	h.click(sandbox.Ann, handle.Approve)
	h.click(sandbox.Dan, handle.Approve)
	h.wantNoAnswer()
	h.click(sandbox.Bob, handle.Approve)
	h.wantAnswer("SUCCESS", h.id, "")
	h.reconcile()
	h.wantAnswer("SUCCESS", h.id, "")
	if r := h.load(); r.State() != handle.Approved {
		t.Errorf("the request is %s", r.State())
	}
}

func TestHeldUpdateIsRejectedInSlack(t *testing.T) {
	h := newHeldUpdate(t)
	i := h.click(sandbox.Bob, handle.Reject)
	if i.Opened == nil {
		t.Fatalf("no form was opened: %+v", i)
	}
	h.wantNoAnswer()
	if i, err := h.slack.Submit(sandbox.Bob, i.Opened.ID, map[string]map[string]string{"reason": {"reason": "not on a Friday"}}); err != nil || i.Failed {
		t.Fatalf("submit: %+v, %v", i, err)
	}
	h.wantAnswer("FAILED", "the-approved-request", "Rejected by Bob Approver: not on a Friday")
}

func TestHeldUpdateIsDecidedByMail(t *testing.T) {
	t.Run("rejected", func(t *testing.T) {
		h := newHeldUpdate(t)
		if status := h.mail(handle.Reject, "not on a Friday"); status != http.StatusOK {
			t.Errorf("the page answered %d", status)
		}
		h.wantAnswer("FAILED", "the-approved-request", "not on a Friday")
	})
	t.Run("approved, where two people must", func(t *testing.T) {
		h := newHeldUpdate(t)
		if status := h.mail(handle.Approve, ""); status != http.StatusForbidden {
			t.Errorf("the page answered %d", status)
		}
		h.wantNoAnswer()
	})
	t.Run("approved, where mail alone is configured", func(t *testing.T) {
		h := newHeldUpdate(t, func(r *handle.Request) { r.Terms.Channel = "" })
		if status := h.mail(handle.Approve, ""); status != http.StatusOK {
			t.Errorf("the page answered %d", status)
		}
		h.wantAnswer("SUCCESS", h.id, "")
	})
}

// An answer that CloudFormation's bucket did not accept is sent again.
func TestAnswerOfHeldUpdateIsRetried(t *testing.T) {
	h := newHeldUpdate(t)
	h.refuse = 1
	if status := h.mail(handle.Reject, "not on a Friday"); status != http.StatusOK {
		t.Errorf("the page answered %d", status)
	}
	for begun := time.Now(); time.Since(begun) < 20*time.Second && h.load().Signal == nil; time.Sleep(100 * time.Millisecond) {
		h.reconcile()
	}
	h.wantAnswer("FAILED", "the-approved-request", "not on a Friday")
}
