package local

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"
	"go.yaml.in/yaml/v4"

	"countersign/deploy"
	"countersign/deploy/internal/doctor"
	"countersign/deploy/internal/sandbox"
	"countersign/deploy/internal/socketmode"
	"countersign/handle"
)

// SlackFlags connect the local run with a real Slack workspace. The tokens come from
// the environment only, because other users of a machine can read command lines.
type SlackFlags struct {
	Slack     bool     `help:"Use a real Slack workspace (SLACK_BOT_TOKEN, SLACK_APP_TOKEN)."`
	Channel   string   `help:"With --slack: channel for the requests, by name or ID." default:"#approvals" placeholder:"CHANNEL"`
	Requester string   `help:"With --slack: your e-mail address there." placeholder:"EMAIL"`
	Approver  []string `help:"With --slack: who may approve: e-mail addresses, or IDs of users and groups. Default: you." placeholder:"WHO"`

	BotToken string `hidden:"" env:"SLACK_BOT_TOKEN"`
	AppToken string `hidden:"" env:"SLACK_APP_TOKEN"`
	SlackURL string `hidden:"" env:"COUNTERSIGN_SLACK_URL" default:"https://slack.com"`
}

// workspace is a checked workspace.
type workspace struct {
	sandbox.Workspace
	name      string // of the workspace
	url       string // of the channel in it
	requester slack.User
	client    *socketmode.Client
}

// connectTimeout bounds the checks before the start.
const connectTimeout = 30 * time.Second

// check asks Slack about everything that the run needs, and reports all that is
// missing at once.
func (f SlackFlags) check(ctx context.Context, log *slog.Logger) (*workspace, error) {
	if missing := f.missing(); len(missing) > 0 {
		return nil, errors.New(f.steps(missing))
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	client := &http.Client{Timeout: 10 * time.Second}
	w := &workspace{Workspace: sandbox.Workspace{Origin: f.SlackURL, Token: f.BotToken, SigningSecret: rand.Text()}}
	w.client = &socketmode.Client{API: f.SlackURL + "/api/", AppToken: f.AppToken, HTTP: client, SigningSecret: w.SigningSecret, Log: log}
	api := slack.New(f.BotToken, slack.OptionAPIURL(f.SlackURL+"/api/"), slack.OptionHTTPClient(client))
	var problems []string
	problem := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	problem(f.checkAppToken(ctx, w))
	botErr := f.checkBotToken(ctx, api, w)
	problem(botErr)
	if botErr == nil {
		problem(f.checkSameApp(w))
		problem(f.findChannel(ctx, api, w))
		problem(f.findPeople(ctx, api, w))
	}
	if len(problems) > 0 {
		return nil, errors.New("Slack is not ready:\n  - " + strings.Join(problems, "\n  - "))
	}
	return w, nil
}

// missing lists the tokens and flags that the user must give.
func (f SlackFlags) missing() []string {
	var list []string
	for _, v := range []struct{ value, prefix, name string }{
		{f.BotToken, "xoxb-", "SLACK_BOT_TOKEN"}, {f.AppToken, "xapp-", "SLACK_APP_TOKEN"},
	} {
		switch {
		case v.value == "":
			list = append(list, v.name+" is not set")
		case !strings.HasPrefix(v.value, v.prefix):
			list = append(list, v.name+" must begin with "+v.prefix)
		}
	}
	if f.Requester == "" {
		list = append(list, "--requester is missing: your e-mail address in Slack")
	}
	return list
}

// steps says how to get what is missing.
func (f SlackFlags) steps(missing []string) string {
	return strings.Join(missing, "; ") + `

1. Create the app from its manifest:
   ` + manifestLink() + `
2. Install it: the app > OAuth & Permissions > Install to Workspace. Then
   export SLACK_BOT_TOKEN=xoxb-…
3. Let it connect: the app > Basic Information > App-Level Tokens > Generate, with the scope connections:write. Then
   export SLACK_APP_TOKEN=xapp-…
4. In Slack, create the channel ` + f.Channel + ` and type there: /invite @Countersign
5. Start again: countersign local --slack --requester you@example.com`
}

// manifestLink is the URL of Slack's form for a new app, filled with the manifest of
// deploy/slack.yaml, changed for Socket Mode.
func manifestLink() string { return deploy.SlackAppLink(string(socketManifest())) }

func socketManifest() []byte {
	var m map[string]any
	if err := yaml.Unmarshal(deploy.SlackManifest, &m); err != nil {
		panic("deploy/slack.yaml: " + err.Error()) // embedded, and tested
	}
	dropURLs(m)
	if settings, ok := m["settings"].(map[string]any); ok {
		settings["socket_mode_enabled"] = true
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic("deploy/slack.yaml: " + err.Error())
	}
	return b
}

// dropURLs removes the addresses to which Slack would send requests.
func dropURLs(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "request_url")
		delete(v, "url")
		for _, child := range v {
			dropURLs(child)
		}
	case []any:
		for _, child := range v {
			dropURLs(child)
		}
	}
}

// checkAppToken asks for a connection.
func (f SlackFlags) checkAppToken(ctx context.Context, w *workspace) error {
	err := w.client.Check(ctx)
	switch doctor.SlackCode(err) {
	case "missing_scope":
		return errors.New("SLACK_APP_TOKEN lacks the scope connections:write: the app > Basic Information > App-Level Tokens > Generate, with that scope")
	case "":
		if err == nil {
			return nil
		}
		return fmt.Errorf("couldn't reach Slack with SLACK_APP_TOKEN: %w", err)
	}
	return fmt.Errorf("SLACK_APP_TOKEN: Slack answers %w: the app > Basic Information > App-Level Tokens", err)
}

// checkSameApp compares the app that the app-level token names (xapp-1-A0…-…) with the
// bot token's: clicks reach only the app that posts. A token without that form is not
// compared.
func (f SlackFlags) checkSameApp(w *workspace) error {
	parts := strings.Split(f.AppToken, "-")
	if len(parts) < 5 || !strings.HasPrefix(parts[2], "A") || w.AppID == "" || parts[2] == w.AppID {
		return nil
	}
	return fmt.Errorf("SLACK_APP_TOKEN is of the app %s, and SLACK_BOT_TOKEN of the app %s: take both from the same app", parts[2], w.AppID)
}

// checkBotToken compares the token's scopes with the manifest's, and learns the
// workspace and the app.
func (f SlackFlags) checkBotToken(ctx context.Context, api *slack.Client, w *workspace) error {
	const place = "the app > OAuth & Permissions"
	self, err := api.AuthTestContext(ctx)
	if err != nil && doctor.SlackCode(err) == "" {
		return fmt.Errorf("couldn't reach Slack with SLACK_BOT_TOKEN: %w", err)
	}
	if err != nil {
		return fmt.Errorf("SLACK_BOT_TOKEN: Slack answers %w: %s > Bot User OAuth Token", err, place)
	}
	w.TeamID, w.EnterpriseID, w.name, w.url = self.TeamID, self.EnterpriseID, self.Team, strings.TrimSuffix(self.URL, "/")
	lacks, err := doctor.MissingScopes(string(deploy.SlackManifest), self)
	if err != nil {
		return err
	}
	if len(lacks) > 0 {
		return fmt.Errorf("SLACK_BOT_TOKEN lacks the scopes %s: %s > Bot Token Scopes, then Reinstall to Workspace", strings.Join(lacks, ", "), place)
	}
	bot, err := api.GetBotInfoContext(ctx, slack.GetBotInfoParameters{Bot: self.BotID})
	if err != nil {
		return fmt.Errorf("couldn't ask Slack about the app: %w", err)
	}
	w.AppID = bot.AppID
	return nil
}

// findChannel finds the channel, in which the bot must be.
func (f SlackFlags) findChannel(ctx context.Context, api *slack.Client, w *workspace) error {
	id, err := doctor.JoinedChannel(ctx, api, f.Channel)
	if err != nil {
		return fmt.Errorf("--channel: %w", err)
	}
	w.Channel = id
	w.url += "/archives/" + id
	return nil
}

// findPeople finds the requester and the approvers. Without approvers the requester
// may approve, because a person who tries this alone has no one else to.
func (f SlackFlags) findPeople(ctx context.Context, api *slack.Client, w *workspace) error {
	u, err := findUser(ctx, api, f.Requester)
	if err != nil {
		return fmt.Errorf("--requester: %w", err)
	}
	w.requester = *u
	w.requester.Profile.Email = f.Requester
	for _, who := range f.Approver {
		if handle.IsUser(who) || handle.IsUserGroup(who) {
			w.Approvers = append(w.Approvers, who)
			continue
		}
		u, err := findUser(ctx, api, who)
		if err != nil {
			return fmt.Errorf("--approver: %w", err)
		}
		w.Approvers = append(w.Approvers, u.ID)
	}
	if len(w.Approvers) == 0 {
		w.Approvers, w.SelfApproval = []string{w.requester.ID}, true
	}
	return nil
}

func findUser(ctx context.Context, api *slack.Client, email string) (*slack.User, error) {
	if !strings.Contains(email, "@") {
		return nil, fmt.Errorf("%q is not an e-mail address", email)
	}
	u, err := api.GetUserByEmailContext(ctx, email)
	if doctor.SlackCode(err) == "users_not_found" {
		return nil, fmt.Errorf("no one in the workspace has the e-mail address %s", email)
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't look up %s: %w", email, err)
	}
	return u, nil
}

// announce prints the channel and who may approve.
func (w *workspace) announce(out io.Writer) {
	fmt.Fprintf(out, "Requests are posted to %s in the workspace %s.\n", w.url, w.name)
	if w.SelfApproval {
		fmt.Fprintf(out, "%s may approve their own launches, because no --approver is given.\n", cmp.Or(w.requester.RealName, w.requester.Name))
	}
}
