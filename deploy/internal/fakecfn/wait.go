package fakecfn

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/deploy/gate"
)

// maxWaitTimeout is the longest Timeout of a wait condition, in seconds: 12 hours.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-waitcondition.html
const maxWaitTimeout = 43200

// handle is a wait condition handle at run time.
type handle struct {
	r         *resource
	key       string
	signals   []string    // bodies in the order received
	listeners []*resource // wait conditions in progress
}

// Signal is a body that was PUT to a wait handle, whether or not a wait condition used it.
type Signal struct {
	Handle   string // the handle's logical ID
	Received time.Time
	Body     string
}

// waitState is the state of a wait condition in progress.
type waitState struct {
	handle *handle
	count  int
	data   gate.Object // Data by UniqueId, in the order received
}

// openHandle creates a handle's URL.
func (e *Engine) openHandle(r *resource) {
	h := &handle{r: r, key: r.stack.id + "/" + e.cfg.NewID() + "/" + r.def.LogicalID}
	e.targets[h.key] = uploadTarget{handle: h}
	r.physicalID = e.signer.url(h.key, e.now, handleURLValidity)
	e.setResourceStatus(r, CreateInProgress, initiated)
	r.done = true
}

// startWait starts a wait condition's timeout and counts earlier signals.
func (e *Engine) startWait(r *resource) {
	if r.properties.Get("Handle") == nil { // it has a CreationPolicy instead, which is taken as fulfilled
		r.physicalID = r.stack.id + "/" + r.def.LogicalID
		e.setResourceStatus(r, CreateInProgress, initiated)
		r.done = true
		return
	}
	w, timeout, reason := e.readWait(r)
	if reason != "" {
		e.fail(r, reason)
		return
	}
	r.wait = w
	r.physicalID = w.handle.key
	e.setResourceStatus(r, CreateInProgress, initiated)
	if w.count == 0 {
		r.wait, r.data, r.done = nil, &w.data, true
		return
	}
	e.timers.set(r, e.now.Add(seconds(timeout)))
	w.handle.listeners = append(w.handle.listeners, r)
	for _, body := range w.handle.signals {
		if r.wait == nil {
			return
		}
		e.countSignal(r, body)
	}
	for _, sender := range w.handle.senders() {
		if sender.status == CreateComplete {
			e.fulfil(r, sender)
		}
	}
}

// senders returns the plain resources that signal a handle: see Config.ScriptsSignal.
func (h *handle) senders() []*resource {
	var all []*resource
	st := h.r.stack
	if !st.engine.cfg.ScriptsSignal {
		return nil
	}
	for _, i := range st.instance.NeededBy(h.r.def) {
		switch r := st.resources[i]; r.kind {
		case gate.KindCustom:
			return nil
		case gate.KindPlain:
			all = append(all, r)
		}
	}
	return all
}

// signalHandles sends the signals of a plain resource that has been created.
func (e *Engine) signalHandles(r *resource) {
	for _, i := range r.stack.instance.Needs(r.def) {
		needed := r.stack.resources[i]
		if needed.kind != gate.KindHandle {
			continue
		}
		u, err := url.Parse(needed.physicalID)
		if err != nil {
			continue
		}
		h := e.targets[strings.TrimPrefix(u.Path, "/")].handle
		if h == nil || !slices.Contains(h.senders(), r) {
			continue
		}
		for _, wait := range slices.Clone(h.listeners) {
			e.fulfil(wait, r)
		}
	}
}

// fulfil sends all signals that a wait condition still needs.
func (e *Engine) fulfil(wait, sender *resource) {
	for n := 0; wait.wait != nil; n++ {
		e.countSignal(wait, `{"Status":"SUCCESS","UniqueId":"`+sender.def.LogicalID+strconv.Itoa(n)+`","Data":"","Reason":""}`)
	}
}

// readWait reads a wait condition's properties. The reasons are in own words.
func (e *Engine) readWait(r *resource) (w *waitState, timeout int, reason string) {
	u, err := url.Parse(gate.Text(r.properties.Get("Handle")))
	if err != nil {
		return nil, 0, "Invalid wait condition handle"
	}
	d := e.targets[strings.TrimPrefix(u.Path, "/")]
	if d.handle == nil {
		return nil, 0, "Invalid wait condition handle"
	}
	timeout, err = strconv.Atoi(gate.Text(r.properties.Get("Timeout")))
	if err != nil || timeout < 0 || timeout > maxWaitTimeout {
		return nil, 0, "Timeout must be a number of seconds between 0 and 43200"
	}
	w = &waitState{handle: d.handle, count: 1}
	if v := r.properties.Get("Count"); v != nil {
		if w.count, err = strconv.Atoi(gate.Text(v)); err != nil || w.count < 0 {
			return nil, 0, "Count must be a number of at least 0"
		}
	}
	return w, timeout, ""
}

// receiveSignal records a signal and passes it to the wait conditions in progress.
func (e *Engine) receiveSignal(h *handle, body string) {
	st := h.r.stack
	st.signals = append(st.signals, Signal{Handle: h.r.def.LogicalID, Received: e.now.UTC(), Body: body})
	h.signals = append(h.signals, body)
	for _, r := range append([]*resource(nil), h.listeners...) {
		if r.wait != nil {
			e.countSignal(r, body)
			e.run(r.stack)
		}
	}
}

// signal is the body of a signal.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html
type signal struct {
	status, uniqueID, data, reason string
}

// readSignal parses a body; ok is false if CloudFormation would call it unparsable.
func readSignal(body string) (s signal, ok bool) {
	var fields map[string]json.RawMessage // names are case-sensitive; encoding/json ignores case in struct fields
	if json.Unmarshal([]byte(body), &fields) != nil {
		return signal{}, false
	}
	for _, f := range []struct {
		name string
		into *string
	}{{"Status", &s.status}, {"UniqueId", &s.uniqueID}, {"Data", &s.data}, {"Reason", &s.reason}} {
		if raw, there := fields[f.name]; there && json.Unmarshal(raw, f.into) != nil {
			return signal{}, false
		}
	}
	return s, (s.status == "SUCCESS" || s.status == "FAILURE") && s.uniqueID != ""
}

// countSignal counts a signal. A known UniqueId is a retransmission.
func (e *Engine) countSignal(r *resource, body string) {
	s, ok := readSignal(body)
	if !ok {
		e.fail(r, "Unparsable WaitCondition data")
		return
	}
	if r.wait.data.Get(s.uniqueID) != nil {
		return
	}
	if s.status == "FAILURE" {
		e.fail(r, "WaitCondition received failed message: '"+s.reason+"' for uniqueId: "+s.uniqueID)
		return
	}
	r.wait.data.Set(s.uniqueID, s.data)
	if r.wait.data.Len() < r.wait.count {
		return
	}
	r.data = &r.wait.data
	e.stopListening(r)
	e.completeResource(r)
}

func (e *Engine) waitTimedOut(r *resource) {
	got, want := r.wait.data.Len(), r.wait.count
	e.fail(r, "WaitCondition timed out. Received "+strconv.Itoa(got)+" conditions when expecting "+strconv.Itoa(want))
}

// stopListening ends a wait condition: it ignores later signals.
func (e *Engine) stopListening(r *resource) {
	if r.wait == nil {
		return
	}
	h := r.wait.handle
	for i, other := range h.listeners {
		if other == r {
			h.listeners = append(h.listeners[:i:i], h.listeners[i+1:]...)
			break
		}
	}
	r.wait = nil
}
