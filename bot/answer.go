package bot

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"strings"
)

// Answers returns a transport for Slack clients that strips the message or view that
// Slack echoes in its answers, except for the fields of echo. slack-go cannot decode
// every block, element and state in an echo, and would report a call that Slack accepted
// as failed.
func Answers(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return answers{base}
}

type answers struct{ base http.RoundTripper }

// maxAnswer bounds an answer that is read: a view has 250 KB at most, a message less.
const maxAnswer = 1 << 20 // bytes

// echo is what is left of an echoed message or view: its identity and place.
type echo struct {
	ID         string `json:"id,omitempty"`
	Hash       string `json:"hash,omitempty"`
	RootID     string `json:"root_view_id,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
	TS         string `json:"ts,omitempty"`
	ThreadTS   string `json:"thread_ts,omitempty"`
}

func (t answers) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.base.RoundTrip(req)
	if err != nil || !echoes(path.Base(req.URL.Path)) || res.StatusCode != http.StatusOK {
		return res, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if cerr := res.Body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	body = withoutEcho(body)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res.Header.Del("Content-Length")
	return res, nil
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (t answers) CloseIdleConnections() {
	(&http.Client{Transport: t.base}).CloseIdleConnections()
}

// echoes reports whether a Web API method answers with a message or view.
func echoes(method string) bool {
	return strings.HasPrefix(method, "chat.") || strings.HasPrefix(method, "views.")
}

// withoutEcho strips the echo in an answer. It returns anything but a JSON object
// unchanged.
func withoutEcho(body []byte) []byte {
	var answer map[string]json.RawMessage
	if json.Unmarshal(body, &answer) != nil || answer == nil {
		return body
	}
	for _, name := range []string{"message", "view"} {
		raw, ok := answer[name]
		if !ok {
			continue
		}
		// Field by field: one of an unexpected type must not hide the others.
		all := object(raw)
		if all == nil {
			delete(answer, name)
			continue
		}
		var left echo
		for field, to := range map[string]*string{
			"id": &left.ID, "hash": &left.Hash, "root_view_id": &left.RootID, "external_id": &left.ExternalID, "ts": &left.TS, "thread_ts": &left.ThreadTS,
		} {
			_ = json.Unmarshal(all[field], to)
		}
		short, err := json.Marshal(left)
		if err != nil {
			return body // unreachable: echo has only strings
		}
		answer[name] = short
	}
	short, err := json.Marshal(answer)
	if err != nil {
		return body // unreachable: every value was decoded from JSON
	}
	return short
}
