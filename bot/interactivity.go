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

// reply is the answer to Slack: a status and, for a modal that stays open, the error
// of each block, or another document.
type reply struct {
	status int
	errors map[string]string // by block_id
	body   any               // as JSON
}

// ok acknowledges, and closes a modal. Its body must be empty.
var ok = reply{status: http.StatusOK}

const (
	mediaForm = "application/x-www-form-urlencoded"
	mediaJSON = "application/json"
)

// serveSlack handles a request of Slack's: handle parses its body, of the given media
// type, only after the signature is verified. See
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func (b *Bot) serveSlack(w http.ResponseWriter, r *http.Request, media string, handle func(d deadlines, body []byte) reply) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	d, cancel := b.deadlines(r.Context())
	defer cancel()
	body, status := readBody(w, r, media, maxPayload)
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
	handle(d, body).write(w)
}

// readBody reads a body of the given media type and of at most limit bytes. status is
// the HTTP status of the refusal, or 0.
func readBody(w http.ResponseWriter, r *http.Request, media string, limit int64) (body []byte, status int) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	encoding := r.Header.Get("Content-Encoding")
	if err != nil || kind != media || encoding != "" && encoding != "identity" {
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

// forOtherApp reports whether a signed request is for a different app, and logs it.
func (b *Bot) forOtherApp(appID string) bool {
	if b.AppID == "" || appID == b.AppID {
		return false
	}
	b.log().Warn("signed request for a different app", "app", handle.OneLine(appID, 40))
	return true
}

func (a reply) write(w http.ResponseWriter) {
	switch {
	case a.errors != nil:
		writeJSON(w, a.status, map[string]any{"response_action": "errors", "errors": a.errors})
	case a.body != nil:
		writeJSON(w, a.status, a.body)
	case a.status >= 400:
		refuse(w, a.status)
	default:
		w.WriteHeader(a.status)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
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
	if b.forOtherApp(head.AppID) {
		return reply{status: http.StatusForbidden}
	}
	switch head.Type {
	case "block_actions":
		var p blockActions
		if err = decode(payload, &p); err == nil {
			return b.pressed(d, p)
		}
	case "view_submission":
		var p viewSubmission
		if err = decode(payload, &p); err == nil {
			return b.submitted(d, p)
		}
	default:
		return ok
	}
	b.log().Warn("unreadable signed payload", "type", head.Type, "error", err)
	return reply{status: http.StatusBadRequest}
}
