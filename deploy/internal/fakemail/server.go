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

	// maxRequestBytes is above what a message of full size can take as a form.
	maxRequestBytes = 4 << 20
)

// refusal is an error as the Query protocol has it.
type refusal struct {
	status  int
	code    string
	message string
}

// answer is what is sent back.
type answer struct {
	status int
	body   []byte
	lost   bool
}

func (a answer) write(rw http.ResponseWriter) {
	if a.lost {
		panic(http.ErrAbortHandler)
	}
	rw.Header().Set("Content-Type", "text/xml")
	rw.WriteHeader(a.status)
	_, _ = rw.Write(a.body) // the caller has gone: nothing to tell it
}

// ServeHTTP serves the actions Publish, GetTopicAttributes and
// ListSubscriptionsByTopic.
func (t *Topic) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	form, no := t.read(r)
	if no != nil {
		no.answer().write(rw)
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
	var a answer
	if fault.harmless() || fault.Act {
		a = t.act(action, form, now)
		if fault.After != nil {
			fault.After()
		}
	} else {
		t.count(action)
	}
	fault.spoil(a).write(rw)
}

func (t *Topic) count(action string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[action]++
}

// act carries a call out under the lock.
func (t *Topic) act(action string, form url.Values, now time.Time) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[action]++
	do, ok := actions[action]
	if !ok {
		return refusal{http.StatusBadRequest, "InvalidAction", "The action " + action + " is not modelled"}.answer()
	}
	if no := t.owns(form.Get("TopicArn")); no != nil {
		return no.answer()
	}
	result, no := do(t, form, now)
	if no != nil {
		return no.answer()
	}
	t.requests++
	return reply(action, result, uuid(t.requests))
}

var actions = map[string]func(*Topic, url.Values, time.Time) (any, *refusal){
	"Publish":                  (*Topic).publish,
	"GetTopicAttributes":       (*Topic).attributes,
	"ListSubscriptionsByTopic": (*Topic).subscriptions,
}

// owns refuses the ARN of another topic.
func (t *Topic) owns(arn string) *refusal {
	switch {
	case arn == t.config.ARN:
		return nil
	case !strings.HasPrefix(arn, "arn:aws:sns:") || strings.Count(arn, ":") != 5:
		return invalid("TopicArn")
	}
	return &refusal{http.StatusNotFound, "NotFound", "Topic does not exist"}
}

func invalid(parameter string) *refusal {
	return &refusal{http.StatusBadRequest, "InvalidParameter", "Invalid parameter: " + parameter}
}

// read reads a signed form.
func (t *Topic) read(r *http.Request) (url.Values, *refusal) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBytes+1))
	if err != nil || len(body) > maxRequestBytes {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is too large"}
	}
	if no := t.signed(r.Header); no != nil {
		return nil, no
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != http.MethodPost || kind != "application/x-www-form-urlencoded" {
		return nil, &refusal{http.StatusBadRequest, "MalformedInput", "A form must be POSTed"}
	}
	if form.Get("Version") != apiVersion {
		return nil, &refusal{http.StatusBadRequest, "NoSuchVersion", "The version must be " + apiVersion}
	}
	return form, nil
}

// signed refuses a request without a Signature Version 4 for SNS in the topic's
// Region: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
func (t *Topic) signed(h http.Header) *refusal {
	rest, ok := strings.CutPrefix(h.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return &refusal{http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	}
	parts := make(map[string]string)
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/") // key, date, Region, service, aws4_request
	switch {
	case len(scope) != 5 || parts["SignedHeaders"] == "" || len(parts["Signature"]) != 64 || h.Get("X-Amz-Date") == "":
		return &refusal{http.StatusForbidden, "IncompleteSignature", "The signature is not complete"}
	case scope[2] != t.region || scope[3] != "sns" || scope[4] != "aws4_request":
		return &refusal{http.StatusForbidden, "SignatureDoesNotMatch", "Credential should be scoped to " + t.region + "/sns/aws4_request"}
	}
	return nil
}

// reply writes <ActionResponse> with <ActionResult>.
func reply(action string, result any, requestID string) answer {
	inner, err := xml.Marshal(result)
	if err != nil {
		panic("mail: an answer does not encode: " + err.Error())
	}
	return answer{http.StatusOK, fmt.Appendf(nil,
		`<%[1]sResponse xmlns="%[2]s">%[3]s<ResponseMetadata><RequestId>%[4]s</RequestId></ResponseMetadata></%[1]sResponse>`,
		action, namespace, inner, requestID), false}
}

func (r refusal) answer() answer {
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
		panic("mail: an error does not encode: " + err.Error())
	}
	return answer{status: r.status, body: body}
}
