package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// refusal is an ok:false answer, or a 429.
type refusal struct {
	code       string
	needed     string        // for missing_scope
	messages   []string      // of response_metadata
	retryAfter time.Duration // for ratelimited
}

func refuse(code string) *refusal { return &refusal{code: code} }

func tooMany(wait time.Duration) *refusal {
	return &refusal{code: "ratelimited", retryAfter: max(wait, 1)}
}

// badArguments is how Slack refuses arguments that have a schema.
func badArguments(problems []Problem) *refusal {
	return &refusal{code: "invalid_arguments", messages: messages(problems)}
}

// needScope refuses a token that was not granted scope.
func (c *call) needScope(scope string) *refusal {
	if scope == "" || slices.Contains(c.config.Scopes, scope) {
		return nil
	}
	return &refusal{code: "missing_scope", needed: scope}
}

func (c *call) granted(scope string) bool { return slices.Contains(c.config.Scopes, scope) }

// reply is what is sent back.
type reply struct {
	status     int // 200 if zero
	body       []byte
	plain      bool // text instead of JSON
	retryAfter string
	scopes     string // what a good token was granted
	lost       bool   // cut the connection instead
}

func (r reply) write(rw http.ResponseWriter) {
	if r.lost {
		panic(http.ErrAbortHandler)
	}
	h := rw.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if r.plain {
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
	_, _ = rw.Write(r.body) // the caller has gone: nothing to tell it
}

// good begins every answer that is no refusal.
type good struct {
	OK bool `json:"ok"`
}

var yes = good{OK: true}

// page is the response_metadata of an answer that may go on.
type page struct {
	NextCursor string `json:"next_cursor"`
}

func answered(result any) reply {
	body, err := json.Marshal(result)
	if err != nil {
		panic(fmt.Sprintf("slack: an answer does not encode: %v", err))
	}
	return reply{body: body}
}

// refused answers ok:false; provided is what the token was granted.
func refused(no *refusal, provided string) reply {
	type metadata struct {
		Messages []string `json:"messages"`
	}
	answer := struct {
		good
		Error    string    `json:"error"`
		Errors   []string  `json:"errors,omitempty"`
		Needed   string    `json:"needed,omitempty"`
		Provided string    `json:"provided,omitempty"`
		Metadata *metadata `json:"response_metadata,omitempty"`
	}{Error: no.code, Needed: no.needed}
	if no.needed != "" {
		answer.Provided = provided
	}
	if len(no.messages) > 0 {
		answer.Metadata = &metadata{no.messages}
		for _, m := range no.messages {
			answer.Errors = append(answer.Errors, strings.TrimPrefix(m, "[ERROR] "))
		}
	}
	r := answered(answer)
	if no.retryAfter > 0 {
		r.status = http.StatusTooManyRequests
		r.retryAfter = wholeSeconds(no.retryAfter)
	}
	return r
}
