package fakecfn

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody limits an upload, in bytes. S3 accepts more, but CloudFormation rejects bodies over 4096 bytes.
const maxBody = 1 << 20

// uploadTarget is what a pre-signed URL belongs to: a wait handle or a custom resource request.
type uploadTarget struct {
	handle  *handle
	request *request
}

// s3Error is an S3 error document.
type s3Error struct {
	status        int // 0 means 403
	code, message string

	validity    int // validity of an expired URL, in seconds
	expiry, now time.Time
}

var errSignatureMismatch = &s3Error{
	code:    "SignatureDoesNotMatch",
	message: "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
}

// ServeHTTP serves the S3 buckets of wait handle URLs and ResponseURLs, and at POST / the CloudFormation API:
// DescribeStacks, DescribeStackEvents, DescribeStackResources, GetTemplate and CancelUpdateStack in the AWS Query protocol.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && (r.URL.Path == "/" || r.URL.Path == "") {
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), catalogTarget) {
			e.serveCatalog(w, r)
		} else {
			e.serveQuery(w, r)
		}
		return
	}
	if failed := e.put(w, r); failed != nil {
		failed.write(w)
	}
	// Stored: 200 without a body, as from S3, whether or not a stack uses it.
}

// put handles a PUT. S3 validates the headers before the body.
func (e *Engine) put(w http.ResponseWriter, r *http.Request) *s3Error {
	if len(r.TransferEncoding) > 0 {
		return &s3Error{
			status: http.StatusNotImplemented, code: "NotImplemented",
			message: "A header you provided implies functionality that is not implemented",
		}
	}
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return &s3Error{
				status: http.StatusBadRequest, code: "EntityTooLarge",
				message: "Your proposed upload exceeds the maximum allowed size",
			}
		}
		if err != nil {
			return &s3Error{
				status: http.StatusBadRequest, code: "IncompleteBody",
				message: "You did not provide the number of bytes specified by the Content-Length HTTP header.",
			}
		}
	}
	var failed *s3Error
	e.do(func() { failed = e.receive(r, body) })
	return failed
}

// receive verifies a PUT and passes its body to the wait handle or custom resource request.
func (e *Engine) receive(r *http.Request, body []byte) *s3Error {
	if failed := e.signer.verify(r.Method, r.URL, e.now); failed != nil {
		return failed
	}
	if r.Header.Get("Content-Type") != "" { // it is signed as empty
		return errSignatureMismatch
	}
	d, known := e.targets[strings.TrimPrefix(r.URL.Path, "/")]
	switch {
	case !known:
		return &s3Error{code: "AccessDenied", message: "Access Denied"}
	case d.handle != nil:
		e.receiveSignal(d.handle, string(body))
	default:
		e.receiveResponse(d.request, body)
	}
	return nil
}

func (f *s3Error) write(w http.ResponseWriter) {
	status := f.status
	if status == 0 {
		status = http.StatusForbidden
	}
	x := newXML()
	x.open("Error")
	x.text("Code", f.code)
	x.text("Message", f.message)
	if !f.expiry.IsZero() {
		x.text("X-Amz-Expires", strconv.Itoa(f.validity))
		x.text("Expires", f.expiry.UTC().Format(time.RFC3339))
		x.text("ServerTime", f.now.UTC().Format(time.RFC3339))
	}
	x.close("Error")
	x.write(w, status, "application/xml")
}
