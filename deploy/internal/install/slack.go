package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"countersign/deploy"
	"countersign/deploy/internal/awsconfig"
	"countersign/deploy/internal/doctor"
	"countersign/handle"
)

const tokenPlace = "the app > OAuth & Permissions > Bot User OAuth Token"

var signingSecret = regexp.MustCompile(`^[0-9a-f]{32}$`)

// connectSlack waits for the app's token and signing secret, unless the secret has them,
// and stores them. Everything about Slack is checked with the token, and asked again if
// it is wrong.
func (i *installer) connectSlack(ctx context.Context) error {
	if i.value("Channel") == "" {
		fmt.Fprintln(i.prompt, "No channel is set, so requests go by mail only, and there is no Slack app to create.")
		return nil
	}
	s, err := i.readSecret(ctx)
	if err != nil {
		return err
	}
	had := s.SlackToken != "" && len(s.SigningSecrets) > 0
	if !had || i.token != "" && i.token != s.SlackToken || i.signing != "" && !slices.Contains(s.SigningSecrets, i.signing) {
		if s, err = i.askCredentials(ctx, s); err != nil {
			return err
		}
		if err := i.storeSecret(ctx, s); err != nil {
			return err
		}
		fmt.Fprintln(i.prompt, "The token and the signing secret are stored. Slack can verify the address for events only now:\nconfirm the request URL under the app > Event Subscriptions, or its Home tab stays empty.")
	}
	i.token = s.SlackToken
	return i.confirmSlack(ctx)
}

// askCredentials returns the secret with the token and the signing secret that were
// given, or that are asked for.
func (i *installer) askCredentials(ctx context.Context, s credentials) (credentials, error) {
	if i.token == "" || i.signing == "" {
		if i.silent {
			return s, fmt.Errorf("the stack is deployed. Create the Slack app with this link, set SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET, and run the command again:\n%s", deploy.SlackAppLink(i.stack.outputs["SlackManifest"]))
		}
		fmt.Fprintf(i.prompt, "\nCreate the Slack app with this link, then install it to the workspace there:\n\n%s\n\n", deploy.SlackAppLink(i.stack.outputs["SlackManifest"]))
	}
	check := func(token string) error { _, err := i.checkToken(ctx, token); return err }
	if i.token != "" {
		if err := check(i.token); err != nil {
			return s, err
		}
	} else {
		token, err := i.askHidden(ctx, "Bot token, xoxb-… ("+tokenPlace+")", check)
		if err != nil {
			return s, err
		}
		i.token = token
	}
	isSecret := func(secret string) error {
		if !signingSecret.MatchString(secret) {
			return errors.New("a signing secret has 32 hexadecimal digits: the app > Basic Information > Signing Secret, not the Client Secret")
		}
		return nil
	}
	if i.signing == "" {
		signing, err := i.askHidden(ctx, "Signing secret (the app > Basic Information > Signing Secret)", isSecret)
		if err != nil {
			return s, err
		}
		i.signing = signing
	} else if err := isSecret(i.signing); err != nil {
		return s, err
	}
	s.SlackToken, s.SigningSecrets = i.token, []string{i.signing}
	return s, nil
}

// confirmSlack checks channel and approvers with Slack. Wrong ones are asked for again,
// and the stack is updated.
func (i *installer) confirmSlack(ctx context.Context) error {
	if _, err := i.checkToken(ctx, i.token); err != nil {
		fmt.Fprintf(i.prompt, "The token in the secret: %v\n", err)
		return nil // the doctor says the same, and what else is wrong
	}
	changed := false
	for _, q := range questions {
		name := q.parameter("")
		if name == "SlackTeam" {
			continue // checked with the token
		}
		err := i.checkWithSlack(ctx, name)
		if err == nil {
			continue
		}
		fmt.Fprintf(i.prompt, "  %v\n", err)
		if i.silent {
			continue // the doctor reports it, too
		}
		before := i.value(name)
		if err := i.answer(ctx, question{text: q.text, flag: q.flag, fallback: before, parameter: q.parameter}); err != nil {
			return err
		}
		changed = changed || i.value(name) != before
	}
	if !changed {
		return nil
	}
	return i.deploy(ctx)
}

func (i *installer) slack(token string) *slack.Client {
	options := []slack.Option{slack.OptionHTTPClient(&http.Client{Timeout: awsconfig.CallTimeout, CheckRedirect: awsconfig.NoRedirect})}
	if api := i.value("SlackApi"); api != "" {
		options = append(options, slack.OptionAPIURL(api))
	}
	return slack.New(token, options...)
}

// workspaceOfToken takes the workspace from the token in the environment, unless one is
// given.
func (i *installer) workspaceOfToken(ctx context.Context) error {
	self, err := i.checkToken(ctx, i.token)
	if err != nil {
		return err
	}
	if i.value("SlackTeam")+i.value("SlackEnterprise") == "" {
		i.values["SlackTeam"] = self.TeamID
		fmt.Fprintf(i.prompt, "The token's workspace is %s (%s).\n", handle.OneLine(self.Team, 60), self.TeamID)
	}
	return nil
}

// checkToken asks Slack whether the token is one of the app, in the workspace whose
// members may decide.
func (i *installer) checkToken(ctx context.Context, token string) (*slack.AuthTestResponse, error) {
	if !strings.HasPrefix(token, "xoxb-") {
		return nil, errors.New("a bot token begins with xoxb-: " + tokenPlace)
	}
	self, err := i.slack(token).AuthTestContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("the token is refused by Slack (%s): copy it again from %s", slackReason(err), tokenPlace)
	}
	team, enterprise := i.value("SlackTeam"), i.value("SlackEnterprise")
	switch {
	case enterprise != "" && self.EnterpriseID != enterprise:
		return nil, fmt.Errorf("the token belongs to the organization %q, but members of %s decide: install the app there, or give --workspace", self.EnterpriseID, enterprise)
	case enterprise == "" && team != "" && self.TeamID != team:
		return nil, fmt.Errorf("the token belongs to the workspace %s (%s), but members of %s decide: install the app there, or give --workspace %s", handle.OneLine(self.Team, 60), self.TeamID, team, self.TeamID)
	}
	lacks, err := doctor.MissingScopes(string(deploy.SlackManifest), self)
	if err != nil {
		return nil, err
	}
	if len(lacks) > 0 {
		return nil, fmt.Errorf("the token lacks the scopes %s: add them under Bot Token Scopes and reinstall the app", strings.Join(lacks, ", "))
	}
	return self, nil
}

// checkWithSlack checks a parameter with Slack, if there is a token.
func (i *installer) checkWithSlack(ctx context.Context, name string) error {
	if i.token == "" {
		return nil
	}
	api := i.slack(i.token)
	switch name {
	case "Channel":
		_, err := doctor.JoinedChannel(ctx, api, i.value(name))
		return err
	case "Approvers":
		return checkApprovers(ctx, api, strings.Split(i.value(name), ","))
	}
	return nil
}

func checkApprovers(ctx context.Context, api *slack.Client, ids []string) error {
	for _, id := range ids {
		if handle.IsUserGroup(id) {
			members, err := api.GetUserGroupMembersContext(ctx, id)
			if err != nil {
				return fmt.Errorf("user group %s: %s", id, slackReason(err))
			}
			if len(members) == 0 {
				return fmt.Errorf("the user group %s has no members", id)
			}
			continue
		}
		u, err := api.GetUserInfoContext(ctx, id)
		switch {
		case err != nil:
			return fmt.Errorf("user %s: %s", id, slackReason(err))
		case u.Deleted:
			return fmt.Errorf("user %s is deactivated", id)
		case u.IsBot:
			return fmt.Errorf("user %s is a bot", id)
		}
	}
	return nil
}

// slackReason returns Slack's error code, or why there was no answer.
func slackReason(err error) string {
	if err == nil {
		return ""
	}
	return cmp.Or(doctor.SlackCode(err), handle.OneLine(awsconfig.Reason(err), 200))
}
