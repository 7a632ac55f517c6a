package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot"
	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
	"countersign/handle/handletest"
)

// lists is a bot with a whole simulated workspace around it, whose people run the
// command, open the Home tab and fill in forms.
type lists struct {
	*testing.T
	bot   *bot.Bot
	store *handletest.FaultyStore
	slack *slacktest.Workspace

	mu    sync.Mutex
	after []string // IDs, in order
	logs  lockedBuffer
}

const guest = "U0GUEST"

func newLists(t *testing.T, edits ...func(*slacktest.Config)) *lists {
	l := &lists{T: t, store: &handletest.FaultyStore{Store: &handle.Memory{}}}
	now := func() time.Time { return launched.Add(10 * time.Minute) }
	l.bot = &bot.Bot{
		Store: l.store, Now: now, TeamID: "T0HOME", AppID: "A0COUNTERSIGN", Budget: time.Minute,
		SigningSecrets: func(context.Context, bool) ([]string, error) { return []string{secret}, nil },
		After: func(_ context.Context, r handle.Request, _ string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.after = append(l.after, r.ID)
		},
		Log: slog.New(slog.NewTextHandler(&l.logs, nil)),
	}
	botServer := httptest.NewServer(l.bot)
	t.Cleanup(botServer.Close)
	slackServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.slack.ServeHTTP(w, r) }))
	t.Cleanup(slackServer.Close)
	c := slacktest.Config{
		Now: now, TeamID: "T0HOME", AppID: "A0COUNTERSIGN", BotID: "B0COUNTERSIGN", BotUserID: "U0COUNTERSIGN", BotToken: token,
		Scopes:  []string{"chat:write", "users:read", "usergroups:read", "commands"},
		HomeTab: true, MessagesTab: true, Origin: slackServer.URL, SigningSecret: secret, Client: http.DefaultClient,
		RequestURL: botServer.URL + "/slack/interactivity", CommandURL: botServer.URL + "/slack/commands", EventsURL: botServer.URL + "/slack/events",
	}
	for _, edit := range edits {
		edit(&c)
	}
	l.slack = slacktest.New(c)
	l.bot.Slack = slack.New(token, slack.OptionAPIURL(slackServer.URL+"/api/"), slack.OptionHTTPClient(&http.Client{Transport: bot.Answers(http.DefaultTransport)}))
	people := []string{approver, member, "U0SECOND", requester, outsider}
	for _, id := range people {
		l.slack.AddUser(slacktest.User{ID: id, Name: strings.ToLower(id), RealName: "Member " + id})
	}
	l.slack.AddUser(slacktest.User{ID: guest, Name: "guest", RealName: "Guest", Restricted: true})
	l.slack.AddUserGroup(slacktest.UserGroup{ID: approversGroup, Users: []string{member, "U0SECOND"}})
	l.slack.AddChannel(slacktest.Channel{ID: channel, Name: "launch-approvals", Members: append(people, "U0COUNTERSIGN", guest)})
	l.slack.AddChannel(slacktest.Channel{ID: "C0ELSEWHERE", Name: "elsewhere", Members: append(people, guest)})
	return l
}

// add stores n requests, of stacks from..from+n-1.
func (l *lists) add(from, n int, edits ...func(*handle.Request)) (added []handle.Request) {
	l.Helper()
	for i := range n {
		r, err := l.store.Store.Create(context.Background(), handletest.Request(from+i, launched.Add(time.Duration(from+i)*time.Second), append([]func(*handle.Request){posted}, edits...)...))
		if err != nil {
			l.Fatal(err)
		}
		added = append(added, r)
	}
	return added
}

func (l *lists) stored(id string) handle.Request {
	l.Helper()
	r, err := l.store.Store.Load(context.Background(), id)
	if err != nil {
		l.Fatal(err)
	}
	return r
}

// command runs /approvals in a channel that the app is not in, and returns the answer.
func (l *lists) command(user, text string) slacktest.Message {
	l.Helper()
	before := len(l.slack.Ephemerals(user))
	i, err := l.slack.Command(user, "C0ELSEWHERE", "/approvals", text)
	if err != nil || i.Failed {
		l.Fatalf("/approvals %s: %v, %d %s", text, err, i.Status, i.Body)
	}
	if len(i.Body) >= 20_000 {
		l.Errorf("the answer has %d bytes, and Socket Mode drops 20,000", len(i.Body))
	}
	private := l.slack.Ephemerals(user)
	if len(private) != before+1 {
		l.Fatalf("/approvals %s: got %d private messages", text, len(private)-before)
	}
	return private[before]
}

// requestsIn lists the requests that blocks show, by their block IDs.
func requestsIn(l *lists, raw json.RawMessage, prefix string) (ids []string) {
	l.Helper()
	var list []struct {
		BlockID string `json:"block_id"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		l.Fatal(err)
	}
	for _, b := range list {
		if id, is := strings.CutPrefix(b.BlockID, prefix); is {
			ids = append(ids, id)
		}
	}
	return ids
}

func ids(list []handle.Request) (out []string) {
	for _, r := range list {
		out = append(out, r.ID)
	}
	return out
}

// home opens the Home tab.
func (l *lists) home(user string) slacktest.View {
	l.Helper()
	i, err := l.slack.OpenHome(user)
	if err != nil || i.Failed {
		l.Fatalf("home of %s: %v, %d %s\n%s", user, err, i.Status, i.Body, l.logs.String())
	}
	v, _ := l.slack.Home(user)
	return v
}

// click presses a button in the person's view.
func (l *lists) click(user string, v slacktest.View, block, action string) slacktest.Interaction {
	l.Helper()
	i, err := l.slack.Click(user, slacktest.Target{ViewID: v.ID, BlockID: block, ActionID: action})
	if err != nil || i.Failed {
		l.Fatalf("%s in %s: %v, %d %s\n%s", action, block, err, i.Status, i.Body, l.logs.String())
	}
	return i
}

func (l *lists) wantText(where string, raw json.RawMessage, want string) {
	l.Helper()
	var v any
	_ = json.Unmarshal(raw, &v)
	if text := fmt.Sprint(v); !strings.Contains(text, want) {
		l.Errorf("%s: no %q in\n%s", where, want, text)
	}
}

// at edits a request to have a different product, account and requester.
func at(product, account, label, by string) func(*handle.Request) {
	return func(r *handle.Request) {
		r.Product.Name, r.Stack.Account, r.Stack.AccountName = product, account, label
		r.Requester.Principal = "arn:aws:sts::111122223333:assumed-role/Developers/" + by + "@example.com"
		r.Requester.Email = by + "@example.com"
	}
}

func TestCommandListsAndSearches(t *testing.T) {
	l := newLists(t)
	queue := l.add(1, 1, at("Message queue", "111122223333", "production", "rita"))[0]
	db := l.add(2, 1, at("Database", "444455556666", "test", "paul"), func(r *handle.Request) {
		r.Terms.Approvers = []string{"U0SECOND"}
		*r = r.IdentifyRequester(outsider, []string{outsider}, true)
	})[0]
	closed := l.add(3, 1)[0]
	withdrawn := closed.Withdraw("gone", launched)
	if _, err := l.store.Replace(t.Context(), withdrawn); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		user, text string
		want       []handle.Request
	}{
		{approver, "", []handle.Request{queue}},
		{approver, "waiting", []handle.Request{queue}},
		{member, " WAITING ", []handle.Request{queue}}, // through the group
		{"U0SECOND", "", []handle.Request{queue, db}},
		{outsider, "", nil},
		{outsider, "mine", []handle.Request{db}},
		{requester, "mine", []handle.Request{queue}},
		{requester, "waiting", nil},
		{outsider, "all", []handle.Request{queue, db}},
		{approver, `product:"message queue"`, []handle.Request{queue}},
		{approver, "product:“message queue”", []handle.Request{queue}},
		{approver, "product:'message queue'", []handle.Request{queue}},
		{approver, `"message queue`, []handle.Request{queue}},
		{approver, "requester:@rita", []handle.Request{queue}},
		{approver, "by:<@" + outsider + "|olaf>", []handle.Request{db}},
		{approver, "<@" + requester + ">", []handle.Request{queue}},
		{approver, "<mailto:paul@example.com|paul@example.com>", []handle.Request{db}},
		{approver, "account:444455556666", []handle.Request{db}},
		{approver, "account:prod", []handle.Request{queue}},
		{approver, "database test", []handle.Request{db}},
		{approver, "database production", nil},
		{"U0SECOND", "waiting account:test", []handle.Request{db}},
		{approver, "a&amp;b", nil},
	} {
		m := l.command(c.user, c.text)
		if got, want := requestsIn(l, m.Blocks, "request/"), ids(c.want); !slices.Equal(got, want) {
			t.Errorf("%s /approvals %s: got %v, want %v\n%s", c.user, c.text, got, want, m.Text)
		}
	}
	for _, text := range []string{"help", "owner:rita", "product:", "<!subteam^S0APPROVERS>", "<#C0APPROVALS|approvals>", "requester:<!here>", strings.Repeat("x", 401)} {
		m := l.command(approver, text)
		l.wantText(text, m.Blocks, `product:"message queue"`)
		if len(requestsIn(l, m.Blocks, "request/")) != 0 {
			t.Errorf("%q lists requests", text)
		}
	}
}

func TestCommandIsForMembersOnly(t *testing.T) {
	l := newLists(t)
	l.add(1, 1)
	if m := l.command(guest, "all"); m.Text != blocks.GuestsSeeNoLists {
		t.Errorf("a guest got %q", m.Text)
	}
	form := url.Values{
		"command": {"/approvals"}, "text": {"all"}, "user_id": {"U0OLGA"}, "user_name": {"olga"}, "team_id": {"T0ELSEWHERE"},
		"api_app_id": {"A0COUNTERSIGN"}, "channel_id": {channel}, "response_url": {"https://hooks.slack.com/commands/x"},
	}
	if res := l.signed("/slack/commands", "application/x-www-form-urlencoded", form.Encode(), nil); res.Code != 200 || strings.Contains(res.Body.String(), "workbench") || !strings.Contains(res.Body.String(), blocks.OutsideLists) {
		t.Errorf("an outsider got %d %s", res.Code, res.Body)
	}
	form.Set("api_app_id", "A0OTHER")
	if res := l.signed("/slack/commands", "application/x-www-form-urlencoded", form.Encode(), nil); res.Code != http.StatusForbidden {
		t.Errorf("another app got %d", res.Code)
	}
	if res := l.signed("/slack/commands", "application/x-www-form-urlencoded", "ssl_check=1", nil); res.Code != 200 || res.Body.Len() != 0 {
		t.Errorf("ssl_check: got %d %s", res.Code, res.Body)
	}
}

// signed sends a body to the bot under Slack's signature.
func (l *lists) signed(path, media, body string, header http.Header) *httptest.ResponseRecorder {
	l.Helper()
	stamp := strconv.FormatInt(l.bot.Now().Unix(), 10)
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", sign(secret, stamp, body))
	res := httptest.NewRecorder()
	l.bot.ServeHTTP(res, req)
	return res
}

func TestRoutesVerifyBeforeTheyParse(t *testing.T) {
	l := newLists(t)
	for path, media := range map[string]string{"/slack/commands": "application/x-www-form-urlencoded", "/slack/events": "application/json"} {
		for name, c := range map[string]struct {
			media, body, sum string
			want             int
		}{
			"unsigned":   {media, "%%%", "v0=00", http.StatusUnauthorized},
			"media type": {"text/plain", "", "", http.StatusUnsupportedMediaType},
			"too large":  {media, strings.Repeat("x", 1<<20+1), "", http.StatusRequestEntityTooLarge},
		} {
			req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(c.body))
			req.Header.Set("Content-Type", c.media)
			req.Header.Set("X-Slack-Request-Timestamp", strconv.FormatInt(l.bot.Now().Unix(), 10))
			req.Header.Set("X-Slack-Signature", c.sum)
			res := httptest.NewRecorder()
			if l.bot.ServeHTTP(res, req); res.Code != c.want {
				t.Errorf("%s, %s: got %d, want %d", path, name, res.Code, c.want)
			}
		}
	}
	for _, body := range []string{"", "[]", "null", "{"} {
		if res := l.signed("/slack/events", "application/json", body, nil); body != "null" && res.Code != http.StatusBadRequest {
			t.Errorf("event %q: got %d", body, res.Code)
		}
	}
}

func TestEventsAreAcknowledged(t *testing.T) {
	l := newLists(t)
	if i, answered := l.slack.URLVerification(); !answered {
		t.Errorf("url_verification: got %d %s", i.Status, i.Body)
	}
	for _, body := range []string{
		`{"type":"event_callback","api_app_id":"A0COUNTERSIGN","event":{"type":"message","text":"hi"}}`,
		`{"type":"event_callback","api_app_id":"A0COUNTERSIGN","event":{"type":"app_home_opened","tab":"messages","user":"U0APPROVER1"}}`,
		`{"type":"event_callback","api_app_id":"A0COUNTERSIGN","event":[]}`,
		`{"type":"app_rate_limited","api_app_id":"A0COUNTERSIGN"}`,
	} {
		if res := l.signed("/slack/events", "application/json", body, http.Header{"X-Slack-Retry-Num": {"1"}}); res.Code != 200 || res.Body.Len() != 0 {
			t.Errorf("%s: got %d %s", body, res.Code, res.Body)
		}
	}
	if n := len(l.slack.Calls()); n != 0 {
		t.Errorf("%d calls of Slack", n)
	}
}

func TestListPagesForwardAndBack(t *testing.T) {
	l := newLists(t)
	all := ids(l.add(1, 25))
	m := l.command(approver, "all")
	pages := [][]string{all[:10], all[10:20], all[20:]}
	show := func(step, want int, action string) {
		t.Helper()
		if action != "" {
			if i, err := l.slack.ClickButton(approver, "C0ELSEWHERE", m.TS, action); err != nil || i.Failed {
				t.Fatalf("step %d: %v %d\n%s", step, err, i.Status, l.logs.String())
			}
			private := l.slack.Ephemerals(approver)
			m = private[len(private)-1]
		}
		if got := requestsIn(l, m.Blocks, "request/"); !slices.Equal(got, pages[want]) {
			t.Fatalf("step %d: got %v, want %v", step, got, pages[want])
		}
		for _, b := range m.Buttons() {
			if len(b.Value) > 800 {
				t.Errorf("%d characters in a button's value", len(b.Value))
			}
		}
	}
	show(0, 0, "")
	show(1, 1, "list.next")
	show(2, 2, "list.next")
	show(3, 1, "list.previous")
	show(4, 0, "list.previous")
	if slices.ContainsFunc(m.Buttons(), func(b slacktest.Button) bool { return b.ActionID == "list.previous" }) {
		t.Error("the first page has a button for a previous one")
	}
}

func TestReviewIsForApproversAndTheRequester(t *testing.T) {
	l := newLists(t)
	r := l.add(1, 1)[0]
	m := l.command(approver, "")
	i, err := l.slack.Click(approver, slacktest.Target{ChannelID: "C0ELSEWHERE", TS: m.TS, ActionID: "list.review"})
	if err != nil || i.Failed || i.Opened == nil {
		t.Fatalf("%v %d\n%s", err, i.Status, l.logs.String())
	}
	l.click(approver, *i.Opened, "", "approve")
	if got := l.stored(r.ID); got.State() != handle.Approved || len(l.after) != 1 {
		t.Errorf("got %s and %d calls of After", got.State(), len(l.after))
	}
	v, _ := l.slack.Modal(approver)
	l.wantText("the modal", v.Blocks, "Approved.")

	other := l.add(2, 1)[0]
	for _, b := range l.command(outsider, "all").Buttons() {
		t.Errorf("a person who may not decide has a button %s", b.Text)
	}
	mine := l.command(requester, "mine")
	if i, err = l.slack.Click(requester, slacktest.Target{ChannelID: "C0ELSEWHERE", TS: mine.TS, ActionID: "list.review"}); err != nil || i.Opened == nil {
		t.Fatalf("%v %d\n%s", err, i.Status, l.logs.String())
	}
	if b := i.Opened.Buttons(); len(b) != 0 {
		t.Errorf("the requester can press %v", b)
	}
	_ = other
}

func TestHomeActsInPlace(t *testing.T) {
	l := newLists(t)
	all := l.add(1, 3)
	v := l.home(approver)
	if got := requestsIn(l, v.Blocks, "request/"); !slices.Equal(got, ids(all)) {
		t.Fatalf("waiting: got %v", got)
	}
	l.click(approver, v, "decide/"+all[0].ID, "approve")
	if got := l.stored(all[0].ID); got.State() != handle.Approved || got.Decision.By.ID != approver {
		t.Errorf("got %s", got.State())
	}
	v, _ = l.slack.Home(approver)
	l.wantText("Home", v.Blocks, "Approved.")
	if got := requestsIn(l, v.Blocks, "request/"); !slices.Equal(got, ids(all[1:])) {
		t.Errorf("after an approval: got %v", got)
	}
	i := l.click(approver, v, "decide/"+all[1].ID, "reject")
	if i.Opened == nil {
		t.Fatal("no form for the reason")
	}
	if i, err := l.slack.Submit(approver, i.Opened.ID, map[string]map[string]string{"reason": {"reason": "Use the shared one"}}); err != nil || i.Failed {
		t.Fatal(err, i.Body)
	}
	if got := l.stored(all[1].ID); got.State() != handle.Rejected {
		t.Errorf("got %s", got.State())
	}
	v, _ = l.slack.Home(approver)
	if got := requestsIn(l, v.Blocks, "request/"); !slices.Equal(got, ids(all[2:])) {
		t.Errorf("after a rejection: got %v", got)
	}
	own := l.home(requester)
	if got := requestsIn(l, own.Blocks, "own/"); !slices.Equal(got, ids(all[2:])) {
		t.Errorf("own: got %v", got)
	}
	if len(l.slack.Ephemerals(approver)) != 0 {
		t.Error("a private message beside the Home tab")
	}
}

// The requester nudges and withdraws on the Home tab, which shows what came of it.
func TestHomeOfRequesterActsInPlace(t *testing.T) {
	l := newLists(t)
	all := l.add(1, 2)
	v := l.home(requester)
	l.click(requester, v, "requester/"+all[0].ID, "nudge")
	if got := l.stored(all[0].ID); len(got.Nudges) != 1 {
		t.Errorf("nudges: %+v", got.Nudges)
	}
	v, _ = l.slack.Home(requester)
	l.wantText("Home", v.Blocks, "will be reminded in the request's thread")
	now := l.bot.Now().Add(time.Minute)
	l.bot.Now = func() time.Time { return now }
	l.click(requester, v, "requester/"+all[0].ID, "nudge")
	v, _ = l.slack.Home(requester)
	l.wantText("Home", v.Blocks, "were nudged recently")
	i := l.click(requester, v, "requester/"+all[1].ID, "withdraw")
	if i.Opened == nil {
		t.Fatal("no form to confirm")
	}
	if i, err := l.slack.Submit(requester, i.Opened.ID, map[string]map[string]string{"withdrawal": {"withdrawal": "Wrong size"}}); err != nil || i.Failed {
		t.Fatal(err, i.Body)
	}
	if got := l.stored(all[1].ID); !got.WithdrawnByRequester() || got.Decision.Reason != "Wrong size" {
		t.Errorf("decision: %+v", got.Decision)
	}
	v, _ = l.slack.Home(requester)
	l.wantText("Home", v.Blocks, "Withdrawn.")
	if got := requestsIn(l, v.Blocks, "own/"); !slices.Equal(got, ids(all[:1])) {
		t.Errorf("own: got %v", got)
	}
	if n := len(l.slack.Ephemerals(requester)); n != 0 {
		t.Errorf("%d private messages beside the Home tab", n)
	}
}

// A list says what was searched for as the person typed it.
func TestListShowsTheSearchAsTyped(t *testing.T) {
	l := newLists(t)
	for text, want := range map[string]string{
		"requester:<@U0REQUESTER|rita>":                      "`requester:@rita`",
		"<@U0REQUESTER>":                                     "`@U0REQUESTER`",
		`product:"R&amp;D &lt;1&gt;" all`:                    "`product:\"R&amp;D &lt;1&gt;\" all`",
		"<mailto:rita@example.com|rita@example.com>":         "`rita@example.com`",
		"account:<http://prod.example.com|prod.example.com>": "`account:prod.example.com`",
	} {
		l.wantText(text, l.command(approver, text).Blocks, "Search: "+want+" ")
	}
}

// A refusal is shown where the person acts.
func TestHomeShowsRefusals(t *testing.T) {
	l := newLists(t)
	r := l.add(1, 1)[0]
	v := l.home(approver)
	rejected, err := r.VoteBySlack(handle.Voter{Person: handle.Person{ID: "U0SECOND", Name: "Second"}, Home: true, Groups: []string{approversGroup}}, handle.Reject, "No, thanks", launched)
	if err == nil {
		_, err = l.store.Replace(t.Context(), rejected)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.click(approver, v, "decide/"+r.ID, "approve")
	v, _ = l.slack.Home(approver)
	l.wantText("Home", v.Blocks, "Already rejected by <@U0SECOND>")
	l.wantText("Home", v.Blocks, "Nothing is waiting for you.")
}

func TestHomeOfGuest(t *testing.T) {
	l := newLists(t)
	l.add(1, 1)
	v := l.home(guest)
	l.wantText("Home", v.Blocks, blocks.GuestsSeeNoLists)
	if strings.Contains(string(v.Blocks), "workbench") {
		t.Error("a guest sees requests")
	}
}

func TestHomeConflictIsRetriedOnce(t *testing.T) {
	l := newLists(t)
	l.add(1, 1)
	v := l.home(approver)
	l.add(2, 1)
	body := fmt.Sprintf(`{"type":"event_callback","api_app_id":"A0COUNTERSIGN","event":{"type":"app_home_opened","tab":"home","user":%q,"view":{"hash":"stale"}}}`, approver)
	if res := l.signed("/slack/events", "application/json", body, nil); res.Code != 200 {
		t.Fatalf("got %d", res.Code)
	}
	published := 0
	for _, c := range l.slack.Calls() {
		if c.Method == "views.publish" {
			published++
		}
	}
	if v, _ = l.slack.Home(approver); published != 3 || len(requestsIn(l, v.Blocks, "request/")) != 2 {
		t.Errorf("published %d times; %s", published, v.Blocks)
	}
}

func TestEventIsNotAcknowledgedIfHomeWasNotPublished(t *testing.T) {
	l := newLists(t)
	l.slack.SetFault(func(method string, _ url.Values) *slacktest.Fault {
		if method == "views.publish" {
			return &slacktest.Fault{Status: 500}
		}
		return nil
	})
	i, err := l.slack.OpenHome(approver)
	if err != nil || i.Status != 500 {
		t.Fatalf("%v %d", err, i.Status)
	}
	l.slack.SetFault(nil)
	if again := l.slack.RetryEvent(i, 1); again.Status != 200 {
		t.Errorf("the retry got %d", again.Status)
	}
	if _, published := l.slack.Home(approver); !published {
		t.Error("not published")
	}
}

// chooseAll opens the form to approve several on the Home tab and submits it.
func (l *lists) chooseAll(user string, chosen ...string) slacktest.View {
	l.Helper()
	i := l.click(user, l.home(user), "pages", "list.batch")
	if i.Opened == nil {
		l.Fatalf("no form\n%s", l.logs.String())
	}
	values := map[string]map[string]string{}
	for n, id := range chosen {
		block := blocks.BatchBlock(n / 10)
		if values[block] == nil {
			values[block] = map[string]string{}
		}
		values[block][blocks.BatchChoice] = strings.TrimPrefix(values[block][blocks.BatchChoice]+","+id, ",")
	}
	s, err := l.slack.Submit(user, i.Opened.ID, values)
	if err != nil || s.Failed {
		l.Fatalf("%v %d %s\n%s", err, s.Status, s.Body, l.logs.String())
	}
	if len(s.Body) >= 20_000 {
		l.Errorf("the answer has %d bytes, and Socket Mode drops 20,000", len(s.Body))
	}
	v, _ := l.slack.Modal(user)
	return v
}

func (l *lists) confirm(user string, v slacktest.View) slacktest.View {
	l.Helper()
	s, err := l.slack.Submit(user, v.ID, nil)
	if err != nil || s.Failed {
		l.Fatalf("%v %d %s\n%s", err, s.Status, s.Body, l.logs.String())
	}
	if len(s.Body) >= 20_000 {
		l.Errorf("the answer has %d bytes, and Socket Mode drops 20,000", len(s.Body))
	}
	v, _ = l.slack.Modal(user)
	return v
}

func TestBatchDecidesEachOnItsOwn(t *testing.T) {
	l := newLists(t)
	all := ids(l.add(1, 25))
	review := l.chooseAll(approver, all[:20]...)
	if got := requestsIn(l, review.Blocks, "request/"); !slices.Equal(got, all[:20]) {
		t.Fatalf("reviewed: got %v", got)
	}
	for _, id := range all {
		if r := l.stored(id); len(r.Votes) != 0 {
			t.Fatal("a vote before the confirmation")
		}
	}
	result := l.confirm(approver, review)
	for n, id := range all {
		want := handle.Approved
		if n >= 20 {
			want = handle.Pending
		}
		if r := l.stored(id); r.State() != want {
			t.Errorf("request %d: got %s, want %s", n, r.State(), want)
		}
	}
	slices.Sort(l.after)
	if got := slices.Compact(l.after); len(got) != 20 {
		t.Errorf("After was called for %d requests", len(got))
	}
	if got := requestsIn(l, result.Blocks, "request/"); !slices.Equal(got, all[:20]) {
		t.Errorf("result: got %v", got)
	}
	l.wantText("result", result.Blocks, "as `workbench-20`") // launches of one product differ in their names only
	v, _ := l.slack.Home(approver)
	if got := requestsIn(l, v.Blocks, "request/"); !slices.Equal(got, all[20:]) {
		t.Errorf("Home: got %v", got)
	}
}

// Slack, or Socket Mode, can deliver a command, an event and a confirmation twice.
func TestSecondDeliveryChangesNothing(t *testing.T) {
	l := newLists(t)
	all := ids(l.add(1, 3))
	review := l.chooseAll(approver, all[:2]...)
	confirmed, err := l.slack.Submit(approver, review.ID, nil)
	if err != nil || confirmed.Failed {
		t.Fatal(err, confirmed.Status)
	}
	before := []int64{l.stored(all[0]).Rev, l.stored(all[1]).Rev}
	again := l.slack.Replay(confirmed)
	if again.Status != 200 || strings.Count(again.Body, "Approved.") != 2 {
		t.Errorf("the second confirmation: got %d %s", again.Status, again.Body)
	}
	if after := []int64{l.stored(all[0]).Rev, l.stored(all[1]).Rev}; !slices.Equal(before, after) {
		t.Errorf("the second confirmation wrote: revisions %v became %v", before, after)
	}
	for _, id := range all[:2] {
		if r := l.stored(id); len(r.Votes) != 1 {
			t.Errorf("got %d votes", len(r.Votes))
		}
	}
	i, err := l.slack.Command(approver, channel, "/approvals", "")
	if err != nil {
		t.Fatal(err)
	}
	if again := l.slack.Replay(i); again.Body != i.Body {
		t.Errorf("the second command: got %s", again.Body)
	}
}

// A modal that cannot be opened, because its trigger expired or Slack fails, is said
// where the person acts.
func TestHomeSaysWhatDidNotOpen(t *testing.T) {
	l := newLists(t)
	all := l.add(1, 2)
	for action, want := range map[string]string{
		"list.batch":  blocks.BatchNotOpened,
		"reject":      "Click Reject again",
		"list.review": "Click Details again",
	} {
		v := l.home(approver)
		l.slack.SetFault(func(method string, _ url.Values) *slacktest.Fault {
			if method == "views.open" {
				return &slacktest.Fault{Error: "expired_trigger_id"}
			}
			return nil
		})
		block := "decide/" + all[0].ID
		if action == "list.batch" {
			block = "pages"
		}
		l.click(approver, v, block, action)
		l.slack.SetFault(nil)
		v, _ = l.slack.Home(approver)
		l.wantText(action, v.Blocks, want)
		l.wantText(action, v.Blocks, "Waiting for you")
	}
	if r := l.stored(all[0].ID); len(r.Votes) != 0 {
		t.Error("something was recorded")
	}
}

// Nothing is approved that the person has not seen as it is.
func TestBatchRefusesWhatHasChanged(t *testing.T) {
	l := newLists(t)
	all := l.add(1, 4)
	review := l.chooseAll(approver, ids(all)...)
	changed := l.stored(all[0].ID)
	changed.Parameters = []handle.Field{{Name: "InstanceType", Value: "m7i.48xlarge"}}
	second := handle.Voter{Person: handle.Person{ID: "U0SECOND", Name: "Second"}, Home: true, Groups: []string{approversGroup}}
	rejected, err := l.stored(all[1].ID).VoteBySlack(second, handle.Reject, "No, thanks", launched)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []handle.Request{changed, rejected} {
		if _, err := l.store.Replace(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	result := l.confirm(approver, review)
	if got := l.stored(all[0].ID); len(got.Votes) != 0 {
		t.Error("what has changed was approved")
	}
	if got := l.stored(all[1].ID); got.State() != handle.Rejected {
		t.Errorf("got %s", got.State())
	}
	for _, r := range all[2:] {
		if got := l.stored(r.ID); got.State() != handle.Approved {
			t.Errorf("got %s", got.State())
		}
	}
	l.wantText("result", result.Blocks, "the request has changed since you reviewed it")
	l.wantText("result", result.Blocks, "Already rejected by <@U0SECOND>")
	l.wantText("result", result.Blocks, "Approved.")
}

func TestBatchReviewLeavesOutWhatCannotBeApproved(t *testing.T) {
	l := newLists(t)
	all := l.add(1, 3, quorum(2))
	i := l.click(approver, l.home(approver), "pages", "list.batch")
	withdrawn := l.stored(all[0].ID).Withdraw("the stack was deleted", launched)
	if _, err := l.store.Replace(t.Context(), withdrawn); err != nil {
		t.Fatal(err)
	}
	block := blocks.BatchBlock(0)
	if s, err := l.slack.Submit(approver, i.Opened.ID, nil); err != nil || !strings.Contains(s.Body, blocks.BatchNothing) {
		t.Fatalf("%v %s", err, s.Body)
	}
	if s, err := l.slack.Submit(approver, i.Opened.ID, map[string]map[string]string{block: {blocks.BatchChoice: strings.Join(ids(all), ",")}}); err != nil || s.Failed {
		t.Fatalf("%v %s", err, s.Body)
	}
	review, _ := l.slack.Modal(approver)
	if got := requestsIn(l, review.Blocks, "left-out/"); !slices.Equal(got, ids(all[:1])) {
		t.Errorf("left out: got %v", got)
	}
	result := l.confirm(approver, review)
	l.wantText("result", result.Blocks, "1 more approval is needed.")
	for _, r := range all[1:] {
		if got := l.stored(r.ID); got.State() != handle.Pending || len(got.Votes) != 1 {
			t.Errorf("got %s with %d votes", got.State(), len(got.Votes))
		}
	}
}

// A person who is not an approver can't approve with a form of ours.
func TestBatchAsksWhoConfirms(t *testing.T) {
	l := newLists(t)
	all := l.add(1, 2)
	review := l.chooseAll(approver, ids(all)...)
	payload := document{
		"type": "view_submission", "api_app_id": "A0COUNTERSIGN", "user": map[string]any{"id": outsider, "team_id": "T0HOME"},
		"view": map[string]any{"callback_id": blocks.BatchReviewModal, "private_metadata": review.PrivateMetadata, "state": map[string]any{"values": []any{}}},
	}
	res := l.signed("/slack/interactivity", "application/x-www-form-urlencoded", url.Values{"payload": {encode(t, payload)}}.Encode(), nil)
	if res.Code != 200 || !strings.Contains(res.Body.String(), "You aren't an approver") {
		t.Errorf("got %d %s", res.Code, res.Body)
	}
	for _, r := range all {
		if got := l.stored(r.ID); len(got.Votes) != 0 {
			t.Error("an outsider voted")
		}
	}
}

// With 1,000 open requests, what one answer reads is bounded.
func TestListsReadAtMostTenPagesOfTheIndex(t *testing.T) {
	l := newLists(t)
	l.add(1, 1000, func(r *handle.Request) { r.Terms.Approvers = []string{"U0SECOND"} })
	last := l.add(1001, 1)[0]
	start := time.Now()
	count := func(f func()) int {
		before := l.store.Counts()
		f()
		after := l.store.Counts()
		return after.Queries - before.Queries
	}
	if n := count(func() { l.command(approver, "all") }); n != 1 {
		t.Errorf("/approvals all made %d reads", n)
	}
	var m slacktest.Message
	if n := count(func() { m = l.command(approver, "") }); n != 10 {
		t.Errorf("/approvals made %d reads", n)
	}
	l.wantText("the first thousand", m.Blocks, "Click Next to continue the search.")
	if i, err := l.slack.ClickButton(approver, "C0ELSEWHERE", m.TS, "list.next"); err != nil || i.Failed {
		t.Fatal(err, i.Status)
	}
	private := l.slack.Ephemerals(approver)
	if got := requestsIn(l, private[len(private)-1].Blocks, "request/"); !slices.Equal(got, []string{last.ID}) {
		t.Errorf("after the first thousand: got %v", got)
	}
	var v slacktest.View
	if n := count(func() { v = l.home("U0SECOND") }); n != 10 {
		t.Errorf("Home made %d reads", n)
	}
	if got := requestsIn(l, v.Blocks, "request/"); len(got) != 10 {
		t.Errorf("Home shows %d", len(got))
	}
	l.wantText("Home, which did not read all", v.Blocks, "Nothing found so far. Use `/approvals mine` to search on.")
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// slow adds the latencies of DynamoDB and Slack, in the bubble's time.
type slow struct {
	handle.Store
	base    http.RoundTripper
	latency time.Duration // of Slack
}

func (s slow) Open(ctx context.Context, after string, limit int) ([]handle.Summary, string, error) {
	time.Sleep(20 * time.Millisecond)
	return s.Store.Open(ctx, after, limit)
}

func (s slow) Load(ctx context.Context, id string) (handle.Request, error) {
	time.Sleep(5 * time.Millisecond)
	return s.Store.Load(ctx, id)
}

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(s.latency):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return s.base.RoundTrip(r)
}

// With 1,000 open requests and twenty user groups to ask about, the command and the
// Home tab are answered within Slack's three seconds, even if Slack is slow.
func TestListsAnswerInTime(t *testing.T) {
	for _, latency := range []time.Duration{120 * time.Millisecond, 700 * time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &handle.Memory{}
				now := func() time.Time { return launched.Add(10 * time.Minute) }
				w := slacktest.New(slacktest.Config{
					Now: now, TeamID: "T0HOME", AppID: "A0COUNTERSIGN", BotID: "B0COUNTERSIGN", BotUserID: "U0COUNTERSIGN", BotToken: token,
					Scopes: []string{"users:read", "usergroups:read"}, HomeTab: true,
				})
				w.AddUser(slacktest.User{ID: approver, Name: "ada", RealName: "Ada"})
				for n := range 20 {
					w.AddUserGroup(slacktest.UserGroup{ID: fmt.Sprintf("S0GROUP%d", n), Users: []string{approver}})
				}
				for n := range 1000 {
					r := handletest.Request(n, launched.Add(time.Duration(n)*time.Second), posted, func(r *handle.Request) {
						r.Terms.Approvers = []string{fmt.Sprintf("S0GROUP%d", n/50)}
						if n < 995 { // the person's own few come last
							r.Terms.Approvers = append(r.Terms.Approvers, "U0SECOND")
						}
					})
					if _, err := store.Create(t.Context(), r); err != nil {
						t.Fatal(err)
					}
				}
				s := slow{Store: store, base: w, latency: latency}
				b := &bot.Bot{
					Store: s, Now: now, TeamID: "T0HOME", AppID: "A0COUNTERSIGN",
					SigningSecrets: func(context.Context, bool) ([]string, error) { return []string{secret}, nil },
					After:          func(context.Context, handle.Request, string) {},
					Slack:          slack.New(token, slack.OptionAPIURL("http://slack.test/api/"), slack.OptionHTTPClient(&http.Client{Transport: bot.Answers(s)})),
				}
				l := &lists{T: t, bot: b, slack: w}
				form := url.Values{"command": {"/approvals"}, "text": {"waiting workbench-99"}, "user_id": {approver}, "team_id": {"T0HOME"}, "api_app_id": {"A0COUNTERSIGN"}}
				began := time.Now()
				res := l.signed("/slack/commands", "application/x-www-form-urlencoded", form.Encode(), nil)
				took := time.Since(began)
				if res.Code != 200 || took > 2700*time.Millisecond {
					t.Errorf("/approvals: %d after %s", res.Code, took)
				}
				if latency < 500*time.Millisecond && !strings.Contains(res.Body.String(), "workbench-990") {
					t.Errorf("/approvals: got %s", res.Body)
				}
				event := fmt.Sprintf(`{"type":"event_callback","api_app_id":"A0COUNTERSIGN","event":{"type":"app_home_opened","tab":"home","user":%q}}`, approver)
				began = time.Now()
				res = l.signed("/slack/events", "application/json", event, nil)
				if took := time.Since(began); took > 2700*time.Millisecond {
					t.Errorf("Home: %d after %s", res.Code, took)
				}
				if v, ok := w.Home(approver); !ok || latency < 500*time.Millisecond && len(requestsIn(l, v.Blocks, "request/")) != blocks.HomeWaiting {
					t.Errorf("Home: %d, %s", res.Code, v.Blocks)
				}
			})
		})
	}
}

// The Home tab shows what an action led to, although messages and signals take all the
// time that there is.
func TestHomeIsCurrentWhileMessagesAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &handle.Memory{}
		now := func() time.Time { return launched.Add(10 * time.Minute) }
		w := slacktest.New(slacktest.Config{
			Now: now, TeamID: "T0HOME", AppID: "A0COUNTERSIGN", BotID: "B0COUNTERSIGN", BotUserID: "U0COUNTERSIGN", BotToken: token,
			Scopes: []string{"users:read", "usergroups:read"}, HomeTab: true,
		})
		w.AddUser(slacktest.User{ID: approver, Name: "ada", RealName: "Ada"})
		var all []handle.Request
		for n := range 4 {
			r, err := store.Create(t.Context(), handletest.Request(n, launched.Add(time.Duration(n)*time.Second), posted, func(r *handle.Request) { r.Terms.Approvers = []string{approver} }))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		s := slow{Store: store, base: w, latency: 120 * time.Millisecond}
		l := &lists{T: t, slack: w, bot: &bot.Bot{
			Store: s, Now: now, TeamID: "T0HOME", AppID: "A0COUNTERSIGN",
			SigningSecrets: func(context.Context, bool) ([]string, error) { return []string{secret}, nil },
			After:          func(ctx context.Context, _ handle.Request, _ string) { <-ctx.Done() },
			Slack:          slack.New(token, slack.OptionAPIURL("http://slack.test/api/"), slack.OptionHTTPClient(&http.Client{Transport: bot.Answers(s)})),
		}}
		user := map[string]any{"id": approver, "team_id": "T0HOME"}
		batch, err := json.Marshal(map[string]any{"home": true, "r": [][2]string{{all[2].ID, blocks.Shown(all[2])}}})
		if err != nil {
			t.Fatal(err)
		}
		rejection, err := json.Marshal(map[string]any{"home": true, "ticket": handle.Ticket{ID: all[1].ID, Verdict: handle.Reject}.String()})
		if err != nil {
			t.Fatal(err)
		}
		reason := map[string]any{"values": map[string]any{"reason": map[string]any{"reason": map[string]any{"value": "Use the shared one"}}}}
		for n, payload := range []document{
			{"type": "block_actions", "api_app_id": "A0COUNTERSIGN", "user": user, "view": map[string]any{"id": "V1", "type": "home"},
				"actions": []any{map[string]any{"action_id": "approve", "value": handle.Ticket{ID: all[0].ID, Verdict: handle.Approve}.String()}}},
			{"type": "view_submission", "api_app_id": "A0COUNTERSIGN", "user": user, "view": map[string]any{"callback_id": blocks.RejectModal, "private_metadata": string(rejection), "state": reason}},
			{"type": "view_submission", "api_app_id": "A0COUNTERSIGN", "user": user, "view": map[string]any{"callback_id": blocks.BatchReviewModal, "private_metadata": string(batch)}},
		} {
			began := time.Now()
			res := l.signed("/slack/interactivity", "application/x-www-form-urlencoded", url.Values{"payload": {encode(t, payload)}}.Encode(), nil)
			if took := time.Since(began); res.Code != 200 || took > 2700*time.Millisecond {
				t.Errorf("%d: %d after %s", n, res.Code, took)
			}
			v, _ := w.Home(approver)
			if got := requestsIn(l, v.Blocks, "request/"); !slices.Equal(got, ids(all[n+1:])) {
				t.Errorf("%d: Home shows %v\n%s", n, got, v.Blocks)
			}
		}
	})
}

// In an Enterprise Grid a person has several IDs, and its members see the lists from
// whichever workspace they are in.
func TestListsInGrid(t *testing.T) {
	l := newLists(t, func(c *slacktest.Config) { c.EnterpriseID, c.EnterpriseName = "E0HOLDING", "Holding" })
	l.bot.EnterpriseID = "E0HOLDING"
	l.slack.AddUser(slacktest.User{ID: approver, EnterpriseUserID: "W0APPROVER1", TeamID: "T0HOME", Teams: []string{"T0HOME"}, Name: "ada", RealName: "Ada"})
	l.slack.AddUser(slacktest.User{ID: "U0SAM", EnterpriseUserID: "W0SAM", TeamID: "T0SISTER", Teams: []string{"T0SISTER", "T0HOME"}, Name: "sam", RealName: "Sam"})
	r := l.add(1, 1, func(r *handle.Request) { r.Terms.Approvers = []string{"W0APPROVER1", "U0SAM"} })[0]
	if got := requestsIn(l, l.command(approver, "").Blocks, "request/"); !slices.Equal(got, []string{r.ID}) {
		t.Errorf("by the organization's ID: got %v", got)
	}
	if got := requestsIn(l, l.home(approver).Blocks, "request/"); !slices.Equal(got, []string{r.ID}) {
		t.Errorf("Home: got %v", got)
	}
	form := url.Values{"command": {"/approvals"}, "user_id": {"U0SAM"}, "team_id": {"T0SISTER"}, "enterprise_id": {"E0HOLDING"}, "api_app_id": {"A0COUNTERSIGN"}}
	if res := l.signed("/slack/commands", "application/x-www-form-urlencoded", form.Encode(), nil); !strings.Contains(res.Body.String(), r.ID) {
		t.Errorf("a member of a sister workspace: got %s", res.Body)
	}
	form.Set("enterprise_id", "E0OTHER")
	if res := l.signed("/slack/commands", "application/x-www-form-urlencoded", form.Encode(), nil); strings.Contains(res.Body.String(), r.ID) {
		t.Errorf("a member of a different organization: got %s", res.Body)
	}
}
