package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"countersign/deploy/internal/laws"
)

// queuedEvent is one event to be delivered to the notifier.
type queuedEvent struct {
	event    []byte
	label    string
	at       time.Time
	attempts int
	mustFail bool // a forged event of a kind that the notifier must refuse
}

// lastTry is the number of the last delivery of an event, from 0. See
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
const lastTry = 2

var lambdaWaits = [lastTry]time.Duration{time.Minute, 2 * time.Minute}

const sweep = "sweep"

// document is the part of an event that the simulation reads.
type document struct {
	RequestType, RequestId, LogicalResourceId, StackId string

	ResourceProperties struct{ WaitUrl, RequestId string }
	Records            []struct{ Sns struct{ Message string } }
	Detail             struct {
		StackID string `json:"stack-id"`
		Status  struct {
			Status string `json:"status"`
		} `json:"status-details"`
	} `json:"detail"`
	DetailType string `json:"detail-type"`
}

func read(event []byte) (d document) {
	_ = json.Unmarshal(event, &d) // fakecfn writes valid JSON
	if len(d.Records) == 1 {
		return read([]byte(d.Records[0].Sns.Message))
	}
	return d
}

func (d document) label() string {
	switch {
	case d.RequestType != "":
		return d.RequestType + " " + d.LogicalResourceId
	case d.DetailType == "Scheduled Event":
		return sweep
	}
	return d.Detail.Status.Status
}

// cfnRequest is one custom resource request of CloudFormation.
type cfnRequest struct {
	document
	sent     time.Time
	answered bool // CloudFormation got the response
	waits    bool // the response was SUCCESS to a request for an approval
	dropped  bool // Lambda gave up on the event
}

// enqueue queues an event. At most one sweep is queued.
func (s *simulation) enqueue(event []byte) {
	d := read(event)
	label := d.label()
	if label == sweep {
		for _, q := range s.queue {
			if q.label == sweep {
				return
			}
		}
	} else {
		s.handledEvents = append(s.handledEvents, event)
	}
	if d.RequestId != "" && s.requests[d.RequestId] == nil {
		s.requests[d.RequestId] = &cfnRequest{document: d, sent: s.now()}
	}
	s.queue = append(s.queue, queuedEvent{event: event, label: label, at: s.now()})
}

// tick makes the sandbox do what is due and queues its events.
func (s *simulation) tick() {
	if err := s.sandbox.Run(context.Background()); err != nil {
		s.violation(works, "the simulation runs", "%v", err)
	}
}

// deliverAll delivers events until none is due.
func (s *simulation) deliverAll() {
	for range 1000 {
		s.tick()
		if s.stopped || !s.deliver(0) {
			return
		}
	}
	s.violation(works, "events come to an end", "an event is always due")
}

// deliver delivers one of the events that are due, chosen by k.
func (s *simulation) deliver(k int) bool {
	var due []int
	for i, q := range s.queue {
		if !q.at.After(s.now()) {
			due = append(due, i)
		}
	}
	if len(due) == 0 {
		return false
	}
	i := due[k%len(due)]
	q := s.queue[i]
	s.queue = append(s.queue[:i:i], s.queue[i+1:]...)
	if q.label != sweep {
		s.log("  %s: the notifier gets %s", s.time(), q.label)
	}
	switch {
	case s.invoke(q):
		return true
	case q.attempts == lastTry:
		if req := s.requests[read(q.event).RequestId]; req != nil {
			req.dropped = true
		}
		s.lostEvents[read(q.event).Detail.StackID] = true
		return true
	}
	q.at = s.now().Add(lambdaWaits[q.attempts])
	q.attempts++
	s.queue = append(s.queue, q)
	return true
}

// invoke invokes the notifier once. It reports whether the invocation succeeded.
func (s *simulation) invoke(q queuedEvent) bool {
	in := &invocation{kind: handling, generation: s.generation, attempts: q.attempts, startedAt: s.out.Calls, mustFail: q.mustFail}
	if q.label == sweep {
		in.attempts = 0
	}
	req, err := http.NewRequestWithContext(withInvocation(context.Background(), in), http.MethodPost, s.sandbox.InvokeURL, bytes.NewReader(q.event))
	if err != nil {
		return false
	}
	res, err := s.client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	if q.mustFail && res.StatusCode == http.StatusOK {
		s.violation(laws.EventUnproven, "the topic carries requests of other accounts only", "%s was handled", q.label)
	}
	return res.StatusCode == http.StatusOK && !in.dead
}
