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
	scopes []string // granted to the token; nil if Slack did not report them
}

const (
	nameToken  = "Slack token"
	nameScopes = "Slack scopes"
	nameApp    = "Slack app"

	reinstall = "\n  https://api.slack.com/apps > the app > OAuth & Permissions > Reinstall to Workspace"
)

var (
	errNeedsSecret = errors.New("the secret could not be read")
	errNoToken     = errors.New("the secret has no token")
	errNoSlack     = errors.New("the deployment does not use Slack")
)

// readWorkspace calls auth.test at the address that the functions use, only over
// TLS.
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
	if !isPrivate(api) {
		return workspace{}, errUnencrypted
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

var errUnencrypted = errors.New("the token would be sent unencrypted")

// isPrivate reports whether an address is https or loopback. The empty address is
// Slack's own.
func isPrivate(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (address == "" || u.Scheme == "https" || u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback())
}

// SlackCode returns the error code of a Slack response, or "".
func SlackCode(err error) string {
	var answer slack.SlackErrorResponse
	if errors.As(err, &answer) {
		return answer.Err
	}
	return ""
}

// slackError is the finding of a check whose Slack call failed for a reason that the
// check does not handle.
func slackError(name string, err error) Finding {
	var answer slack.SlackErrorResponse
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	switch {
	case errors.As(err, &answer) && answer.Err == "missing_scope":
		return unchecked(name, "the token lacks the scope "+handle.OneLine(answer.Needed, 60)+" for this check",
			"Add the scope and reinstall the app; or check in Slack by hand."+reinstall)
	case errors.As(err, &answer):
		return unchecked(name, "Slack returned the error "+handle.OneLine(answer.Err, 60), "Look up this error at https://docs.slack.dev/reference/methods, then run the doctor again.")
	case errors.As(err, &limited):
		return unchecked(name, fmt.Sprintf("Slack limits the rate of calls for the next %s", limited.RetryAfter), "Wait for that time, then run the doctor again.")
	case errors.As(err, &status):
		return unchecked(name, fmt.Sprintf("Slack returned HTTP status %d", status.Code), "Check https://slack-status.com, then run the doctor again.")
	}
	return unchecked(name, "Slack could not be reached from this machine", "Check https://slack-status.com and this machine's network, then run the doctor again.")
}

// needsSlack returns the workspace, or the findings of a check that cannot be made
// without a valid token.
func (d *doctor) needsSlack(name string) (workspace, []Finding) {
	w, err := d.slack()
	switch {
	case errors.Is(err, errNoSlack):
		return w, []Finding{skipped(name, "not used: no channel is configured")}
	case err != nil:
		return w, []Finding{needs(name, nameToken)}
	}
	return w, nil
}

func (d *doctor) checkToken(context.Context) []Finding {
	w, err := d.slack()
	s, _ := d.secret()
	invalid := func(what string) []Finding {
		return []Finding{fault(nameToken, what, s.editAdvice("Reinstall the app and put its new Bot User OAuth Token into slackToken:"+reinstall+"\n"))}
	}
	switch {
	case err == nil:
		b, _ := d.bot()
		return []Finding{judgeTeam(w.self, b.env)}
	case errors.Is(err, errNoSlack):
		return []Finding{skipped(nameToken, "not used: no channel is configured")}
	case errors.Is(err, errNeedsSecret), errors.Is(err, errNoToken):
		return []Finding{needs(nameToken, nameSecret)}
	case errors.Is(err, errUnencrypted):
		return []Finding{fault(nameToken, envSlackAPI+" is not an https URL: the functions send the token unencrypted, so the doctor did not test it", "Set the stack parameter SlackApi to an https URL:"+redeploy)}
	}
	switch code := SlackCode(err); code {
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "not_allowed_token_type":
		return invalid("Slack rejects it: " + code)
	}
	return []Finding{slackError(nameToken, err)}
}

// judgeTeam compares the token's workspace with the one whose members may decide.
func judgeTeam(self *slack.AuthTestResponse, env map[string]string) Finding {
	team, enterprise := env[envTeam], env[envEnterprise]
	found := fmt.Sprintf("valid: @%[3]s in the workspace %[1]s (%[2]s)", handle.OneLine(self.Team, 60), self.TeamID, handle.OneLine(self.User, 60))
	do := "If the token is right, correct the stack parameter SlackTeam or SlackEnterprise:" + redeploy + "\nIf the parameter is right, put the token of the app in that workspace into the secret."
	switch {
	case enterprise != "" && self.EnterpriseID != enterprise:
		return fault(nameToken, fmt.Sprintf("it belongs to the organization %q, but %s is %s: no member can decide", self.EnterpriseID, envEnterprise, enterprise), do)
	case enterprise == "" && team != "" && self.TeamID != team:
		return fault(nameToken, fmt.Sprintf("it belongs to the workspace %s, but %s is %s: no member can decide", self.TeamID, envTeam, team), do)
	case !strings.HasPrefix(self.BotID, "B"):
		return fault(nameToken, "it is not a bot token", "Put the Bot User OAuth Token (xoxb-…) into the secret.")
	case enterprise == "" && self.EnterpriseID != "":
		return inGrid(nameToken, self.EnterpriseID)
	}
	return ok(nameToken, "%s", found)
}

// inGrid warns that the workspace belongs to an Enterprise Grid organization, which the
// deployment does not know.
func inGrid(name, enterprise string) Finding {
	enterprise = handle.OneLine(enterprise, 40)
	return warning(name, fmt.Sprintf("the workspace belongs to the Enterprise Grid organization %s, but %s is not set: members of its other workspaces cannot decide", enterprise, envEnterprise),
		"Set the stack parameter SlackEnterprise to "+enterprise+". Members of all its workspaces may then decide, if they are approvers:"+redeploy)
}

func (d *doctor) checkScopes(context.Context) []Finding {
	w, no := d.needsSlack(nameScopes)
	if no != nil {
		return no
	}
	if w.scopes == nil {
		return []Finding{unchecked(nameScopes, "Slack did not report the token's scopes", "Compare them with deploy/slack.yaml:\n  https://api.slack.com/apps > the app > OAuth & Permissions > Scopes")}
	}
	requested, err := d.manifestScopes()
	if err != nil {
		return []Finding{unchecked(nameScopes, err.Error(), "Compare the app's scopes with deploy/slack.yaml by hand:\n  https://api.slack.com/apps > the app > OAuth & Permissions > Scopes")}
	}
	return judgeScopes(w.scopes, requested)
}

// judgeScopes compares the token's scopes with the manifest's.
func judgeScopes(granted, requested []string) []Finding {
	without := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Sorted(slices.Values(list)), func(s string) bool { return slices.Contains(other, s) })
	}
	var findings []Finding
	if missing := without(requested, granted); len(missing) > 0 {
		findings = append(findings, fault(nameScopes, "the token lacks "+strings.Join(missing, ", "),
			"Add them under Bot Token Scopes (or paste deploy/slack.yaml under App Manifest) and reinstall the app. Its token stays the same."+reinstall))
	}
	if extra := without(granted, requested); len(extra) > 0 {
		findings = append(findings, warning(nameScopes, "the token has scopes that it does not need: "+strings.Join(extra, ", "),
			"Remove them under Bot Token Scopes. A token keeps its scopes: revoke it, reinstall the app, and put the new token into the secret."+reinstall))
	}
	if len(findings) == 0 {
		findings = append(findings, ok(nameScopes, "exactly those of deploy/slack.yaml: %s", strings.Join(slices.Sorted(slices.Values(granted)), ", ")))
	}
	return findings
}

// checkApp compares the token's app with the one whose clicks the bot accepts.
func (d *doctor) checkApp(ctx context.Context) []Finding {
	w, no := d.needsSlack(nameApp)
	if no != nil {
		return no
	}
	b, _ := d.bot()
	bot, err := w.client.GetBotInfoContext(ctx, slack.GetBotInfoParameters{Bot: w.self.BotID})
	if err != nil {
		return []Finding{slackError(nameApp, err)}
	}
	return []Finding{judgeApp(bot.AppID, b.env[envApp])}
}

func judgeApp(appID, want string) Finding {
	const page = "\n  https://api.slack.com/apps > the app > Basic Information > App ID"
	switch {
	case want == "":
		return ok(nameApp, "%s; %s is not set, so the signing secret alone identifies the app", appID, envApp)
	case appID != want:
		return fault(nameApp, fmt.Sprintf("the token belongs to the app %s, but %s is %s: every click is refused", appID, envApp, want),
			"Correct the stack parameter SlackApp, or put the token and signing secret of the right app into the secret:"+redeploy+page)
	}
	return ok(nameApp, "%s", appID)
}
