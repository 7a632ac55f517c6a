package bot_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"countersign/bot/slacktest"
)

// simulatedSlack is a workspace that records what the bot calls, fails on demand,
// and reports what the bot must not send even where Slack would accept it.
type simulatedSlack struct {
	*slacktest.Workspace
	t *testing.T

	mu    sync.Mutex
	fail  map[string]string        // error code by method; "500" and "ratelimited" are HTTP statuses
	hang  map[string]chan struct{} // methods that do not answer until the channel is closed
	calls []slackCall
}

type slackCall struct {
	method string
	params url.Values
}

// view decodes the call's view argument.
func (c slackCall) view(t *testing.T) map[string]any {
	t.Helper()
	var view map[string]any
	if err := json.Unmarshal([]byte(c.params.Get("view")), &view); err != nil {
		t.Errorf("%s: can't decode the view: %v", c.method, err)
	}
	return view
}

const approversGroup = "S0APPROVERS"

func newSimulatedSlack(t *testing.T, now func() time.Time) *simulatedSlack {
	s := &simulatedSlack{t: t, fail: map[string]string{}, hang: map[string]chan struct{}{}}
	s.Workspace = slacktest.New(slacktest.Config{
		Now: now, TeamID: "T0HOME", AppID: "A0COUNTERSIGN", BotID: "B0COUNTERSIGN", BotUserID: "U0COUNTERSIGN", BotToken: token,
		Scopes: []string{"chat:write", "users:read", "usergroups:read"},
		Fault:  s.receive,
	})
	s.AddChannel(slacktest.Channel{ID: channel, Name: "launch-approvals", Members: []string{"U0COUNTERSIGN"}})
	for _, id := range []string{approver, member, "U0SECOND", requester, outsider} {
		s.add(id, nil)
	}
	s.setGroup(approversGroup, member, "U0SECOND")
	t.Cleanup(s.checkCalls)
	return s
}

// add adds a full member of the home workspace, whose user object differs in the
// given fields, to the channel.
func (s *simulatedSlack) add(id string, overrides map[string]any) {
	s.AddUser(slacktest.User{ID: id, Name: strings.ToLower(id), RealName: "Member " + id, Overrides: overrides})
	if err := s.Invite(channel, id); err != nil {
		s.t.Error(err)
	}
}

func (s *simulatedSlack) setGroup(id string, users ...string) {
	s.AddUserGroup(slacktest.UserGroup{ID: id, Users: users})
}

func (s *simulatedSlack) disableGroup(id string) {
	s.AddUserGroup(slacktest.UserGroup{ID: id, Disabled: true})
}

// receive records and checks a call before the workspace answers it, and returns
// the fault that the test asked for.
func (s *simulatedSlack) receive(method string, form url.Values) *slacktest.Fault {
	c := slackCall{method, form}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	code, hang := s.fail[method], s.hang[method]
	s.mu.Unlock()
	switch method {
	case "users.info", "usergroups.users.list":
	case "chat.postEphemeral":
		s.checkEphemeral(c)
	case "views.open":
		s.checkView(c)
	default:
		s.t.Errorf("the bot called %s, which it has no use for", method)
	}
	fault := &slacktest.Fault{Hang: hang}
	switch code {
	case "ratelimited":
		fault.RetryAfter = 30 * time.Second
	case "500":
		fault.Status = 500
	default:
		fault.Error = code
	}
	return fault
}

// checkCalls reports calls that Slack refuses because the bot made a mistake.
func (s *simulatedSlack) checkCalls() {
	wrong := []string{
		"not_authed", "invalid_auth", "unknown_method", "missing_scope", "invalid_form_data",
		"invalid_arguments", "invalid_blocks", "invalid_blocks_format", "msg_too_long", "no_text", "view_too_large",
	}
	for _, c := range s.Calls() {
		if !c.Fault && slices.Contains(wrong, c.Error) {
			s.t.Errorf("Slack refused %s: %s", c.Method, c.Error)
		}
	}
}

// control matches Slack's control sequences, allowed the only ones that the bot
// may write.
var (
	control = regexp.MustCompile(`<[^>]*>?`)
	allowed = regexp.MustCompile(`^<(@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+|!date\^\d+\^[^|<>]*\|[^|<>]*)>$`)
)

func (s *simulatedSlack) checkText(where, text string, limit int) {
	if n := utf8.RuneCountInString(text); n == 0 || n > limit {
		s.t.Errorf("%s: got %d characters, want 1 to %d: %q", where, n, limit, text)
	}
	for _, found := range control.FindAllString(text, -1) {
		if !allowed.MatchString(found) {
			s.t.Errorf("%s: outside text became markup: %q in %q", where, found, text)
		}
	}
	if strings.Contains(strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(text), "&") {
		s.t.Errorf("%s: a bare ampersand in %q", where, text)
	}
}

func (s *simulatedSlack) checkEphemeral(c slackCall) {
	if c.params.Get("channel") == "" || c.params.Get("user") == "" || c.params.Get("thread_ts") != "" {
		s.t.Errorf("chat.postEphemeral: got channel %q, user %q, thread_ts %q", c.params.Get("channel"), c.params.Get("user"), c.params.Get("thread_ts"))
	}
	s.checkText("chat.postEphemeral", c.params.Get("text"), 4000)
}

// checkView checks a modal beyond what Slack refuses.
func (s *simulatedSlack) checkView(c slackCall) {
	text := func(v any) string {
		m, _ := v.(map[string]any)
		t, _ := m["text"].(string)
		return t
	}
	view := c.view(s.t)
	if c.params.Get("trigger_id") == "" {
		s.t.Errorf("views.open: no trigger_id")
	}
	for _, key := range []string{"title", "submit", "close"} {
		if key == "submit" && view["callback_id"] == "details" {
			continue // it has nothing to submit
		}
		if n := utf8.RuneCountInString(text(view[key])); n == 0 || n > 24 {
			s.t.Errorf("views.open: got %d characters of %s, want 1 to 24", n, key)
		}
	}
	if m, _ := view["private_metadata"].(string); len(m) > 3000 || strings.Contains(m, "http") {
		s.t.Errorf("views.open: private_metadata: got %q", m)
	}
	blocks, _ := view["blocks"].([]any)
	if len(blocks) == 0 || len(blocks) > 100 {
		s.t.Errorf("views.open: got %d blocks", len(blocks))
	}
	for i, b := range blocks {
		block := b.(map[string]any)
		where := fmt.Sprintf("views.open: block %d", i)
		switch block["type"] {
		case "section":
			if shown, _ := block["text"].(map[string]any); shown["type"] == "plain_text" {
				continue // in which nothing is markup
			}
			s.checkText(where, text(block["text"]), 3000)
		case "input":
			s.checkText(where, text(block["label"]), 2000)
			element := block["element"].(map[string]any)
			least := 1.0
			switch view["callback_id"] {
			case "reject":
				least = 3
			case "reassign":
				if element["type"] != "multi_static_select" {
					s.t.Errorf("%s: got %v, want a menu", where, element)
				}
				continue
			}
			if element["type"] != "plain_text_input" || element["multiline"] != true || element["max_length"] != 500.0 || element["min_length"] != least {
				s.t.Errorf("%s: got %v, want a multiline input of %v to 500 characters", where, element, least)
			}
		default:
			s.t.Errorf("%s: unexpected type %v", where, block["type"])
		}
	}
}

// methods lists the methods that were called, in order of arrival.
func (s *simulatedSlack) methods() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []string{}
	for _, c := range s.calls {
		list = append(list, c.method)
	}
	return list
}

func (s *simulatedSlack) count(method string) int { return len(s.of(method)) }

// of returns the calls of one method, in order of arrival.
func (s *simulatedSlack) of(method string) []slackCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c slackCall) bool { return c.method != method })
}

// ephemerals lists the texts of the private messages that the bot sent, including
// those that Slack did not accept.
func (s *simulatedSlack) ephemerals() []string {
	var list []string
	for _, c := range s.of("chat.postEphemeral") {
		list = append(list, c.params.Get("text"))
	}
	return list
}

func (s *simulatedSlack) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}
