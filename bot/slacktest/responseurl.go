package slacktest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// How often and how long a response_url can be used:
// https://docs.slack.dev/interactivity/handling-user-interaction
const (
	maxResponseURLUses  = 5
	responseURLLifetime = 30 * time.Minute
)

const responseURLPath = "/actions/"

// responseURL is the state of a response_url.
type responseURL struct {
	channelID string
	ts        string // the message of the interaction; empty for a slash command
	userID    string
	ephemeral bool
	at        time.Time
	used      int
}

// newMessageResponseURL creates a response_url for an interaction with a message.
func (w *Workspace) newMessageResponseURL(p *storedMessage, userID string, now time.Time) string {
	return w.addResponseURL(&responseURL{channelID: p.ChannelID, ts: p.TS, userID: userID, ephemeral: p.Ephemeral, at: now})
}

func (w *Workspace) addResponseURL(r *responseURL) string {
	id := w.config.TeamID + "/" + w.newID("R")
	w.responseURLs[id] = r
	return w.config.Origin + responseURLPath + id
}

// responseBody is the body of a request to a response_url.
type responseBody struct {
	Text            *string         `json:"text"`
	Blocks          json.RawMessage `json:"blocks"`
	ThreadTS        string          `json:"thread_ts"`
	ResponseType    string          `json:"response_type"`
	ReplaceOriginal bool            `json:"replace_original"`
	DeleteOriginal  bool            `json:"delete_original"`
}

// form returns the body as arguments of a call.
func (b responseBody) form() url.Values {
	form := make(url.Values)
	if b.Text != nil && *b.Text != "" {
		form.Set("text", *b.Text)
	}
	if raw := strings.TrimSpace(string(b.Blocks)); raw != "" && raw != "null" {
		form.Set("blocks", raw)
	}
	return form
}

// serveResponseURL answers a POST to a response_url, which needs no token.
func (w *Workspace) serveResponseURL(id string, r *http.Request) httpResponse {
	var body responseBody
	err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxRequestBytes)).Decode(&body)
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	to, found := w.responseURLs[id]
	switch {
	case w.down:
		return httpResponse{status: http.StatusServiceUnavailable, plainText: true}
	case !found:
		return responseURLError(http.StatusNotFound, "no_such_url")
	case now.Sub(to.at) > responseURLLifetime:
		return responseURLError(http.StatusNotFound, "expired_url")
	case to.used == maxResponseURLUses:
		return responseURLError(http.StatusNotFound, "used_url")
	case err != nil:
		return responseURLError(http.StatusBadRequest, "invalid_payload")
	}
	c := &call{Workspace: w, now: now, form: body.form(), entry: Call{Method: "response_url", At: now, Channel: to.channelID, User: to.userID}}
	apiErr := c.respond(to, body)
	if apiErr != nil {
		c.entry.Error = apiErr.code
	}
	w.calls.add(c.entry)
	if apiErr != nil {
		return responseURLError(http.StatusBadRequest, apiErr.code)
	}
	to.used++
	return okResponse(okEnvelope)
}

func responseURLError(status int, code string) httpResponse {
	return httpResponse{status: status, plainText: true, body: []byte(code)}
}

// respond carries out the request. A response_url works in channels that the bot is
// not in.
func (c *call) respond(to *responseURL, body responseBody) *apiError {
	r, found := c.channels.byID[to.channelID]
	if !found {
		return errCode("channel_not_found")
	}
	original := r.byTS[to.ts]
	if to.ephemeral {
		original = nil
		for _, p := range c.ephemeral[to.userID] {
			if p.TS == to.ts {
				original = p
			}
		}
	}
	if (body.DeleteOriginal || body.ReplaceOriginal) && original == nil {
		return errCode("message_not_found")
	}
	if body.DeleteOriginal {
		if to.ephemeral {
			c.removeEphemeral(to.userID, to.ts)
			return nil
		}
		r.remove(original)
		c.version++
		return nil
	}
	args, err := c.messageArgs(maxPostText)
	if err != nil {
		return err
	}
	if args.text == "" && args.blocks == nil {
		return errCode("no_text")
	}
	if body.ReplaceOriginal {
		original.change(args)
		c.version++
		return nil
	}
	if err := r.checkThread(body.ThreadTS); err != nil {
		return err
	}
	m := Message{TS: c.newTS(c.now), ThreadTS: body.ThreadTS, UserID: c.config.BotUserID, UnfurlLinks: true, UnfurlMedia: true}
	if body.ResponseType == "in_channel" {
		c.addMessage(r, m, args)
	} else {
		c.addEphemeral(r, to.userID, m, args)
	}
	return nil
}
