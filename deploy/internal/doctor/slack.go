package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// workspace is Slack as the bot's token sees it.
type workspace struct {
	client *slack.Client
	self   *slack.AuthTestResponse
	scopes []string // granted to the token; nil if Slack did not say
}

const (
	nameToken  = "Slack token"
	nameScopes = "Slack scopes"
	nameApp    = "Slack app"

	reinstall = "\n  https://api.slack.com/apps > the app > OAuth & Permissions > Reinstall to Workspace"
)

var (
	errNeedsSecret = errors.New("the secret could not be read")
	errNoToken     = errors.New("there is no token")
	errNoSlack     = errors.New("the deployment does not use Slack")
)

// readWorkspace asks Slack whose the token is. The token goes to where the
// functions send it, over TLS.
func (d *doctor) readWorkspace(ctx context.Context) (workspace, error) {
	s, err := d.secret()
	switch {
	case err != nil:
		return workspace{}, errNeedsSecret
	case !d.usesSlack():
		return workspace{}, errNoSlack
	case s.SlackToken == "":
		return workspace{}, errNoToken
	}
	f, err := d.bot()
	if err != nil {
		return workspace{}, errNeedsSecret
	}
	api := f.env[envSlackAPI]
	if !guarded(api) {
		return workspace{}, errPlain
	}
	if api == "" {
		api = slack.APIURL
	}
	d.clocks.name(api, clockSlack)
	w := workspace{client: d.slackClient(s.SlackToken, api)}
	w.self, err = w.client.AuthTestContext(ctx)
	if err != nil {
		return workspace{}, err
	}
	w.scopes = split(w.self.Header.Get("X-Oauth-Scopes"))
	return w, nil
}

var errPlain = errors.New("the token would travel in the clear")

// guarded reports whether what is sent to an address is not for others to read;
// Slack's own, which an empty one stands for, is.
func guarded(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (address == "" || u.Scheme == "https" || u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback())
}

// slackCode is the code of Slack's refusal; empty if it did not refuse.
func slackCode(err error) string {
	var answer slack.SlackErrorResponse
	if errors.As(err, &answer) {
		return answer.Err
	}
	return ""
}

// unanswered is the finding of a check that Slack refused, or did not answer,
// for a reason that is not the check's own.
func unanswered(name string, err error) Finding {
	var answer slack.SlackErrorResponse
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	switch {
	case errors.As(err, &answer) && answer.Err == "missing_scope":
		return unchecked(name, "the token has no scope "+handle.OneLine(answer.Needed, 60)+", so Slack does not say",
			"Add the scope and reinstall; or look in Slack yourself."+reinstall)
	case errors.As(err, &answer):
		return unchecked(name, "Slack answered "+handle.OneLine(answer.Err, 60), "Look the word up at https://docs.slack.dev/reference/methods, and run the doctor again.")
	case errors.As(err, &limited):
		return unchecked(name, fmt.Sprintf("Slack asks to wait for %s", limited.RetryAfter), "Run the doctor again after that.")
	case errors.As(err, &status):
		return unchecked(name, fmt.Sprintf("Slack answered with HTTP status %d", status.Code), "Look at https://slack-status.com, and run the doctor again.")
	}
	return unchecked(name, "Slack could not be reached from this machine", "Look at https://slack-status.com and at the network between here and Slack, and run the doctor again.")
}

// needsSlack is the finding of a check that needs a good token, where there is
// none.
func (d *doctor) needsSlack(name string) (workspace, []Finding) {
	w, err := d.slack()
	switch {
	case errors.Is(err, errNoSlack):
		return w, []Finding{skipped(name, "no channel is set: Slack is not used")}
	case err != nil:
		return w, []Finding{needs(name, nameToken)}
	}
	return w, nil
}

func (d *doctor) checkToken(context.Context) []Finding {
	w, err := d.slack()
	s, _ := d.secret()
	dead := func(what string) []Finding {
		return []Finding{fault(nameToken, what, s.edit("Reinstall the app, and put its new Bot User OAuth Token into slackToken:"+reinstall+"\n"))}
	}
	switch {
	case err == nil:
		b, _ := d.bot()
		return []Finding{judgeTeam(w.self, b.env)}
	case errors.Is(err, errNoSlack):
		return []Finding{skipped(nameToken, "no channel is set: Slack is not used")}
	case errors.Is(err, errNeedsSecret), errors.Is(err, errNoToken):
		return []Finding{needs(nameToken, nameSecret)}
	case errors.Is(err, errPlain):
		return []Finding{fault(nameToken, envSlackAPI+" is no https address: the functions send the token in the clear, and the doctor does not", "Deploy again without it, unless this is a test:"+redeploy)}
	}
	switch code := slackCode(err); code {
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "not_allowed_token_type":
		return dead("Slack does not take it: " + code)
	}
	return []Finding{unanswered(nameToken, err)}
}

// judgeTeam holds the token's workspace against the one whose people may decide.
func judgeTeam(self *slack.AuthTestResponse, env map[string]string) Finding {
	team, enterprise := env[envTeam], env[envEnterprise]
	found := fmt.Sprintf("good, in the workspace %s (%s), as @%s", handle.OneLine(self.Team, 60), self.TeamID, handle.OneLine(self.User, 60))
	do := "If the token is right, correct the stack's parameter:" + redeploy + "\nIf the parameter is right, put the token of the app in that workspace into the secret."
	switch {
	case enterprise != "" && self.EnterpriseID != enterprise:
		return fault(nameToken, fmt.Sprintf("it is of the organization %q, and %s is %s: nobody there may decide", self.EnterpriseID, envEnterprise, enterprise), do)
	case enterprise == "" && team != "" && self.TeamID != team:
		return fault(nameToken, fmt.Sprintf("it is of the workspace %s, and %s is %s: nobody there may decide", self.TeamID, envTeam, team), do)
	case strings.HasPrefix(self.BotID, "B"):
		return ok(nameToken, "%s", found)
	}
	return fault(nameToken, "it is not a bot's", "Put the Bot User OAuth Token (xoxb-…) into the secret.")
}

func (d *doctor) checkScopes(context.Context) []Finding {
	w, no := d.needsSlack(nameScopes)
	if no != nil {
		return no
	}
	if w.scopes == nil {
		return []Finding{unchecked(nameScopes, "Slack did not say what the token may do", "Look at them:\n  https://api.slack.com/apps > the app > OAuth & Permissions > Scopes")}
	}
	wanted, err := d.manifestScopes()
	if err != nil {
		return []Finding{unchecked(nameScopes, err.Error(), "Look at deploy/slack.yaml.")}
	}
	return judgeScopes(w.scopes, wanted)
}

// judgeScopes compares what the token may do with what the manifest asks for.
func judgeScopes(granted, wanted []string) []Finding {
	without := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Sorted(slices.Values(list)), func(s string) bool { return slices.Contains(other, s) })
	}
	var findings []Finding
	if missing := without(wanted, granted); len(missing) > 0 {
		findings = append(findings, fault(nameScopes, "the token lacks "+strings.Join(missing, ", "),
			"Add them under Bot Token Scopes (or paste deploy/slack.yaml under App Manifest), and reinstall the app; its token stays the same."+reinstall))
	}
	if extra := without(granted, wanted); len(extra) > 0 {
		findings = append(findings, warning(nameScopes, "the token may do more than it needs: "+strings.Join(extra, ", "),
			"Take them out under Bot Token Scopes, and reinstall the app. Slack keeps old scopes on an old token: revoke it there, reinstall, and put the new one into the secret."+reinstall))
	}
	if len(findings) == 0 {
		findings = append(findings, ok(nameScopes, "just those of deploy/slack.yaml: %s", strings.Join(slices.Sorted(slices.Values(granted)), ", ")))
	}
	return findings
}

// checkApp finds out which app the bot is of: payloads of another are refused.
func (d *doctor) checkApp(ctx context.Context) []Finding {
	w, no := d.needsSlack(nameApp)
	if no != nil {
		return no
	}
	b, _ := d.bot()
	bot, err := w.client.GetBotInfoContext(ctx, slack.GetBotInfoParameters{Bot: w.self.BotID})
	if err != nil {
		return []Finding{unanswered(nameApp, err)}
	}
	return []Finding{judgeApp(bot.AppID, b.env[envApp])}
}

func judgeApp(is, wanted string) Finding {
	const page = "\n  https://api.slack.com/apps > the app > Basic Information > App ID"
	switch {
	case wanted == "":
		return ok(nameApp, "%s; %s is not set, so requests are told by their signature alone", is, envApp)
	case is != wanted:
		return fault(nameApp, fmt.Sprintf("the token is of the app %s, and %s is %s: every click is refused", is, envApp, wanted),
			"Correct the stack's parameter, or put the token and the signing secret of the right app into the secret:"+redeploy+page)
	}
	return ok(nameApp, "%s", is)
}
