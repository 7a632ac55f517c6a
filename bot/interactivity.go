package bot

import (
	"encoding/json"
	"net/http"

	"countersign/handle"
)

const maxPayload = 1 << 20 // bytes of a request's body

// reply is what Slack gets: a status, and for a form that stays open, what is
// wrong with it.
type reply struct {
	status int
	errors map[string]string // by block_id
}

// fine closes a form and says nothing. Its body must be empty.
var fine = reply{status: http.StatusOK}

// serveInteractivity takes what Slack sends when somebody presses a button or
// submits a form. Nothing of the body is looked at before its signature is
// found good. See
// https://docs.slack.dev/interactivity/handling-user-interaction
func (b *Bot) serveInteractivity(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	v, cancel := b.visit(r.Context())
	defer cancel()
	body, status := formBody(w, r, maxPayload)
	if status != 0 {
		refuse(w, status)
		return
	}
	signed, err := b.signed(v.work, r.Header, body)
	if err != nil {
		b.log().Error("no request can be verified", "error", err)
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	if !signed {
		if b.complaints.allow(b.Now()) {
			b.log().Warn("a request to the Slack route was not signed by Slack, or not in the last five minutes; of others like it in the next minute nothing is logged")
		}
		refuse(w, http.StatusUnauthorized)
		return
	}
	b.interact(v, body).write(w)
}

func (a reply) write(w http.ResponseWriter) {
	switch {
	case a.errors != nil:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(a.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"response_action": "errors", "errors": a.errors})
	case a.status >= 400:
		refuse(w, a.status)
	default:
		w.WriteHeader(a.status)
	}
}

// interact reads a signed body and does what it asks for. What is no business
// of ours is fine.
func (b *Bot) interact(v visit, body []byte) reply {
	payload, err := payloadOf(body)
	if err == nil && payload == nil {
		return fine
	}
	var head envelope
	if err == nil {
		err = json.Unmarshal(payload, &head)
	}
	if err != nil {
		b.log().Warn("a signed request cannot be read", "error", err)
		return reply{status: http.StatusBadRequest}
	}
	if b.AppID != "" && head.AppID != b.AppID {
		b.log().Warn("a signed request is of another app", "app", handle.OneLine(head.AppID, 40))
		return reply{status: http.StatusForbidden}
	}
	switch head.Type {
	case "block_actions":
		var p blockActions
		if err = json.Unmarshal(payload, &p); err == nil {
			return b.button(v, p)
		}
	case "view_submission":
		var p viewSubmission
		if err = json.Unmarshal(payload, &p); err == nil {
			return b.submission(v, p)
		}
	default:
		return fine
	}
	b.log().Warn("a signed payload cannot be read", "type", head.Type, "error", err)
	return reply{status: http.StatusBadRequest}
}
