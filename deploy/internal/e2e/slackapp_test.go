package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// newSlackApp returns a workspace with people in it and the app that the manifest
// describes.
func newSlackApp(t *testing.T, manifest, origin string, client *http.Client, fault func(string, url.Values) *slacktest.Fault) *slacktest.Workspace {
	t.Helper()
	var app struct {
		Features struct {
			AppHome struct {
				MessagesTab bool `json:"messages_tab_enabled"`
				HomeTab     bool `json:"home_tab_enabled"`
			} `json:"app_home"`
			Commands []struct{ URL string } `json:"slash_commands"`
		}
		OAuth struct {
			Scopes struct{ Bot []string }
		} `json:"oauth_config"`
		Settings struct {
			Interactivity struct {
				Enabled    bool   `json:"is_enabled"`
				RequestURL string `json:"request_url"`
			}
			Events struct {
				RequestURL string `json:"request_url"`
			} `json:"event_subscriptions"`
		}
	}
	if err := json.Unmarshal([]byte(manifest), &app); err != nil || !app.Settings.Interactivity.Enabled || len(app.Features.Commands) != 1 {
		t.Fatalf("the stack's manifest has no interactivity or no command: %v, in %s", err, manifest)
	}
	w := slacktest.New(slacktest.Config{
		Now: time.Now, TeamID: sandbox.Team, TeamName: "Example", Domain: "example",
		AppID: sandbox.AppID, BotID: "B0COUNTERSIGN", BotUserID: sandbox.BotUser, BotName: "countersign", BotToken: botToken,
		Scopes: app.OAuth.Scopes.Bot, MessagesTab: app.Features.AppHome.MessagesTab, RequestURL: app.Settings.Interactivity.RequestURL,
		HomeTab: app.Features.AppHome.HomeTab, CommandURL: app.Features.Commands[0].URL, EventsURL: app.Settings.Events.RequestURL,
		Origin: origin, SigningSecret: signingSecret, Client: client, Fault: fault, RateLimits: slacktest.PublishedRateLimits(),
	})
	sandbox.Populate(w)
	return w
}

// fault makes Slack fail in brokenChannels.
func (d *deployment) fault(_ string, form url.Values) *slacktest.Fault {
	if _, broken := d.brokenChannels.Load(form.Get("channel")); broken {
		return &slacktest.Fault{Status: http.StatusServiceUnavailable}
	}
	return nil
}

// secretText returns the content of the deployment's secret.
func secretText(token string, signing []string, keys ...handle.MailKey) string {
	text := map[string]any{"slackToken": token, "signingSecrets": append([]string{}, signing...)}
	list := []string{}
	for _, key := range keys {
		list = append(list, string(key)) // a MailKey prints as a placeholder
	}
	text["mailKeys"] = list
	b, _ := json.Marshal(text) // cannot fail: strings only
	return string(b)
}
