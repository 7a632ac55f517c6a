package handle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// ErrUnusableURL means that a URL cannot be requested at all.
var ErrUnusableURL = errors.New("the URL is unusable")

// Put sends body to one of CloudFormation's pre-signed URLs, wait handle or
// custom resource response, and returns the HTTP status of the answer, whatever
// it is. It follows no redirect, which would take the body elsewhere. Pass a
// ctx with a deadline.
//
// The URL is a secret, so the error never quotes it. It is ErrUnusableURL if
// raw is not a URL; any other error means that the body may or may not have
// arrived.
func Put(ctx context.Context, client *http.Client, raw string, body []byte) (status int, err error) {
	// Given a bytes.Reader, net/http sets Content-Length and no Content-Type:
	// the URL's signature allows neither chunks nor a type.
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, raw, bytes.NewReader(body))
	if err != nil {
		return 0, ErrUnusableURL
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := direct.Do(req)
	if err != nil {
		return 0, SanitizeError(err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // a drained connection is reused
	return res.StatusCode, nil
}

var errNoAnswer = errors.New("no answer")

// SanitizeError replaces the error of an HTTP call by one that quotes neither
// the URL nor the answer, as the errors of net/http and of transports do. It
// keeps whether the context ended (context.DeadlineExceeded, context.Canceled)
// and any *net.OpError.
func SanitizeError(err error) error {
	var network *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", errNoAnswer, context.DeadlineExceeded)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", errNoAnswer, context.Canceled)
	case errors.As(err, &network):
		return network
	}
	return errNoAnswer
}
