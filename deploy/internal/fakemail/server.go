package fakemail

import (
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	namespace  = "http://sns.amazonaws.com/doc/2010-03-31/"
	apiVersion = "2010-03-31"

	// maxRequestBytes exceeds the largest message, form-encoded.
	maxRequestBytes = 4 << 20
)

// apiError is an error response of the Query protocol.
type apiError struct {
	status  int
	code    string
	message string
}

// httpResponse is the response to a call.
type httpResponse struct {
	status int
	body   []byte
	lost   bool
}

func (a httpResponse) write(rw http.ResponseWriter) {
	if a.lost {
		panic(http.ErrAbortHandler)
	}
	rw.Header().Set("Content-Type", "text/xml")
	rw.WriteHeader(a.status)
	_, _ = rw.Write(a.body) // the client may be gone
}

// ServeHTTP serves the actions Publish, GetTopicAttributes and
// ListSubscriptionsByTopic.
func (t *Topic) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	form, apiErr := t.read(r)
	if apiErr != nil {
		apiErr.response().write(rw)
		return
	}
	action, now := form.Get("Action"), t.config.Now()
	t.mu.Lock()
	hook := t.fault
	t.mu.Unlock()
	fault := &Fault{}
	if hook != nil {
		if f := hook(action, form); f != nil {
			fault = f
		}
	}
	var a httpResponse
	if fault.keepsResponse() || fault.Applied {
		a = t.call(action, form, now)
		if fault.BeforeResponse != nil {
			fault.BeforeResponse()
		}
	} else {
		t.count(action)
	}
	fault.alter(a).write(rw)
}

func (t *Topic) count(action string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[action]++
}

// call performs an action under the lock.
func (t *Topic) call(action string, form url.Values, now time.Time) httpResponse {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[action]++
	do, ok := actions[action]
	if !ok {
		return apiError{http.StatusBadRequest, "InvalidAction", "The action " + action + " is not simulated"}.response()
	}
	if apiErr := t.checkTopic(form.Get("TopicArn")); apiErr != nil {
		return apiErr.response()
	}
	result, apiErr := do(t, form, now)
	if apiErr != nil {
		return apiErr.response()
	}
	t.requests++
	return reply(action, result, uuid(t.requests))
}

var actions = map[string]func(*Topic, url.Values, time.Time) (any, *apiError){
	"Publish":                  (*Topic).publish,
	"GetTopicAttributes":       (*Topic).attributes,
	"ListSubscriptionsByTopic": (*Topic).subscriptions,
}

// checkTopic rejects the ARN of any other topic.
func (t *Topic) checkTopic(arn string) *apiError {
	switch {
	case arn == t.config.ARN:
		return nil
	case !strings.HasPrefix(arn, "arn:aws:sns:") || strings.Count(arn, ":") != 5:
		return invalid("TopicArn")
	}
	return &apiError{http.StatusNotFound, "NotFound", "Topic does not exist"}
}

func invalid(parameter string) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidParameter", "Invalid parameter: " + parameter}
}

// read reads and checks the form of a signed request.
func (t *Topic) read(r *http.Request) (url.Values, *apiError) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBytes+1))
	if err != nil || len(body) > maxRequestBytes {
		return nil, &apiError{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is too large"}
	}
	if apiErr := t.checkSignature(r.Header); apiErr != nil {
		return nil, apiErr
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != http.MethodPost || kind != "application/x-www-form-urlencoded" {
		return nil, &apiError{http.StatusBadRequest, "MalformedInput", "A form must be POSTed"}
	}
	if form.Get("Version") != apiVersion {
		return nil, &apiError{http.StatusBadRequest, "NoSuchVersion", "The version must be " + apiVersion}
	}
	return form, nil
}

// checkSignature rejects a request without a Signature Version 4 for SNS in the
// topic's Region. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (t *Topic) checkSignature(h http.Header) *apiError {
	rest, ok := strings.CutPrefix(h.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return &apiError{http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	}
	parts := make(map[string]string)
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/") // key, date, Region, service, aws4_request
	switch {
	case len(scope) != 5 || parts["SignedHeaders"] == "" || len(parts["Signature"]) != 64 || h.Get("X-Amz-Date") == "":
		return &apiError{http.StatusForbidden, "IncompleteSignature", "The signature is not complete"}
	case scope[2] != t.region || scope[3] != "sns" || scope[4] != "aws4_request":
		return &apiError{http.StatusForbidden, "SignatureDoesNotMatch", "Credential should be scoped to " + t.region + "/sns/aws4_request"}
	}
	return nil
}

// reply encodes <ActionResponse> with <ActionResult>.
func reply(action string, result any, requestID string) httpResponse {
	inner, err := xml.Marshal(result)
	if err != nil {
		panic("fakemail: couldn't encode a response: " + err.Error())
	}
	return httpResponse{http.StatusOK, fmt.Appendf(nil,
		`<%[1]sResponse xmlns="%[2]s">%[3]s<ResponseMetadata><RequestId>%[4]s</RequestId></ResponseMetadata></%[1]sResponse>`,
		action, namespace, inner, requestID), false}
}

func (r apiError) response() httpResponse {
	kind := "Sender"
	if r.status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ ErrorResponse"`
		Type    string   `xml:"Error>Type"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
		ID      string   `xml:"RequestId"`
	}{Type: kind, Code: r.code, Message: r.message, ID: uuid(0)})
	if err != nil {
		panic("fakemail: couldn't encode an error: " + err.Error())
	}
	return httpResponse{status: r.status, body: body}
}
