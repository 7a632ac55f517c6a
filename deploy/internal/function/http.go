package function

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// maxRequest is the largest body of a request, in bytes.
const maxRequest = 1 << 20

var errTooLarge = errors.New("the request's body is too large")

// Serve handles one event of an HTTP API or a Function URL, in payload format 2.0,
// with h. The error says that the event is malformed. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func Serve(ctx context.Context, h http.Handler, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	var a responseRecorder
	r, err := request(ctx, e)
	switch {
	case errors.Is(err, errTooLarge):
		http.Error(&a, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
	case err != nil:
		return events.APIGatewayV2HTTPResponse{}, err
	default:
		h.ServeHTTP(&a, r)
	}
	return a.response(), nil
}

// request converts the event to an http.Request. Headers sent more than once arrive
// joined by commas, and stay so.
func request(ctx context.Context, e events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	about := e.RequestContext
	if e.Version != "2.0" || about.HTTP.Method == "" {
		return nil, errors.New("the event is not an HTTP request in payload format 2.0: set the integration's PayloadFormatVersion to 2.0")
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		if base64.StdEncoding.DecodedLen(len(e.Body)) > maxRequest+2 { // padding counts
			return nil, errTooLarge
		}
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, errors.New("the event's body is not valid base64")
		}
	}
	if len(body) > maxRequest {
		return nil, errTooLarge
	}
	// An HTTP API decodes the path, a Function URL does not.
	u, err := url.ParseRequestURI(e.RawPath)
	if err != nil || u.Host != "" || !strings.HasPrefix(e.RawPath, "/") {
		u = &url.URL{Path: "/" + strings.TrimPrefix(e.RawPath, "/")}
	}
	u.RawQuery = e.RawQueryString
	r, err := http.NewRequestWithContext(ctx, about.HTTP.Method, u.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the event's method or path is invalid")
	}
	r.URL = u
	r.RequestURI = u.RequestURI()
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Host = about.DomainName
	r.RemoteAddr = net.JoinHostPort(about.HTTP.SourceIP, "0")
	for name, value := range e.Headers {
		r.Header.Add(name, value)
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	r.Header.Del("Host") // as net/http's own server does
	return r, nil
}

// responseRecorder is a http.ResponseWriter that keeps what is written. Its zero value is
// ready.
type responseRecorder struct {
	header     http.Header
	sentHeader http.Header // as of WriteHeader
	status     int
	body       bytes.Buffer
}

var _ io.Writer = (*responseRecorder)(nil)

func (a *responseRecorder) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

func (a *responseRecorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status, a.sentHeader = status, a.Header().Clone()
	}
}

func (a *responseRecorder) Write(p []byte) (int, error) {
	if a.status == 0 && a.Header().Get("Content-Type") == "" {
		a.Header().Set("Content-Type", http.DetectContentType(p))
	}
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// response returns the response in payload format 2.0, in which headers have one
// value and cookies are separate. A body that is not UTF-8 is sent as base64.
func (a *responseRecorder) response() events.APIGatewayV2HTTPResponse {
	a.WriteHeader(http.StatusOK)
	r := events.APIGatewayV2HTTPResponse{
		StatusCode: a.status,
		Headers:    map[string]string{},
		Cookies:    a.sentHeader.Values("Set-Cookie"),
		Body:       a.body.String(),
	}
	a.sentHeader.Del("Set-Cookie")
	for _, name := range slices.Sorted(maps.Keys(a.sentHeader)) {
		r.Headers[name] = strings.Join(a.sentHeader[name], ",")
	}
	if !utf8.ValidString(r.Body) {
		r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString(a.body.Bytes()), true
	}
	return r
}

// address returns the URL that the request was sent to: the bot's own.
func address(e events.APIGatewayV2HTTPRequest) string {
	if e.RequestContext.DomainName == "" {
		return ""
	}
	return fmt.Sprintf("https://%s", e.RequestContext.DomainName)
}
