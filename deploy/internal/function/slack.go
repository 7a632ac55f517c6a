package function

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// slackClient returns a client that makes calls to Slack with the current token. It
// follows no redirect, which would take the token to another host; slack-go reports
// the 3xx answer as an error.
func slackClient(client *http.Client, token func(ctx context.Context, refused string) (string, error)) *http.Client {
	c := *client
	c.Transport = tokenTransport{client.Transport, token}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// tokenTransport adds the current Slack token to every call, in the Authorization
// header only. If Slack refuses it, the secret is refreshed and the call repeated
// once, so that a rotated token needs no restart; a refused call had no effect.
//
// The Slack client must be created without a token.
type tokenTransport struct {
	base  http.RoundTripper
	token func(ctx context.Context, refused string) (string, error)
}

const (
	maxSlackCall   = 256 << 10 // bytes
	maxSlackAnswer = 1 << 20   // bytes; real calls and responses are far smaller
)

// tokenErrors are Slack's error codes for an invalid token. See
// https://docs.slack.dev/reference/methods/auth.test
var tokenErrors = []string{"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}

func (t tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := readAll(req.Body, maxSlackCall)
	if err != nil {
		return nil, fmt.Errorf("couldn't read a call to Slack: %w", err)
	}
	if strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && len(body) > 0 {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, fmt.Errorf("couldn't parse a call to Slack as a form")
		}
		form.Del("token")
		body = []byte(form.Encode())
	}
	token, err := t.token(req.Context(), "")
	if err != nil {
		return nil, fmt.Errorf("couldn't call Slack: %w", err)
	}
	if token == "" {
		return slackErrorResponse(req, "not_authed"), nil
	}
	res, code, err := t.call(req, body, token)
	if err != nil || !slices.Contains(tokenErrors, code) {
		return res, err
	}
	fresh, err := t.token(req.Context(), token)
	if err != nil || fresh == token || fresh == "" {
		return res, nil
	}
	res, _, err = t.call(req, body, fresh)
	return res, err
}

// call makes the call with token and returns the error code in Slack's response, or
// "".
func (t tokenTransport) call(req *http.Request, body []byte, token string) (*http.Response, string, error) {
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+token)
	out.ContentLength = int64(len(body))
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	out.Body, _ = out.GetBody()
	res, err := t.base.RoundTrip(out)
	if err != nil {
		return nil, "", err
	}
	text, err := readAll(res.Body, maxSlackAnswer)
	if err != nil {
		return nil, "", fmt.Errorf("couldn't read Slack's answer: %w", err)
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &answer) != nil || answer.OK {
		answer.Error = ""
	}
	return res, answer.Error, nil
}

// slackErrorResponse is a response as Slack would send it.
func slackErrorResponse(req *http.Request, code string) *http.Response {
	body := `{"ok":false,"error":"` + code + `"}`
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  http.Header{"Content-Type": {"application/json"}},
		Body:    io.NopCloser(strings.NewReader(body)),
		Request: req, ContentLength: int64(len(body)),
	}
}

// readAll reads and closes body, which may be nil.
func readAll(body io.ReadCloser, limit int64) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return text, err
}
