package fakecfn

import (
	"strconv"
	"strings"
	"time"

	"countersign/deploy/gate"
)

// maxServiceTimeout is the longest ServiceTimeout and its default, in seconds.
const maxServiceTimeout = 3600

// Request is one custom resource request.
type Request struct {
	ID         string
	Type       string // Create, Update, Delete
	LogicalID  string
	PhysicalID string // empty for a Create
	Sent       time.Time
	Responses  []Response // in the order received
}

// Response is a body that was PUT to a request's ResponseURL.
type Response struct {
	Received time.Time
	Body     string
	Used     bool // whether CloudFormation used it: it was the first, and in time
}

// request is a Request and the resource it is for.
type request struct {
	r      *resource
	record Request
}

// sendCreate sends a Create request.
func (e *Engine) sendCreate(r *resource) {
	token := gate.Text(r.properties.Get("ServiceToken"))
	reason := e.checkToken(token)
	if reason != "" && gate.IsSample(r.properties.Get("ServiceToken")) && !gate.IsGate(r.properties) {
		r.kind = gate.KindPlain // its function is the output of a nested stack, for example
		e.initiatePlain(r)
		return
	}
	if reason != "" {
		e.fail(r, reason)
		return
	}
	if _, ok := r.serviceTimeout(); !ok {
		e.fail(r, "ServiceTimeout must be an integer between 1 and 3600") // own words
		return
	}
	switch {
	case e.cfg.Serves == nil || e.cfg.Serves(token, r.properties):
		e.send(r, "Create", token)
	case gate.IsGate(r.properties):
		e.fail(r, "Function not found: "+token+
			" (Service: AWSLambdaInternal; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: "+e.cfg.NewID()+"; Proxy: null)")
	default:
		r.kind = gate.KindPlain
		e.initiatePlain(r)
	}
}

// sendDelete sends a Delete request.
func (e *Engine) sendDelete(r *resource) {
	e.send(r, "Delete", gate.Text(r.properties.Get("ServiceToken")))
}

// sendUpdate sends an Update request. The ServiceToken is that of the creation: it cannot change.
func (e *Engine) sendUpdate(r *resource) {
	token := gate.Text(r.oldProperties.Get("ServiceToken"))
	if token != gate.Text(r.properties.Get("ServiceToken")) {
		r.restore(e)
		e.fail(r, "Modifying service token is not allowed.")
		return
	}
	if _, ok := r.serviceTimeout(); !ok {
		r.restore(e)
		e.fail(r, "ServiceTimeout must be an integer between 1 and 3600") // own words
		return
	}
	e.send(r, "Update", token)
}

// checkToken returns why CloudFormation cannot use a ServiceToken; empty if it can.
func (e *Engine) checkToken(token string) (reason string) {
	arn := strings.SplitN(token, ":", 6)
	switch {
	case token == "":
		return "Property ServiceToken cannot be empty."
	case len(arn) < 6 || arn[0] != "arn" || arn[2] != "lambda" && arn[2] != "sns":
		return "Invalid service token."
	case arn[3] == e.cfg.Region:
		return ""
	case arn[2] == "sns":
		return "Invalid parameter: TopicArn"
	}
	return "Functions from '" + arn[3] + "' are not reachable in this region ('" + e.cfg.Region + "')"
}

func isTopic(token string) bool {
	arn := strings.SplitN(token, ":", 4)
	return len(arn) == 4 && arn[2] == "sns"
}

// serviceTimeout returns the ServiceTimeout in seconds; false if it is invalid.
func (r *resource) serviceTimeout() (int, bool) {
	v := r.properties.Get("ServiceTimeout")
	if v == nil {
		return maxServiceTimeout, true
	}
	n, err := strconv.Atoi(gate.Text(v))
	return n, err == nil && n >= 1 && n <= maxServiceTimeout
}

// send queues a request for delivery and starts its timeout.
func (e *Engine) send(r *resource, typ, token string) {
	st := r.stack
	q := &request{r: r, record: Request{ID: e.cfg.NewID(), Type: typ, LogicalID: r.def.LogicalID, Sent: e.now.UTC()}}
	if typ != "Create" {
		q.record.PhysicalID = r.physicalID
	}
	r.request = q
	st.requests = append(st.requests, q)
	key := st.id + "|" + r.def.LogicalID + "|" + q.record.ID
	e.targets[key] = uploadTarget{request: q}
	timeout, _ := r.serviceTimeout() // validated when the resource was created or updated
	e.timers.set(r, e.now.Add(seconds(timeout)))
	if e.cfg.Invoke == nil {
		return
	}
	event := q.document(e.signer.url(key, e.now, responseURLValidity), token)
	if isTopic(token) {
		event = e.envelope(token, string(event))
	}
	e.outbox = append(e.outbox, delivery{token, event})
}

// document returns the request as its provider receives it.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
func (q *request) document(responseURL, token string) []byte {
	r := q.r
	b := make([]byte, 0, len(responseURL)+len(r.maskedProperties)+768)
	b = append(b, `{"RequestType":`...)
	b = gate.AppendString(b, q.record.Type)
	if !isTopic(token) {
		b = append(b, `,"ServiceToken":`...)
		b = gate.AppendString(b, token)
	}
	b = append(b, `,"ResponseURL":`...)
	b = gate.AppendString(b, responseURL)
	b = append(b, `,"StackId":`...)
	b = gate.AppendString(b, r.stack.id)
	b = append(b, `,"RequestId":`...)
	b = gate.AppendString(b, q.record.ID)
	b = append(b, `,"LogicalResourceId":`...)
	b = gate.AppendString(b, r.def.LogicalID)
	if q.record.Type != "Create" {
		b = append(b, `,"PhysicalResourceId":`...)
		b = gate.AppendString(b, r.physicalID)
	}
	b = append(b, `,"ResourceType":`...)
	b = gate.AppendString(b, r.def.Type)
	b = append(b, `,"ResourceProperties":`...)
	b = gate.AppendJSON(b, r.properties)
	if q.record.Type == "Update" {
		b = append(b, `,"OldResourceProperties":`...)
		b = gate.AppendJSON(b, r.oldProperties)
	}
	return append(b, '}')
}

// envelope returns the event that a Lambda function receives for one message of a topic.
//
// https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
func (e *Engine) envelope(topic, message string) []byte {
	b := make([]byte, 0, len(message)+len(message)/4+1024)
	b = append(b, `{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":`...)
	b = gate.AppendString(b, topic+":"+makeUUID(topic))
	b = append(b, `,"Sns":{"Type":"Notification","MessageId":`...)
	b = gate.AppendString(b, e.cfg.NewID())
	b = append(b, `,"TopicArn":`...)
	b = gate.AppendString(b, topic)
	b = append(b, `,"Subject":"AWS CloudFormation custom resource request","Message":`...)
	b = gate.AppendString(b, message)
	b = append(b, `,"Timestamp":"`...)
	b = e.now.UTC().AppendFormat(b, timeLayout)
	b = append(b, `","SignatureVersion":"1","Signature":"EXAMPLE","SigningCertUrl":"EXAMPLE","UnsubscribeUrl":"EXAMPLE","MessageAttributes":{}}}]}`...)
	return b
}

// snapshotRequests returns a deep copy of the requests.
func (st *stack) snapshotRequests() []Request {
	var out []Request
	for _, q := range st.requests {
		record := q.record
		record.Responses = append([]Response(nil), record.Responses...)
		out = append(out, record)
	}
	return out
}
