package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// What a user sees when the app answers a slash command late or wrongly:
// https://docs.slack.dev/interactivity/implementing-slash-commands
const (
	commandTimeoutNotice = "operation_timeout"
	commandFailedNotice  = "dispatch_failed"
)

// Command runs a slash command such as /approvals with the text after it. Users of
// other workspaces cannot run it, and the app needs the scope commands. An answer
// with text or blocks is shown to the user, or to the channel if its response_type
// is in_channel.
func (w *Workspace) Command(userID, channelID, command, text string) (Interaction, error) {
	d, err := w.buildCommand(userID, channelID, command, text)
	if err != nil {
		return Interaction{}, fmt.Errorf("couldn't run %s: %w", command, err)
	}
	i := w.deliver(d)
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	i.Opened = w.openedView(i.TriggerID)
	switch {
	case i.Took > ackTimeout || i.Err != nil:
		i.Notice = commandTimeoutNotice
	case i.Status != http.StatusOK:
		i.Notice = commandFailedNotice
	case !w.showCommandResponse(userID, channelID, &i, &call{Workspace: w, now: now}):
		i.Failed, i.Notice = true, commandFailedNotice
	}
	return i, nil
}

func (w *Workspace) buildCommand(userID, channelID, command, text string) (delivery, error) {
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.actor(userID)
	if err != nil {
		return delivery{}, err
	}
	r, ok := w.channels.byID[channelID]
	switch {
	case !ok:
		return delivery{}, fmt.Errorf("%w: %s", ErrNoChannel, channelID)
	case !r.hasMember(u.ID):
		return delivery{}, ErrNotVisible
	case !w.isMember(u) || r.Archived || !slices.Contains(w.config.Scopes, "commands"):
		return delivery{}, ErrNotAllowed
	}
	trigger := w.newTrigger(u.ID, "", now)
	responseURL := w.addResponseURL(&responseURL{channelID: r.ID, userID: u.ID, at: now})
	form := url.Values{
		"token": {verificationToken}, "team_id": {w.config.TeamID}, "team_domain": {w.config.Domain},
		"channel_id": {r.ID}, "channel_name": {payloadName(r)}, "user_id": {userID}, "user_name": {u.Name},
		"command": {command}, "text": {text}, "api_app_id": {w.config.AppID}, "is_enterprise_install": {strconv.FormatBool(w.config.OrgInstall)},
		"response_url": {responseURL}, "trigger_id": {trigger},
	}
	if w.config.EnterpriseID != "" {
		form.Set("enterprise_id", w.config.EnterpriseID)
		form.Set("enterprise_name", w.config.EnterpriseName)
	}
	return delivery{url: w.config.CommandURL, i: Interaction{
		Payload: []byte(form.Encode()), TriggerID: trigger, ResponseURL: responseURL,
	}}, nil
}

// showCommandResponse shows the body of the app's answer: nothing, plain text, or a
// message as JSON. It reports whether Slack accepts the body.
func (w *Workspace) showCommandResponse(userID, channelID string, i *Interaction, c *call) bool {
	body := strings.TrimSpace(i.Body)
	if body == "" {
		return true
	}
	answer := responseBody{Text: &body}
	if strings.HasPrefix(body, "{") {
		answer = responseBody{}
		if json.Unmarshal([]byte(body), &answer) != nil {
			return false
		}
	}
	c.form = answer.form()
	return c.respond(&responseURL{channelID: channelID, userID: userID}, answer) == nil
}
