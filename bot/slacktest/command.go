package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What a person sees when a slash command was not answered in time, or not well:
// docs.slack.dev/interactivity/implementing-slash-commands.
const (
	noticeTimeout  = "operation_timeout"
	noticeDispatch = "dispatch_failed"
)

// Command runs a slash command, such as /approvals, with the text after it. It
// cannot be run by people of other workspaces, nor if the app was not granted the
// scope commands. An answer with text or blocks is
// shown to the person, or to the channel if its response_type is in_channel.
func (w *Workspace) Command(userID, channelID, command, text string) (Interaction, error) {
	d, err := w.commanded(userID, channelID, command, text)
	if err != nil {
		return Interaction{}, fmt.Errorf("couldn't run %s: %w", command, err)
	}
	i := w.deliver(d)
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	i.Opened = w.opened(i.TriggerID)
	switch {
	case i.Took > ackTime || i.Err != nil:
		i.Notice = noticeTimeout
	case i.Status != http.StatusOK:
		i.Notice = noticeDispatch
	case !w.showAnswer(userID, channelID, &i, &call{Workspace: w, now: now}):
		i.Failed, i.Notice = true, noticeDispatch
	}
	return i, nil
}

func (w *Workspace) commanded(userID, channelID, command, text string) (delivery, error) {
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.actor(userID)
	if err != nil {
		return delivery{}, err
	}
	r, ok := w.rooms.byID[channelID]
	switch {
	case !ok:
		return delivery{}, fmt.Errorf("%w: %s", ErrNoChannel, channelID)
	case !r.has(u.ID):
		return delivery{}, ErrNotVisible
	case u.TeamID != w.config.TeamID || r.Archived || !slices.Contains(w.config.Scopes, "commands"):
		return delivery{}, ErrNotAllowed
	}
	trigger := w.newTrigger(u.ID, "", now)
	responseURL := w.addResponse(&response{channelID: r.ID, userID: u.ID, at: now})
	form := url.Values{
		"token": {verificationToken}, "team_id": {w.config.TeamID}, "team_domain": {w.config.Domain},
		"channel_id": {r.ID}, "channel_name": {payloadName(r)}, "user_id": {u.ID}, "user_name": {u.Name},
		"command": {command}, "text": {text}, "api_app_id": {w.config.AppID}, "is_enterprise_install": {"false"},
		"response_url": {responseURL}, "trigger_id": {trigger},
	}
	return delivery{url: w.config.CommandURL, i: Interaction{
		Payload: []byte(form.Encode()), TriggerID: trigger, ResponseURL: responseURL,
	}}, nil
}

// showAnswer shows the body of an answer: nothing, plain text, or a message as
// JSON. It reports whether Slack takes it.
func (w *Workspace) showAnswer(userID, channelID string, i *Interaction, c *call) bool {
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
	return c.respond(&response{channelID: channelID, userID: userID}, answer) == nil
}
