package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Events: https://docs.slack.dev/apis/events-api

// appHomeOpened is the event of a person who opens the app's Home tab. See
// https://docs.slack.dev/reference/events/app_home_opened
type appHomeOpened struct {
	Type    string    `json:"type"`
	User    string    `json:"user"`
	Channel string    `json:"channel"` // the person's DM with the app
	Tab     string    `json:"tab"`
	View    *wireView `json:"view,omitempty"` // what is published
	EventTS string    `json:"event_ts"`
}

type authorization struct {
	EnterpriseID        *string `json:"enterprise_id"`
	TeamID              string  `json:"team_id"`
	UserID              string  `json:"user_id"`
	IsBot               bool    `json:"is_bot"`
	IsEnterpriseInstall bool    `json:"is_enterprise_install"`
}

type eventCallback struct {
	Token          string          `json:"token"`
	TeamID         string          `json:"team_id"`
	APIAppID       string          `json:"api_app_id"`
	Event          any             `json:"event"`
	Type           string          `json:"type"`
	EventID        string          `json:"event_id"`
	EventTime      int64           `json:"event_time"` // seconds since 1970
	Authorizations []authorization `json:"authorizations"`
	IsExtShared    bool            `json:"is_ext_shared_channel"`
}

// OpenHome opens the app's Home tab as the user, which sends the app the event
// app_home_opened. The app must have a Home tab.
func (w *Workspace) OpenHome(userID string) (Interaction, error) {
	d, err := w.buildHomeOpened(userID)
	if err != nil {
		return Interaction{}, fmt.Errorf("couldn't open the Home tab: %w", err)
	}
	return w.deliver(d), nil
}

func (w *Workspace) buildHomeOpened(userID string) (delivery, error) {
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.actor(userID)
	switch {
	case err != nil:
		return delivery{}, err
	case !w.config.HomeTab || w.isStranger(u):
		return delivery{}, ErrNotAllowed
	}
	c := &w.config
	opened := appHomeOpened{Type: "app_home_opened", User: userID, Channel: w.dm(u.ID).ID, Tab: "home", EventTS: w.newTS(now)}
	if v, ok := w.homes[u.ID]; ok {
		view := w.wireView(v, nil)
		opened.View = &view
	}
	by := authorization{TeamID: c.TeamID, UserID: c.BotUserID, IsBot: true, IsEnterpriseInstall: c.OrgInstall}
	if c.EnterpriseID != "" {
		by.EnterpriseID = &c.EnterpriseID
	}
	return delivery{url: c.EventsURL, event: true, i: Interaction{Payload: encode(eventCallback{
		Token: verificationToken, TeamID: c.TeamID, APIAppID: c.AppID, Event: opened, Type: "event_callback",
		EventID: w.newID("Ev"), EventTime: now.Unix(), Authorizations: []authorization{by},
	})}}, nil
}

// RetryEvent sends an event again, as Slack does up to three times if the app has not
// answered it with 2xx within 3 s. attempt counts from 1.
func (w *Workspace) RetryEvent(i Interaction, attempt int) Interaction {
	again := Interaction{Payload: i.Payload}
	if w.config.SocketMode {
		again.envelope = i.envelope
		again.envelope.RetryAttempt, again.envelope.RetryReason = attempt, "timeout"
		w.deliverBySocket(&again)
		return again
	}
	return w.post3s(delivery{url: i.url, event: true, i: again}, http.Header{
		"X-Slack-Retry-Num": {strconv.Itoa(attempt)}, "X-Slack-Retry-Reason": {"http_timeout"},
	})
}

// URLVerification sends the request with which Slack verifies an event URL when it is
// set in the app's configuration, and reports whether the app answered the challenge.
func (w *Workspace) URLVerification() (Interaction, bool) {
	const challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
	i := w.post3s(delivery{url: w.config.EventsURL, event: true, i: Interaction{Payload: encode(map[string]string{
		"token": verificationToken, "challenge": challenge, "type": "url_verification",
	})}}, nil)
	var answer struct{ Challenge string }
	_ = json.Unmarshal([]byte(i.Body), &answer) // plain text otherwise
	return i, !i.Failed && (answer.Challenge == challenge || i.Body == challenge)
}
