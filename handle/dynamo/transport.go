package dynamo

import (
	"io"
	"net/http"
)

// plainBodies lets a large answer be read whole. The SDK closes the body of a
// request as soon as an answer begins, and its WriteTo then is io.EOF: net/http,
// which may only just be making sure that the body has ended, takes that for a
// failed write and hangs up in the midst of the answer. Read has no such fault.
// See https://github.com/aws/aws-sdk-go-v2/issues/2737
type plainBodies struct{ base http.RoundTripper }

func (t plainBodies) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, ok := req.Body.(io.WriterTo); ok {
		req = req.Clone(req.Context())
		req.Body = struct{ io.ReadCloser }{req.Body}
	}
	return t.base.RoundTrip(req)
}
