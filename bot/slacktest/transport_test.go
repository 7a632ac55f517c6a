package slacktest_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	api "github.com/slack-go/slack"

	"countersign/bot/slacktest"
)

// newDirect returns a workspace and a client that calls it without a network.
func newDirect(fault func(method string, form url.Values) *slacktest.Fault) (*slacktest.Workspace, *api.Client) {
	w := slacktest.New(slacktest.Config{
		Now: time.Now, BotToken: token, BotUserID: bot, Scopes: allScopes, Fault: fault,
	})
	w.AddChannel(slacktest.Channel{ID: public, Members: []string{bot}})
	return w, api.New(token, api.OptionAPIURL("http://slack.test/api/"), api.OptionHTTPClient(&http.Client{Transport: w}))
}

func TestRoundTrip(t *testing.T) {
	fault := &slacktest.Fault{}
	w, client := newDirect(func(string, url.Values) *slacktest.Fault { return fault })
	if _, _, err := client.PostMessageContext(t.Context(), public, text("x")); err != nil {
		t.Fatal(err)
	}
	fault = &slacktest.Fault{Lost: true, Applied: true}
	if _, _, err := client.PostMessageContext(t.Context(), public, text("x")); err == nil {
		t.Error("a lost response: got no error")
	}
	if n := len(w.Messages(public)); n != 2 {
		t.Errorf("messages: got %d, want 2, because the call with the lost response took effect", n)
	}
	fault = &slacktest.Fault{BeforeResponse: func() { panic("boom") }}
	if _, _, err := client.PostMessageContext(t.Context(), public, text("x")); err == nil {
		t.Error("a panic: got no error")
	}
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w, client := newDirect(func(string, url.Values) *slacktest.Fault { return &slacktest.Fault{Hang: release} })
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, _, err := client.PostMessageContext(ctx, public, text("given up")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call that hangs: got %v, want the deadline", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("the call took %v, want 3 s", took)
		}
		time.AfterFunc(time.Minute, func() { close(release) })
		if _, _, err := client.PostMessageContext(t.Context(), public, text("answered late")); err != nil {
			t.Errorf("a call that waits long enough: got %v", err)
		}
		synctest.Wait()
		if got := w.Messages(public); len(got) != 1 || got[0].Text != "answered late" {
			t.Errorf("messages: got %+v, want only the second", got)
		}
	})
}

func TestUserOverrides(t *testing.T) {
	w := newWorld(t)
	w.AddUser(slacktest.User{ID: ann, Name: "ann", Email: "ann@example.com", Overrides: map[string]any{
		"team_id": slacktest.Omit, "is_stranger": true, "enterprise_user": map[string]any{"id": "W0ANN", "enterprise_id": "E0ORG"},
	}})
	for _, look := range []func() (*api.User, error){
		func() (*api.User, error) { return w.api.GetUserInfoContext(t.Context(), ann) },
		func() (*api.User, error) { return w.api.GetUserByEmailContext(t.Context(), "ann@example.com") },
	} {
		u, err := look()
		if err != nil {
			t.Fatal(err)
		}
		if u.ID != ann || u.Name != "ann" || u.TeamID != "" || !u.IsStranger || u.Enterprise.ID != "W0ANN" {
			t.Errorf("got %+v", u)
		}
	}
}

func TestAddTrigger(t *testing.T) {
	w := newWorld(t)
	open := func() string {
		_, err := w.api.OpenViewContext(t.Context(), "1.2.abc", reasonModal())
		return code(err)
	}
	if got := open(); got != "invalid_trigger_id" {
		t.Errorf("unknown trigger: got %q", got)
	}
	w.AddTrigger("1.2.abc", ann)
	if got := open(); got != "" {
		t.Errorf("fresh trigger: got %q", got)
	}
	if _, ok := w.Modal(ann); !ok {
		t.Error("the modal did not open")
	}
	if got := open(); got != "exchanged_trigger_id" {
		t.Errorf("used trigger: got %q", got)
	}
	w.AddTrigger("1.2.abc", ann)
	w.clock.add(3 * time.Second)
	if got := open(); got != "expired_trigger_id" {
		t.Errorf("old trigger: got %q", got)
	}
}
