package bot_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// madeSlack speaks the four Web API methods that the bot uses, over HTTP or as
// a RoundTripper. It accuses of what Slack would reject.
type madeSlack struct {
	*testing.T
	mu     sync.Mutex
	users  map[string]map[string]any
	groups map[string][]string
	fail   map[string]string        // error code by method
	hang   map[string]chan struct{} // methods that answer nothing until it is closed
	calls  []slackCall
}

type slackCall struct {
	method string
	params map[string]string
	view   map[string]any
}

func newMadeSlack(t *testing.T) *madeSlack {
	s := &madeSlack{
		T:      t,
		users:  map[string]map[string]any{},
		groups: map[string][]string{"S0APPROVERS": {member, "U0SECOND"}},
		fail:   map[string]string{},
		hang:   map[string]chan struct{}{},
	}
	for _, id := range []string{approver, member, "U0SECOND", requester, outsider} {
		s.add(id, nil)
	}
	return s
}

// add adds a full member of the home workspace, with what is different of them.
func (s *madeSlack) add(id string, different map[string]any) {
	u := map[string]any{
		"id": id, "team_id": "T0HOME", "name": strings.ToLower(id), "real_name": "Made " + id, "deleted": false,
		"is_bot": false, "is_restricted": false, "is_ultra_restricted": false, "updated": 1795000000,
		"profile": map[string]any{"real_name": "Made " + id, "display_name": ""},
	}
	for key, value := range different {
		u[key] = value
	}
	s.users[id] = u
}

func (s *madeSlack) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() { defer close(done); s.ServeHTTP(rec, r) }()
	select {
	case <-done:
		return rec.Result(), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func (s *madeSlack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	c := slackCall{method: method, params: map[string]string{}}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var body struct {
			TriggerID string         `json:"trigger_id"`
			View      map[string]any `json:"view"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			s.Errorf("%s: %v", method, err)
		}
		c.params["trigger_id"], c.view = body.TriggerID, body.View
	} else {
		if err := r.ParseForm(); err != nil {
			s.Errorf("%s: %v", method, err)
		}
		for key := range r.PostForm {
			c.params[key] = r.PostForm.Get(key)
		}
	}
	if c.params["token"] != token && r.Header.Get("Authorization") != "Bearer "+token {
		s.Errorf("%s: called without the token", method)
	}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	code, hang := s.fail[method], s.hang[method]
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return
		}
	}
	answer := map[string]any{"ok": true}
	if code == "" {
		code = s.answer(c, answer)
	}
	w.Header().Set("Content-Type", "application/json")
	switch code {
	case "":
		_ = json.NewEncoder(w).Encode(answer)
	case "ratelimited":
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"ok": false, "error": code})
	}
}

// answer fills in what the method answers, or returns the error code.
func (s *madeSlack) answer(c slackCall, answer map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.method {
	case "users.info":
		u, ok := s.users[c.params["user"]]
		if !ok {
			return "user_not_found"
		}
		answer["user"] = u
	case "usergroups.users.list":
		users, ok := s.groups[c.params["usergroup"]]
		if !ok {
			return "no_such_subteam"
		}
		answer["users"] = users
	case "chat.postEphemeral":
		s.checkEphemeral(c)
		answer["message_ts"] = "1795342600.000100"
	case "views.open":
		s.checkView(c)
		answer["view"] = map[string]any{"id": "V0REJECT", "type": "modal", "blocks": []any{}}
	default:
		s.Errorf("the bot called %s, for which it has no business", c.method)
		return "unknown_method"
	}
	return ""
}

// control finds Slack's control sequences; the bot may write these and no other.
var (
	control = regexp.MustCompile(`<[^>]*>?`)
	allowed = regexp.MustCompile(`^<(@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+|!date\^\d+\^[^|<>]*\|[^|<>]*)>$`)
)

func (s *madeSlack) checkText(where, text string, limit int) {
	if n := utf8.RuneCountInString(text); n == 0 || n > limit {
		s.Errorf("%s: got %d characters, want 1 to %d: %q", where, n, limit, text)
	}
	for _, found := range control.FindAllString(text, -1) {
		if !allowed.MatchString(found) {
			s.Errorf("%s: outside text wrote markup of its own: %q in %q", where, found, text)
		}
	}
	if strings.Contains(strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(text), "&") {
		s.Errorf("%s: a bare ampersand in %q", where, text)
	}
}

func (s *madeSlack) checkEphemeral(c slackCall) {
	if c.params["channel"] == "" || c.params["user"] == "" || c.params["thread_ts"] != "" {
		s.Errorf("chat.postEphemeral: got channel %q, user %q, thread_ts %q", c.params["channel"], c.params["user"], c.params["thread_ts"])
	}
	s.checkText("chat.postEphemeral", c.params["text"], 4000)
}

// checkView holds a modal to the limits of Block Kit.
func (s *madeSlack) checkView(c slackCall) {
	text := func(v any) string {
		m, _ := v.(map[string]any)
		t, _ := m["text"].(string)
		return t
	}
	if c.params["trigger_id"] == "" {
		s.Errorf("views.open: no trigger_id")
	}
	for _, key := range []string{"title", "submit", "close"} {
		if n := utf8.RuneCountInString(text(c.view[key])); n == 0 || n > 24 {
			s.Errorf("views.open: got %d characters of %s, want 1 to 24", n, key)
		}
	}
	if m, _ := c.view["private_metadata"].(string); len(m) > 3000 || strings.Contains(m, "http") {
		s.Errorf("views.open: private_metadata: got %q", m)
	}
	blocks, _ := c.view["blocks"].([]any)
	if len(blocks) == 0 || len(blocks) > 100 {
		s.Errorf("views.open: got %d blocks", len(blocks))
	}
	for i, b := range blocks {
		block := b.(map[string]any)
		where := fmt.Sprintf("views.open: block %d", i)
		switch block["type"] {
		case "section":
			s.checkText(where, text(block["text"]), 3000)
		case "input":
			s.checkText(where, text(block["label"]), 2000)
			element := block["element"].(map[string]any)
			if element["type"] != "plain_text_input" || element["multiline"] != true || element["max_length"] != 500.0 || element["min_length"] != 3.0 {
				s.Errorf("%s: got %v, want a multiline input of 3 to 500 characters", where, element)
			}
		default:
			s.Errorf("%s: unexpected type %v", where, block["type"])
		}
	}
}

// methods lists the methods that were called, in order.
func (s *madeSlack) methods() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []string{}
	for _, c := range s.calls {
		list = append(list, c.method)
	}
	return list
}

func (s *madeSlack) count(method string) int {
	n := 0
	for _, m := range s.methods() {
		if m == method {
			n++
		}
	}
	return n
}

func (s *madeSlack) of(method string) []slackCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c slackCall) bool { return c.method != method })
}

// ephemerals are the texts written to people in private.
func (s *madeSlack) ephemerals() []string {
	var list []string
	for _, c := range s.of("chat.postEphemeral") {
		list = append(list, c.params["text"])
	}
	return list
}

func (s *madeSlack) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}
