package bot

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"countersign/handle"
)

const maxPayload = 1 << 20 // bytes of a request's body

// reply is Slack's answer: a status and, for a modal that stays open, the error
// of each block.
type reply struct {
	status int
	errors map[string]string // by block_id
}

// ok acknowledges, and closes a modal. Its body must be empty.
var ok = reply{status: http.StatusOK}

// serveInteractivity handles clicks and submitted modals. The body is parsed only
// after its signature is verified. See
// https://docs.slack.dev/interactivity/handling-user-interaction
func (b *Bot) serveInteractivity(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	d, cancel := b.deadlines(r.Context())
	defer cancel()
	body, status := formBody(w, r, maxPayload)
	if status != 0 {
		refuse(w, status)
		return
	}
	signed, err := b.signed(d.work, r.Header, body)
	if err != nil {
		b.log().Error("requests cannot be verified", "error", err)
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	if !signed {
		if b.unsignedLogged.allow(b.Now()) {
			b.log().Warn("unsigned request to the Slack route, or one older than five minutes; others in the next minute are not logged")
		}
		refuse(w, http.StatusUnauthorized)
		return
	}
	b.interact(d, body).write(w)
}

// formBody reads the body of a form of at most limit bytes. status is the HTTP
// status of the refusal, or 0.
func formBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, status int) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	encoding := r.Header.Get("Content-Encoding")
	if err != nil || kind != "application/x-www-form-urlencoded" || encoding != "" && encoding != "identity" {
		return nil, http.StatusUnsupportedMediaType
	}
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge
	case err != nil:
		return nil, http.StatusBadRequest
	}
	return body, 0
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

// interact decodes a verified body and dispatches it. Payloads that are not for
// us are acknowledged.
func (b *Bot) interact(d deadlines, body []byte) reply {
	payload, err := payloadOf(body)
	if err == nil && payload == nil {
		return ok
	}
	var head envelope
	if err == nil {
		err = json.Unmarshal(payload, &head)
	}
	if err != nil {
		b.log().Warn("unreadable signed request", "error", err)
		return reply{status: http.StatusBadRequest}
	}
	if b.AppID != "" && head.AppID != b.AppID {
		b.log().Warn("signed request for a different app", "app", handle.OneLine(head.AppID, 40))
		return reply{status: http.StatusForbidden}
	}
	switch head.Type {
	case "block_actions":
		var p blockActions
		if err = json.Unmarshal(payload, &p); err == nil {
			return b.pressed(d, p)
		}
	case "view_submission":
		var p viewSubmission
		if err = json.Unmarshal(payload, &p); err == nil {
			return b.submitted(d, p)
		}
	default:
		return ok
	}
	b.log().Warn("unreadable signed payload", "type", head.Type, "error", err)
	return reply{status: http.StatusBadRequest}
}
