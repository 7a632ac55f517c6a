// Package awsfix works around a fault of the AWS SDK that concerns every AWS
// client, whichever service it calls.
package awsfix

import (
	"cmp"
	"io"
	"net/http"
)

// HTTPClient returns a copy of client that works around aws-sdk-go-v2#2737,
// which can truncate responses. Give every AWS client, and [dynamo.New], a
// client made by it.
//
// The SDK closes a request's body as soon as the response headers have arrived,
// and the body's WriteTo then returns io.EOF. If net/http is only just checking
// that the body has ended, it takes this for a failed write and closes the
// connection in the middle of the response; the SDK then repeats a request that
// has been carried out. Read has no such fault. See
// https://github.com/aws/aws-sdk-go-v2/issues/2737
//
// [dynamo.New]: countersign/handle/dynamo
func HTTPClient(client *http.Client) *http.Client {
	fixed := *client
	fixed.Transport = readOnlyBodies{cmp.Or[http.RoundTripper](client.Transport, http.DefaultTransport)}
	return &fixed
}

// readOnlyBodies hides the WriteTo method of request bodies.
type readOnlyBodies struct{ base http.RoundTripper }

func (t readOnlyBodies) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, ok := req.Body.(io.WriterTo); ok {
		req = req.Clone(req.Context())
		req.Body = struct{ io.ReadCloser }{req.Body}
	}
	return t.base.RoundTrip(req)
}
