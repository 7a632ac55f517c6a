package fakecfn

import (
	"net/http"
	"net/url"
	"strings"
)

const (
	// maxForm limits the body of an API call, in bytes.
	maxForm = 64 << 10

	apiNamespace = `xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"`
	apiVersion   = "2010-05-15"
)

// serveQuery serves an API call in the AWS Query protocol.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonParameters.html
func (e *Engine) serveQuery(w http.ResponseWriter, r *http.Request) {
	if err := e.authenticate(r, "cloudformation"); err != nil {
		e.writeError(w, http.StatusForbidden, err)
		return
	}
	if e.isThrottled() {
		e.writeError(w, http.StatusBadRequest, &Error{Code: "Throttling", Message: "Rate exceeded"})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		e.writeError(w, http.StatusBadRequest, &Error{Code: "MalformedQueryString", Message: "The query string contains a syntax error."})
		return
	}
	actions := map[string]func(*xmlWriter, url.Values) *Error{
		"CancelUpdateStack":      e.cancelUpdateStack,
		"DescribeStacks":         e.describeStacks,
		"DescribeStackEvents":    e.describeStackEvents,
		"DescribeStackResources": e.describeStackResources,
		"GetTemplate":            e.getTemplate,
	}
	action := r.Form.Get("Action")
	write, ok := actions[action]
	if !ok || r.Form.Get("Version") != apiVersion {
		e.writeError(w, http.StatusBadRequest, &Error{Code: "InvalidAction", Message: "Could not find operation " + action + " for version " + r.Form.Get("Version")})
		return
	}
	x := newXML()
	x.open(action+"Response", apiNamespace)
	x.open(action + "Result")
	if err := write(x, r.Form); err != nil {
		e.writeError(w, http.StatusBadRequest, err)
		return
	}
	x.close(action + "Result")
	x.open("ResponseMetadata")
	x.text("RequestId", e.requestID())
	x.close("ResponseMetadata")
	x.close(action + "Response")
	x.write(w, http.StatusOK, "text/xml")
}

// SetThrottled makes the API answer that its caller asks too often, as it does to everyone in an account in which one
// caller does. Stacks and the buckets are not affected.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
func (e *Engine) SetThrottled(throttled bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.throttled = throttled
}

func (e *Engine) isThrottled() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.throttled
}

// requestID returns an ID for an API call.
func (e *Engine) requestID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cfg.NewID()
}

// authenticate requires a Signature Version 4 for a service and this Region. It does not verify the signature: the
// simulated account has no secret keys.
func (e *Engine) authenticate(r *http.Request, service string) *Error {
	header := r.Header.Get("Authorization")
	if !strings.HasPrefix(header, "AWS4-HMAC-SHA256 ") {
		return &Error{Code: "MissingAuthenticationToken", Message: "Request is missing Authentication Token"}
	}
	_, credential, _ := strings.Cut(header, "Credential=")
	credential, _, _ = strings.Cut(credential, ",")
	parts := strings.Split(credential, "/")
	switch {
	case len(parts) != 5 || parts[4] != "aws4_request":
		return &Error{Code: "IncompleteSignature", Message: "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"}
	case parts[2] != e.cfg.Region:
		return &Error{Code: "SignatureDoesNotMatch", Message: "Credential should be scoped to a valid region."}
	case parts[3] != service:
		return &Error{Code: "SignatureDoesNotMatch", Message: "Credential should be scoped to correct service: '" + service + "'."}
	}
	return nil
}

func (e *Engine) writeError(w http.ResponseWriter, status int, err *Error) {
	x := newXML()
	x.open("ErrorResponse", apiNamespace)
	x.open("Error")
	x.text("Type", "Sender")
	x.text("Code", err.Code)
	x.text("Message", err.Message)
	x.close("Error")
	x.text("RequestId", e.requestID())
	x.close("ErrorResponse")
	x.write(w, status, "text/xml")
}
