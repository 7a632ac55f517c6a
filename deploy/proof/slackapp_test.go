package proof_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"countersign/deploy/local/slack"
	"countersign/deploy/local/world"
	"countersign/handle"
)

// newSlackApp makes a workspace, with people in it, into which an app was
// installed that was made from the manifest.
func newSlackApp(t *testing.T, manifest, origin string, client *http.Client, fault func(string, url.Values) *slack.Fault) *slack.Workspace {
	t.Helper()
	var app struct {
		Features struct {
			AppHome struct {
				MessagesTab bool `json:"messages_tab_enabled"`
			} `json:"app_home"`
		}
		OAuth struct {
			Scopes struct{ Bot []string }
		} `json:"oauth_config"`
		Settings struct {
			Interactivity struct {
				Enabled    bool   `json:"is_enabled"`
				RequestURL string `json:"request_url"`
			}
		}
	}
	if err := json.Unmarshal([]byte(manifest), &app); err != nil || !app.Settings.Interactivity.Enabled {
		t.Fatalf("the stack's manifest makes no app with buttons: %v, in %s", err, manifest)
	}
	w := slack.New(slack.Config{
		Now: time.Now, TeamID: world.Team, TeamName: "Example", Domain: "example",
		AppID: world.AppID, BotID: "B0COUNTERSIGN", BotUserID: world.BotUser, BotName: "countersign", BotToken: botToken,
		Scopes: app.OAuth.Scopes.Bot, MessagesTab: app.Features.AppHome.MessagesTab, RequestURL: app.Settings.Interactivity.RequestURL,
		Origin: origin, SigningSecret: signingSecret, Client: client, Fault: fault, Limits: slack.PublishedLimits(),
	})
	world.Populate(w)
	return w
}

// fault lets Slack fail in the channels that are broken.
func (d *deployment) fault(_ string, form url.Values) *slack.Fault {
	if _, broken := d.broken.Load(form.Get("channel")); broken {
		return &slack.Fault{Status: http.StatusServiceUnavailable}
	}
	return nil
}

// secretText is what the deployment's secret holds.
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
