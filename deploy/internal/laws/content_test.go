package laws_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/laws"
	"countersign/handle"
	"countersign/notifier/reconcile"
)

const asking = `
Parameters: {Size: {Type: String, Default: '1'}}
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Request:
    Type: Custom::ApprovalRequest
    Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f', WaitUrl: !Ref Handle, Parameters: {Size: !Ref Size}}
`

// updating is a stack whose launch was approved, in the midst of an update.
type updating struct {
	t              *testing.T
	now            time.Time
	engine         *fakecfn.Engine
	stack          string
	asked          struct{ RequestId, ResponseURL, PhysicalResourceId string } // by the last event
	launch, update handle.Request
}

func newUpdating(t *testing.T) *updating {
	t.Helper()
	template, err := gate.Parse([]byte(asking))
	if err != nil {
		t.Fatal(err)
	}
	w := &updating{t: t, now: start}
	w.engine = fakecfn.New(fakecfn.Config{
		Now: func() time.Time { return w.now }, Origin: "http://cloudformation.localhost",
		Invoke: func(_ string, event []byte) { _ = json.Unmarshal(event, &w.asked) },
	})
	if w.stack, err = w.engine.CreateStack(fakecfn.CreateStackInput{Name: "s", Template: template}); err != nil {
		t.Fatal(err)
	}
	w.launch = w.decided(handle.Approved)
	w.answer(handle.Response{Status: "SUCCESS", PhysicalResourceID: w.launch.ID, RequestID: w.asked.RequestId})
	w.now = w.now.Add(time.Minute)
	if err := w.engine.UpdateStack(fakecfn.UpdateStackInput{Stack: w.stack, Parameters: map[string]string{"Size": "2"}}); err != nil {
		t.Fatal(err)
	}
	w.update = w.decided("")
	w.update.Update = &handle.Update{RequestID: w.asked.RequestId, PhysicalID: w.launch.ID, Approved: w.launch.ID}
	return w
}

// decided returns the record of what was last asked.
func (w *updating) decided(s handle.State) handle.Request {
	r := handle.Request{
		ID: handle.NewID(w.stack, "Request", w.asked.RequestId), Rev: 1, CreatedAt: w.now,
		Stack: handle.Stack{ID: w.stack, Gate: "Request"},
		Terms: handle.Terms{Channel: "C0", Approvers: []string{"U0ANN"}, Approvals: 1, Deadline: start.Add(time.Hour)},
	}
	return w.decide(r, s)
}

func (w *updating) decide(r handle.Request, s handle.State) handle.Request {
	if s == "" {
		return r
	}
	ann := handle.Person{Team: "T0", ID: "U0ANN", Name: "Ann"}
	if s == handle.Approved {
		r.Votes = []handle.Vote{{By: ann, Verdict: handle.Approve, Via: handle.ViaSlack, At: w.now}}
	}
	r.Decision = &handle.Decision{State: s, By: ann, Reason: "because", Via: handle.ViaSlack, At: w.now}
	return r
}

// answer PUTs the answer to what was last asked.
func (w *updating) answer(a handle.Response) {
	w.t.Helper()
	a.StackID, a.LogicalResourceID = w.stack, "Request"
	body, err := a.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	w.engine.ServeHTTP(rec, httptest.NewRequest(http.MethodPut, w.asked.ResponseURL, strings.NewReader(string(body))))
	if rec.Code != http.StatusOK {
		w.t.Fatalf("the answer was refused: %d %s", rec.Code, rec.Body)
	}
}

// state answers with the recorded decision.
func (w *updating) state() {
	w.t.Helper()
	signal, ok := w.update.StackSignal()
	answer, isResponse := signal.(handle.Response)
	if !ok || !isResponse {
		w.t.Fatal("the update is not decided")
	}
	w.answer(answer)
}

func (w *updating) checker() *laws.Checker {
	slack := slacktest.New(slacktest.Config{TeamID: "T0"})
	slack.AddUser(slacktest.User{ID: "U0ANN", TeamID: "T0", Name: "ann"})
	return &laws.Checker{Team: "T0", Account: "111122223333", Slack: slack, CloudFormation: w.engine}
}

func TestCheckReportsUnlawfulUpdates(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(w *updating)
		want string // empty: lawful
	}{
		{"held", func(*updating) {}, ""},
		{"approved", func(w *updating) { w.update = w.decide(w.update, handle.Approved); w.state() }, ""},
		{"rejected and rolled back", func(w *updating) {
			w.update = w.decide(w.update, handle.Rejected)
			w.state()
			w.answer(handle.Response{Status: "SUCCESS", PhysicalResourceID: w.launch.ID, RequestID: w.asked.RequestId})
		}, ""},
		{"SUCCESS before a decision", func(w *updating) {
			w.answer(handle.Response{Status: "SUCCESS", PhysicalResourceID: w.update.ID, RequestID: w.asked.RequestId})
		}, "no update proceeds before it is approved"},
		{"SUCCESS without a record", func(w *updating) {
			w.update.ID = ""
			w.answer(handle.Response{Status: "SUCCESS", PhysicalResourceID: "unknown", RequestID: w.asked.RequestId})
		}, "no update proceeds before it is approved"},
		{"other content for the same physical ID", func(w *updating) {
			w.update.ID = ""
			w.answer(handle.Response{Status: "SUCCESS", PhysicalResourceID: w.launch.ID, RequestID: w.asked.RequestId})
		}, "what is approved is what runs"},
		{"FAILED with another reason", func(w *updating) {
			w.update = w.decide(w.update, handle.Rejected)
			w.answer(handle.Response{Status: "FAILED", Reason: "no", PhysicalResourceID: w.launch.ID, RequestID: w.update.Update.RequestID})
		}, "a held answer states the recorded decision"},
		{"marked without an answer", func(w *updating) {
			w.update = w.decide(w.update, handle.Approved)
			w.update.Signal = &handle.Signal{Status: handle.SignalSuccess, At: w.now}
		}, "a mark states what was done"},
		{"a rollback that fails", func(w *updating) {
			w.update = w.decide(w.update, handle.Rejected)
			w.state()
			w.answer(handle.Response{Status: "FAILED", Reason: "no", PhysicalResourceID: w.launch.ID, RequestID: w.asked.RequestId})
		}, "the rollback of an update succeeds"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newUpdating(t)
			test.do(w)
			records := []handle.Request{w.launch}
			if w.update.ID != "" {
				records = append(records, w.update)
			}
			c := w.checker()
			c.Check(records, w.now) // stacks are checked against the records of the call before
			if got := fmt.Sprint(c.Check(records, w.now)); test.want == "" && got != "[]" || !strings.Contains(got, test.want) {
				t.Errorf("got %s, want %q", got, test.want)
			}
		})
	}
}

// TestCheckEndReportsUnusedAnswers checks that a held answer comes while
// CloudFormation waits for it.
func TestCheckEndReportsUnusedAnswers(t *testing.T) {
	const rule = "a held answer is given once, before CloudFormation stops waiting"
	for name, late := range map[string]bool{"in time": false, "late": true} {
		t.Run(name, func(t *testing.T) {
			w := newUpdating(t)
			w.update = w.decide(w.update, handle.Approved)
			held := w.asked
			if late {
				w.now = w.now.Add(61 * time.Minute)
				w.engine.Tick()
			}
			w.asked = held
			w.state()
			got := fmt.Sprint(w.checker().CheckEnd([]handle.Request{w.launch, w.update}, w.now, func(handle.Request) bool { return false }))
			if strings.Contains(got, rule) != late {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestCheckWriteReportsUnlawfulGrants(t *testing.T) {
	late := start.Add(2 * time.Hour)
	ann := handle.Person{Team: "T0", ID: "U0ANN", Name: "Ann"}
	expired := handle.Request{
		ID: "r-1", Rev: 1, Stack: handle.Stack{ID: "stack"}, CreatedAt: start,
		Requester: handle.Requester{LookedUp: true, Proven: true},
		Terms:     handle.Terms{Channel: "C0", Approvers: []string{"U0ANN"}, Approvals: 1, Deadline: start.Add(time.Hour), GrantForSeconds: 86400},
		Decision:  &handle.Decision{State: handle.Expired, At: start.Add(time.Hour)},
		Grant:     &handle.Grant{Until: start.Add(25 * time.Hour)},
	}
	given := expired.Clone()
	given.Votes = []handle.Vote{{By: ann, Verdict: handle.Approve, Via: handle.ViaSlack, At: late}}
	given.Grant = &handle.Grant{Until: late.Add(24 * time.Hour), At: late}
	changed := func(r handle.Request, f func(r *handle.Request)) handle.Request { r = r.Clone(); f(&r); return r }
	use := func(r *handle.Request) { r.Grant.UsedBy, r.Grant.UsedAt = "r-2", late }
	const once = "a grant lets one launch through, once"
	for _, test := range []struct {
		name string
		old  handle.Request
		edit func(r *handle.Request)
		want string // empty: lawful
	}{
		{"a late approval", expired, func(r *handle.Request) { r.Votes, r.Grant = given.Votes, given.Grant }, ""},
		{"a use", given, use, ""},
		{"a late vote after the end", expired, func(r *handle.Request) {
			r.Votes = []handle.Vote{{By: ann, Verdict: handle.Approve, Via: handle.ViaSlack, At: start.Add(26 * time.Hour)}}
		}, "no vote counts past the deadline"},
		{"a late rejection", expired, func(r *handle.Request) {
			r.Votes = []handle.Vote{{By: ann, Verdict: handle.Reject, Reason: "no", Via: handle.ViaSlack, At: late}}
		}, "no vote counts past the deadline"},
		{"a late vote by someone else", expired, func(r *handle.Request) {
			r.Votes = []handle.Vote{{By: handle.Person{ID: "U0DAN"}, Verdict: handle.Approve, Via: handle.ViaSlack, At: late}}
		}, "only approvers vote"},
		{"no approver", expired, func(r *handle.Request) { r.Grant.At = late }, "the required number of approvers"},
		{"a lost grant", given, func(r *handle.Request) { r.Grant = nil }, "a grant is kept"},
		{"a second use", changed(given, use), func(r *handle.Request) { r.Grant.UsedBy = "r-3" }, once},
		{"a use of a revoked grant", changed(given, func(r *handle.Request) { r.Grant.RevokedAt = late }), use, once},
		{"a use of a lapsed grant", changed(given, func(r *handle.Request) { r.Grant.Lapsed = true }), use, once},
		{"a use before the approval", expired, use, once},
		{"a use at the end", given, func(r *handle.Request) { use(r); r.Grant.UsedAt = r.Grant.Until }, once},
		{"a grant of a pending launch", changed(expired, func(r *handle.Request) { r.Decision, r.Grant = nil, nil }), func(r *handle.Request) {
			r.Grant = given.Grant
		}, "only an expired launch of a proven requester can be approved late"},
		{"a grant of an update", changed(expired, func(r *handle.Request) { r.Decision, r.Grant, r.Update = nil, nil, &handle.Update{} }), func(r *handle.Request) {
			r.Decision, r.Grant = expired.Decision, expired.Grant
		}, "only an expired launch of a proven requester can be approved late"},
		{"an approval by a grant that was not used", changed(expired, func(r *handle.Request) { r.Decision, r.Grant = nil, nil }), func(r *handle.Request) {
			r.Votes, r.GrantFrom = given.Votes, "r-0"
			r.Decision = &handle.Decision{State: handle.Approved, By: ann, Via: handle.ViaGrant, At: late}
		}, once},
	} {
		t.Run(test.name, func(t *testing.T) {
			slack := slacktest.New(slacktest.Config{TeamID: "T0"})
			for _, id := range []string{"U0ANN", "U0DAN"} {
				slack.AddUser(slacktest.User{ID: id, TeamID: "T0", Name: id})
			}
			checker := laws.Checker{Team: "T0", Slack: slack}
			r := test.old.Clone()
			r.Rev++
			test.edit(&r)
			if got := fmt.Sprint(checker.CheckWrite(test.old, r, start.Add(48*time.Hour))); test.want == "" && got != "[]" || !strings.Contains(got, test.want) {
				t.Errorf("got %s, want %q", got, test.want)
			}
		})
	}
}

// TestCheckWriteComparesRelaunches checks that what a grant lets through is what was
// launched before, by the same requester.
func TestCheckWriteComparesRelaunches(t *testing.T) {
	const rule = "a grant lets only the same content through"
	template, err := gate.Parse([]byte(asking))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, size, principal string
		want                  bool
	}{{"the same", "1", "rita", false}, {"another value", "2", "rita", true}, {"another requester", "1", "dan", true}} {
		t.Run(test.name, func(t *testing.T) {
			engine := fakecfn.New(fakecfn.Config{Now: func() time.Time { return start }, Origin: "http://cloudformation.localhost"})
			launch := func(id, size, principal string) handle.Request {
				stack, _, err := engine.ProvisionProduct(fakecfn.ProvisionProductInput{Name: id, Principal: principal, ProductID: "prod-1", ProvisioningArtifactID: "pa-1",
					Stack: fakecfn.CreateStackInput{Template: template, Parameters: map[string]string{"Size": size}}})
				if err != nil {
					t.Fatal(err)
				}
				return handle.Request{ID: id, Rev: 1, CreatedAt: start, Stack: handle.Stack{ID: stack}, Terms: handle.Terms{Deadline: start.Add(time.Hour)}}
			}
			given, relaunch := launch("r-1", "1", "rita"), launch("r-2", test.size, test.principal)
			given.Decision = &handle.Decision{State: handle.Expired, At: start}
			given.Grant = &handle.Grant{At: start, Until: start.Add(time.Hour), UsedBy: "r-2", UsedAt: start}
			checker := laws.Checker{Team: "T0", Slack: slacktest.New(slacktest.Config{TeamID: "T0"}), CloudFormation: engine}
			checker.Check([]handle.Request{given}, start)
			r := relaunch.Clone()
			r.Rev, r.GrantFrom = 2, "r-1"
			r.Decision = &handle.Decision{State: handle.Approved, Via: handle.ViaGrant, At: start}
			if got := fmt.Sprint(checker.CheckWrite(relaunch, r, start)); strings.Contains(got, rule) != test.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestCheckReportsRelaunchButtons checks that a message offers the late approval only
// while it is possible.
func TestCheckReportsRelaunchButtons(t *testing.T) {
	const rule = "messages offer relaunch only while it is possible"
	for name, revoked := range map[string]bool{"open": false, "revoked": true} {
		slack := slacktest.New(slacktest.Config{
			TeamID: "T0", AppID: "A0", BotID: "B0", BotUserID: "U0BOT", BotToken: "xoxb-made-up", Scopes: []string{"chat:write"}, Now: func() time.Time { return start },
		})
		slack.AddChannel(slacktest.Channel{ID: "C0APPROVALS", Name: "approvals", Members: []string{"U0BOT"}})
		r := handle.Request{
			ID: "r-1", Rev: 1, CreatedAt: start, Stack: handle.Stack{ID: "stack"}, Terms: handle.Terms{Channel: "C0APPROVALS", Deadline: start},
			Decision: &handle.Decision{State: handle.Expired, At: start}, Grant: &handle.Grant{Until: start.Add(time.Hour)},
		}
		client := &http.Client{Transport: served{slack}}
		posted, err := reconcile.NewSlack("xoxb-made-up", "http://slack.localhost/api/", client, func() time.Time { return start }).Post(t.Context(), "C0APPROVALS", "", blocks.Message(r))
		if err != nil {
			t.Fatal(err)
		}
		if revoked {
			r.Grant.RevokedAt = start
		}
		r.Messages = []handle.Message{{Channel: posted.Channel, TS: posted.TS, Shown: r.ViewHash()}}
		checker := laws.Checker{Team: "T0", Slack: slack}
		if got := fmt.Sprint(checker.Check([]handle.Request{r}, start)); strings.Contains(got, rule) != revoked {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// served is a transport to a handler.
type served struct{ http.Handler }

func (s served) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, req)
	return rec.Result(), nil
}
