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

// maxRequest bounds a request's body, in bytes; the bot takes no larger one.
const maxRequest = 1 << 20

var errTooLarge = errors.New("the request's body is too large")

// Serve lets h answer one event of an HTTP API or of a Function URL, both in
// payload format 2.0. The error says that the event is none, or that h broke
// off. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func Serve(ctx context.Context, h http.Handler, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	var a answer
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

// request is the event as net/http has it. Headers that were sent more than once
// come joined by commas, and stay so.
func request(ctx context.Context, e events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	about := e.RequestContext
	if e.Version != "2.0" || about.HTTP.Method == "" {
		return nil, errors.New("the event is no HTTP request in payload format 2.0: set PayloadFormatVersion of the integration to 2.0")
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		if base64.StdEncoding.DecodedLen(len(e.Body)) > maxRequest+2 { // padding counts
			return nil, errTooLarge
		}
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, errors.New("the event's body is said to be base64, and is not")
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
		return nil, errors.New("the event's method or path is none")
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

// answer is a http.ResponseWriter that keeps what is written. Its zero value is
// ready.
type answer struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
}

var _ io.Writer = (*answer)(nil)

func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status, a.sent = status, a.Header().Clone()
	}
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 && a.Header().Get("Content-Type") == "" {
		a.Header().Set("Content-Type", http.DetectContentType(p))
	}
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// response is the answer in payload format 2.0, in which a header has one value
// and cookies are apart. A body that is no text goes as base64.
func (a *answer) response() events.APIGatewayV2HTTPResponse {
	a.WriteHeader(http.StatusOK)
	r := events.APIGatewayV2HTTPResponse{
		StatusCode: a.status,
		Headers:    map[string]string{},
		Cookies:    a.sent.Values("Set-Cookie"),
		Body:       a.body.String(),
	}
	a.sent.Del("Set-Cookie")
	for _, name := range slices.Sorted(maps.Keys(a.sent)) {
		r.Headers[name] = strings.Join(a.sent[name], ",")
	}
	if !utf8.ValidString(r.Body) {
		r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString(a.body.Bytes()), true
	}
	return r
}

// address is where the request came in: the bot's own address.
func address(e events.APIGatewayV2HTTPRequest) string {
	if e.RequestContext.DomainName == "" {
		return ""
	}
	return fmt.Sprintf("https://%s", e.RequestContext.DomainName)
}
