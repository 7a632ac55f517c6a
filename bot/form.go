package bot

import (
	"errors"
	"io"
	"mime"
	"net/http"
)

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
