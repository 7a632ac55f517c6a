package slacktest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A response URL can be used so often and so long:
// docs.slack.dev/interactivity/handling-user-interaction.
const (
	maxResponses = 5
	responseLife = 30 * time.Minute
)

const responsePath = "/actions/"

// response stands behind a response_url.
type response struct {
	channelID string
	ts        string // the message that was acted on; empty for a slash command
	userID    string
	ephemeral bool
	at        time.Time
	used      int
}

// newResponse makes a response_url for something done with a message.
func (w *Workspace) newResponse(p *post, userID string, now time.Time) string {
	return w.addResponse(&response{channelID: p.ChannelID, ts: p.TS, userID: userID, ephemeral: p.Ephemeral, at: now})
}

func (w *Workspace) addResponse(r *response) string {
	id := w.config.TeamID + "/" + w.newID("R")
	w.responses[id] = r
	return w.config.Origin + responsePath + id
}

// responseBody is what an app may send to a response_url.
type responseBody struct {
	Text            *string         `json:"text"`
	Blocks          json.RawMessage `json:"blocks"`
	ThreadTS        string          `json:"thread_ts"`
	ResponseType    string          `json:"response_type"`
	ReplaceOriginal bool            `json:"replace_original"`
	DeleteOriginal  bool            `json:"delete_original"`
}

// form is the body as a call has it.
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

// serveResponse answers a POST to a response_url. It needs no token.
func (w *Workspace) serveResponse(id string, r *http.Request) reply {
	var body responseBody
	err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxRequestBytes)).Decode(&body)
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	to, found := w.responses[id]
	switch {
	case w.down:
		return reply{status: http.StatusServiceUnavailable, plain: true}
	case !found:
		return notTaken(http.StatusNotFound, "no_such_url")
	case now.Sub(to.at) > responseLife:
		return notTaken(http.StatusNotFound, "expired_url")
	case to.used == maxResponses:
		return notTaken(http.StatusNotFound, "used_url")
	case err != nil:
		return notTaken(http.StatusBadRequest, "invalid_payload")
	}
	c := &call{Workspace: w, now: now, form: body.form(), record: Call{Method: "response_url", At: now, Channel: to.channelID, User: to.userID}}
	no := c.respond(to, body)
	if no != nil {
		c.record.Error = no.code
	}
	w.calls.add(c.record)
	if no != nil {
		return notTaken(http.StatusBadRequest, no.code)
	}
	to.used++
	return answered(yes)
}

func notTaken(status int, code string) reply {
	return reply{status: status, plain: true, body: []byte(code)}
}

// respond does what the body says: with a channel's usual permissions set aside,
// since the person asked for it.
func (c *call) respond(to *response, body responseBody) *refusal {
	r, found := c.rooms.byID[to.channelID]
	if !found {
		return refuse("channel_not_found")
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
		return refuse("message_not_found")
	}
	if body.DeleteOriginal {
		if to.ephemeral {
			c.dropEphemeral(to.userID, to.ts)
			return nil
		}
		r.remove(original)
		c.version++
		return nil
	}
	says, err := c.content(maxPostText)
	if err != nil {
		return err
	}
	if says.text == "" && says.blocks == nil {
		return refuse("no_text")
	}
	if body.ReplaceOriginal {
		original.change(says)
		c.version++
		return nil
	}
	if err := r.takesReply(body.ThreadTS); err != nil {
		return err
	}
	m := Message{TS: c.newTS(c.now), ThreadTS: body.ThreadTS, UserID: c.config.BotUserID, UnfurlLinks: true, UnfurlMedia: true}
	if body.ResponseType == "in_channel" {
		c.add(r, m, says)
	} else {
		c.whisper(r, to.userID, m, says)
	}
	return nil
}
