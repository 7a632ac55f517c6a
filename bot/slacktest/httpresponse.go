package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// apiError is an ok:false response, or a 429.
type apiError struct {
	code       string
	needed     string        // for missing_scope
	messages   []string      // of response_metadata
	retryAfter time.Duration // for ratelimited
}

func errCode(code string) *apiError { return &apiError{code: code} }

func rateLimited(wait time.Duration) *apiError {
	return &apiError{code: "ratelimited", retryAfter: max(wait, 1)}
}

// invalidArguments is the error for arguments that violate a schema.
func invalidArguments(problems []Problem) *apiError {
	return &apiError{code: "invalid_arguments", messages: messages(problems)}
}

// requireScope refuses a call whose token was not granted scope. appLevel says that
// the token is the app's own, not the bot's.
func (c *call) requireScope(scope string, appLevel bool) *apiError {
	granted := c.config.Scopes
	if appLevel {
		granted = c.config.AppScopes
	}
	if scope == "" || slices.Contains(granted, scope) {
		return nil
	}
	return &apiError{code: "missing_scope", needed: scope}
}

func (c *call) hasScope(scope string) bool { return slices.Contains(c.config.Scopes, scope) }

// httpResponse is the response to one request.
type httpResponse struct {
	status     int // 200 if zero
	body       []byte
	plainText  bool // text instead of JSON
	retryAfter string
	scopes     string // granted to a valid token
	lost       bool   // close the connection instead
}

func (r httpResponse) write(rw http.ResponseWriter) {
	if r.lost {
		panic(http.ErrAbortHandler)
	}
	h := rw.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if r.plainText {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	if r.retryAfter != "" {
		h.Set("Retry-After", r.retryAfter)
	}
	if r.scopes != "" {
		h.Set("X-Oauth-Scopes", r.scopes)
	}
	if r.status != 0 {
		rw.WriteHeader(r.status)
	}
	_, _ = rw.Write(r.body) // an error means that the client is gone
}

// envelope is part of every API response.
type envelope struct {
	OK bool `json:"ok"`
}

var okEnvelope = envelope{OK: true}

// responseMetadata is the response_metadata of a paginated response.
type responseMetadata struct {
	NextCursor string `json:"next_cursor"`
}

func okResponse(result any) httpResponse {
	body, err := json.Marshal(result)
	if err != nil {
		panic(fmt.Sprintf("slacktest: can't encode a response: %v", err))
	}
	return httpResponse{body: body}
}

// errorResponse returns the response for err; provided are the token's scopes.
func errorResponse(apiErr *apiError, provided string) httpResponse {
	type metadata struct {
		Messages []string `json:"messages"`
	}
	answer := struct {
		envelope
		Error    string    `json:"error"`
		Errors   []string  `json:"errors,omitempty"`
		Needed   string    `json:"needed,omitempty"`
		Provided string    `json:"provided,omitempty"`
		Metadata *metadata `json:"response_metadata,omitempty"`
	}{Error: apiErr.code, Needed: apiErr.needed}
	if apiErr.needed != "" {
		answer.Provided = provided
	}
	if len(apiErr.messages) > 0 {
		answer.Metadata = &metadata{apiErr.messages}
		for _, m := range apiErr.messages {
			answer.Errors = append(answer.Errors, strings.TrimPrefix(m, "[ERROR] "))
		}
	}
	r := okResponse(answer)
	if apiErr.retryAfter > 0 {
		r.status = http.StatusTooManyRequests
		r.retryAfter = retryAfterSeconds(apiErr.retryAfter)
	}
	return r
}
