package function_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"countersign/deploy/internal/function"
)

// A redirect of Slack's API, or of a proxy in front of it, fails the call and does
// not get the token.
func TestSlackTokenDoesNotFollowRedirects(t *testing.T) {
	token := func(context.Context, string) (string, error) { return "xoxb-made-up-token", nil }
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t.Errorf("%d: the redirect was followed, with Authorization %q", status, r.Header.Get("Authorization"))
			_, _ = io.WriteString(w, `{"ok":true}`)
		}))
		api := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/api/chat.postMessage", status))
		client := slack.New("", slack.OptionAPIURL(api.URL+"/"), slack.OptionHTTPClient(function.SlackClient(&http.Client{Transport: http.DefaultTransport}, token)))
		_, _, err := client.PostMessageContext(t.Context(), "C0123ABCD", slack.MsgOptionText("hello", false))
		var code slack.StatusCodeError
		if !errors.As(err, &code) || code.Code != status {
			t.Errorf("%d: the call returned %v", status, err)
		}
		api.Close()
		elsewhere.Close()
	}
}

// The bot without a configured URL uses the one of the request that it works on, and
// forgets it: a forged event must not change where the links of later mails lead.
func TestBotAddressIsNotKeptFromEvents(t *testing.T) {
	setAWS(t)
	f := function.NewBot(environ(), io.Discard)
	during := ""
	f.SetHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { during = f.Address(r.Context()) }))
	e := httptest.NewRequest(http.MethodPost, "/slack/interactivity", nil)
	if _, err := f.Invoke(t.Context(), httpEvent(t, e, nil, false)); err != nil {
		t.Fatal(err)
	}
	if want := "https://aaaaaaaaaa.execute-api.us-east-1.amazonaws.com"; during != want {
		t.Errorf("during the request the address is %q, want %q", during, want)
	}
	if kept := f.Address(t.Context()); kept != "" {
		t.Errorf("after an unverified event the address is %q", kept)
	}
	f = function.NewBot(environ("COUNTERSIGN_URL=https://approvals.example.com"), io.Discard)
	f.SetHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { during = f.Address(r.Context()) }))
	if _, err := f.Invoke(t.Context(), httpEvent(t, e, nil, false)); err != nil {
		t.Fatal(err)
	}
	if during != "https://approvals.example.com" {
		t.Errorf("the event's address %q replaced the configured one", during)
	}
}

// setAWS sets the environment that Lambda sets. No call to AWS succeeds.
func setAWS(t *testing.T) {
	t.Helper()
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	t.Cleanup(down.Close)
	t.Setenv("AWS_ENDPOINT_URL", down.URL)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "ASIAMADE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "made")
}

// A secret pasted in place of a name, or at the wrong level, is not quoted.
func TestSecretProblemsQuoteNothing(t *testing.T) {
	for _, text := range []string{
		`{"xoxb-pasted": "", "slackToken": "", "signingSecrets": [], "mailKeys": []}`,
		`{"slackToken": {"xoxb-pasted": 1}, "signingSecrets": ["xoxb-pasted "], "mailKeys": "xoxb-pasted"}`,
		`{"slackToken": "xoxb-pasted x", "signingSecrets": {"xoxb-pasted": []}, "mailKeys": ["xoxb-pasted"], "slack_tokens": "xoxb-pasted"}`,
		`"xoxb-pasted"`, `xoxb-pasted`, `["xoxb-pasted"]`, `{"xoxb-pasted"`,
	} {
		_, err := function.ParseSecret(text)
		var problems function.SecretProblems
		if !errors.As(err, &problems) {
			t.Errorf("%s: %v, want SecretProblems", text, err)
			continue
		}
		if quoted := err.Error(); len(problems) == 0 || strings.Contains(quoted, "pasted") {
			t.Errorf("%s: the error quotes it: %v", text, err)
		}
	}
}
