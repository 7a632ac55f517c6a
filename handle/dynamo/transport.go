package dynamo

import (
	"cmp"
	"io"
	"net/http"
)

// Whole is client for an AWS client of any kind, so that it reads every answer
// whole. By itself the SDK closes the body of a request as soon as the head of
// the answer is there, and its WriteTo then is io.EOF: net/http, which may only
// just be making sure that the body has ended, takes that for a failed write and
// hangs up in the midst of the answer. The SDK then asks again for what is done.
// Read has no such fault. See https://github.com/aws/aws-sdk-go-v2/issues/2737
func Whole(client *http.Client) *http.Client {
	whole := *client
	whole.Transport = plainBodies{cmp.Or[http.RoundTripper](client.Transport, http.DefaultTransport)}
	return &whole
}

// plainBodies sends no body that can WriteTo.
type plainBodies struct{ base http.RoundTripper }

func (t plainBodies) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, ok := req.Body.(io.WriterTo); ok {
		req = req.Clone(req.Context())
		req.Body = struct{ io.ReadCloser }{req.Body}
	}
	return t.base.RoundTrip(req)
}
