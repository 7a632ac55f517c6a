package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// queued is one event on its way to the notifier.
type queued struct {
	event []byte
	label string
	at    time.Time
	tries int
}

// lastTry is the number of the last delivery of an event, from 0. See
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
const lastTry = 2

var lambdaWaits = [lastTry]time.Duration{time.Minute, 2 * time.Minute}

const sweep = "sweep"

// document is as much of an event as the simulation must know.
type document struct {
	RequestType, RequestId, LogicalResourceId, StackId string

	ResourceProperties struct{ WaitUrl, RequestId string }
	Records            []struct{ Sns struct{ Message string } }
	Detail             struct {
		Status struct {
			Status string `json:"status"`
		} `json:"status-details"`
	} `json:"detail"`
	DetailType string `json:"detail-type"`
}

func read(event []byte) (d document) {
	_ = json.Unmarshal(event, &d) // the made CloudFormation writes them
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

// asked is one request of CloudFormation to a custom resource.
type asked struct {
	document
	sent     time.Time
	answered bool // it got a whole answer
}

// enqueue puts an event on its way. One sweep on its way is enough.
func (s *play) enqueue(event []byte) {
	d := read(event)
	label := d.label()
	if label == sweep {
		for _, q := range s.queue {
			if q.label == sweep {
				return
			}
		}
	} else {
		s.events = append(s.events, event)
	}
	if d.RequestId != "" && s.asks[d.RequestId] == nil {
		s.asks[d.RequestId] = &asked{document: d, sent: s.now()}
	}
	s.queue = append(s.queue, queued{event: event, label: label, at: s.now()})
}

// feed has the world do what the clock has made due, and takes over its events.
func (s *play) feed() {
	if err := s.world.Run(context.Background()); err != nil {
		s.breaks("the world runs", "%v", err)
	}
}

// pump delivers events until none is due.
func (s *play) pump() {
	for range 1000 {
		s.feed()
		if s.dead || !s.deliver(0) {
			return
		}
	}
	s.breaks("events come to an end", "they do not")
}

// deliver delivers the k-th of the events that are due.
func (s *play) deliver(k int) bool {
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
		s.tell("  %s: the notifier gets %s", s.time(), q.label)
	}
	if s.invoke(q) || q.tries == lastTry {
		return true
	}
	q.at = s.now().Add(lambdaWaits[q.tries])
	q.tries++
	s.queue = append(s.queue, q)
	return true
}

// invoke runs the notifier once. It reports whether Lambda is content.
func (s *play) invoke(q queued) bool {
	in := &invocation{kind: handling, generation: s.generation, tries: q.tries, begun: s.out.Calls}
	if q.label == sweep {
		in.tries = 0
	}
	req, err := http.NewRequestWithContext(invoked(context.Background(), in), http.MethodPost, s.world.InvokeURL, bytes.NewReader(q.event))
	if err != nil {
		return false
	}
	res, err := s.client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK && !in.dead
}
