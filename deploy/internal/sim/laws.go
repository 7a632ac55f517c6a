package sim

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/laws"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// works is not a law of the design: it covers the code and the simulation itself.
const works laws.Law = "the functions and the simulation run without errors"

// observations are what the simulation knows beyond the records and the
// services: which calls were made, which of them failed, and what that excuses.
type observations struct {
	order      []string        // IDs of requests in the order of creation
	posted     map[string]post // the last post of a text at a place, by postKey
	signalSent map[string]bool // requests whose signal was sent, whether or not it arrived
	decidedAt  map[string]int  // the number of the last call before the decision, by request
	markLost   map[string]int  // the number of the last call at which a mark may have been lost, by request
	frozen     time.Duration   // how long functions have been frozen inside calls, in all
	clicksLost int             // clicks whose answer may not have reached the person
	checked    [2]int          // counts of writes and Slack changes at the last checkStep

	outdated map[string]bool // messages last updated by a process that may have lost the lease, by channel and ts

	// Messages that a person deleted, and those that were clicked but never
	// posted: by channel and ts, and by request.
	deleted   map[string]bool
	deletedAt map[string]time.Time // of messages

	alarms     map[string]bool // bypass alarms in the functions' log, by stack
	lostEvents map[string]bool // stacks of which Lambda gave up on a status event

	disturbed time.Time       // when a call last failed or a function was last frozen
	unread    map[string]bool // stacks of which an Update was answered while the store failed
	failed    map[string]bool // CloudFormation's requests that were answered FAILED because the store failed
}

// post is one message as it was sent to Slack or mail.
type post struct {
	request     string
	call        int           // its number among all calls
	frozen      time.Duration // observations.frozen when its sender last wrote its lease
	responseBad bool          // the sender may not know that it was sent
}

func newObservations() observations {
	return observations{posted: map[string]post{}, signalSent: map[string]bool{}, markLost: map[string]int{}, decidedAt: map[string]int{}, outdated: map[string]bool{}, deleted: map[string]bool{}, deletedAt: map[string]time.Time{}, alarms: map[string]bool{}, failed: map[string]bool{}, unread: map[string]bool{}, lostEvents: map[string]bool{}}
}

// configureChecker sets up the sandbox's checker for this run. checkPost decides what may be
// sent twice, for it knows each call.
func (s *simulation) configureChecker() *laws.Checker {
	c := s.sandbox.Laws
	c.Answered = func(r handle.Request, v handle.Vote) bool {
		who := v.By.ID
		if v.Via == handle.ViaMail {
			who = v.By.Name
		}
		return s.answered[answer{r.ID, person(who), v.Verdict}]
	}
	c.Acted = func(r handle.Request, action, who string) bool {
		return s.answered[answer{r.ID, person(who), handle.Verdict(action)}]
	}
	c.Tolerance = laws.Tolerance{
		Frozen:   s.plan.Env.Freezes,
		AskedID:  s.plan.Env.AskedID,
		Copies:   maxInjected + 1,
		Deleted:  func(channel, ts string) bool { return s.deleted[channel+ts] },
		Outdated: func(channel, ts string) bool { return s.outdated[channel+ts] },
		Unheld:   s.unheld,
		Unread:   func(stackID string) bool { return s.unread[stackID] },
	}
	return c
}

// botCall names the call that brings a click to the bot.
const botCall = "the request to the bot"

// leaseSlack is how long a lease holder may be frozen without losing the lease: a
// step starts with half of the lease left.
const leaseSlack = handle.LeaseTime / 3

// leaseMayHaveLapsed reports whether the process that last wrote its lease when
// functions had been frozen for frozen may have lost it.
func (s *simulation) leaseMayHaveLapsed(frozen time.Duration) bool {
	return s.frozen-frozen >= leaseSlack
}

// noteFault notes a fault that excuses a second message: the mark of the first may
// not have been written.
func (s *simulation) noteFault(in *invocation, what string, i Injection) {
	switch {
	case i.Fault == "":
		return
	}
	s.disturbed = s.now()
	switch {
	case what == botCall:
		s.clicksLost++
	}
	if in != nil && (i.Fault == DiesBefore || i.Fault == DiesAfter || strings.HasPrefix(what, "store ")) {
		s.markLost[in.request] = s.out.Calls
		in.storeFailed = true
	}
}

// checkPost checks a message as it is sent: its sender holds the lease, and the
// message was not sent before, unless the answer to it or its mark may have been
// lost. key identifies the message; empty if sending it again does no harm.
func (s *simulation) checkPost(in *invocation, key string, i Injection) {
	if in == nil || in.kind == click || !i.done() {
		return
	}
	r, name, lapsed := s.store.records[in.request], short(in.request), s.leaseMayHaveLapsed(in.frozenAtLease)
	if !r.HeldBy(in.holder, s.now()) && !lapsed {
		s.violation(laws.RecordActMark, "only the lease holder sends messages", "%s: %q was sent without the lease", name, in.lastCall)
	}
	if key == "" {
		return
	}
	key = in.request + " " + key
	before, sent := s.posted[key]
	lapsed = lapsed || s.leaseMayHaveLapsed(before.frozen)
	if sent && !before.responseBad && !lapsed && s.markLost[before.request] <= before.call {
		s.violation(laws.RecordActMark, "each message is sent once", "%s: %q", name, key)
	}
	s.posted[key] = post{request: in.request, call: s.out.Calls, frozen: in.frozenAtLease, responseBad: i.Fault != ""}
}

// checkSignalFirst checks, as a message is sent by an invocation that knows of the
// decision, that the signal was sent before it.
func (s *simulation) checkSignalFirst(in *invocation, what string) {
	if in == nil || in.kind == click || in.decided == "" || in.decided != in.request {
		return
	}
	r := s.store.records[in.request]
	if _, required := r.SignalBody(); required && r.Signal == nil && !s.signalSent[r.ID] {
		s.violation(laws.Recovery, "the signal leaves before all messages", "%s: %s was sent first", short(r.ID), what)
	}
}

// noteUpdate notes whether a process that may have lost its lease updates a
// message. Slack has no conditional update, so the update can overwrite a newer
// view. The message shows the record again after the next refresh, at the latest
// when the stack has ended.
func (s *simulation) noteUpdate(in *invocation, form string, i Injection) {
	q, err := url.ParseQuery(form)
	if err != nil || in == nil || !i.done() {
		return
	}
	s.outdated[q.Get("channel")+q.Get("ts")] = in.kind != click && s.leaseMayHaveLapsed(in.frozenAtLease)
}

// postKey identifies what a call posts to Slack, and where. It is empty if a
// second post does no harm: Slack refuses it because there is no such thread, or it is
// in the thread of a deleted message, and sent again in the next one's. The text of a request's own message does not count, for it may change.
func (s *simulation) postKey(method, form string) string {
	if method != "chat.postMessage" {
		return ""
	}
	q, err := url.ParseQuery(form)
	if err != nil {
		return form
	}
	if thread := q.Get("thread_ts"); thread == neverPosted || thread != "" && s.deleted[q.Get("channel")+thread] {
		return ""
	}
	if q.Get("thread_ts") != "" || q.Get("channel") != sandbox.Channel {
		return q.Get("channel") + " " + q.Get("thread_ts") + " " + q.Get("text")
	}
	return rootKey
}

const rootKey = "the request's message"

func (s *simulation) checkSecret(where string, text []byte) {
	if laws.ContainsSecret(text) {
		s.violation(laws.Secrets, "no signed URL is shown", "one is in %s", where)
	}
}

// checkChange checks one write of a record at the moment it becomes durable.
func (s *simulation) checkChange(old, r handle.Request) {
	if old.ID == "" {
		s.order = append(s.order, r.ID)
	}
	s.log("    stored %s: revision %d, %s", short(r.ID), r.Rev, r.State())
	s.writes++
	if old.Decision == nil && r.Decision != nil {
		s.decidedAt[r.ID] = s.out.Calls
	}
	s.report(s.checker.CheckWrite(old, r, s.now()))
}

// checkStep checks the laws between two steps, when no function is running.
func (s *simulation) checkStep() {
	state := [2]int{s.writes, int(s.sandbox.Slack.Version())}
	if s.stopped || s.checked == state {
		return
	}
	s.checked = state
	s.report(s.checker.Check(s.records(), s.now()))
	for _, r := range s.records() {
		s.checkThread(r)
	}
}

// checkThread checks that nothing about a pending request was posted in the thread of
// a message that had been deleted before: a placeholder takes replies, but no one sees
// it as a question.
func (s *simulation) checkThread(r handle.Request) {
	if r.Decision != nil || s.plan.Env.Freezes { // frozen, a function may miss a deletion
		return
	}
	for _, key := range slices.Sorted(maps.Keys(r.Delivered)) {
		d := r.Delivered[key]
		m, ok := s.sandbox.Slack.Message(d.Channel, d.TS)
		deletedAt := s.deletedAt[m.ChannelID+m.ThreadTS]
		if ok && strings.HasPrefix(key, "reply/") && !shownToo(key) && !foundDeleted(r, deletedAt, d.At) && m.ThreadTS != "" && !deletedAt.IsZero() && d.At.After(deletedAt.Add(handle.LeaseTime)) {
			s.violation(laws.Recovery, "a deleted question is asked again", "%s: %s was posted in the thread of a deleted message", short(r.ID), key)
		}
	}
}

// foundDeleted reports whether it was found out since that the message was deleted: by the
// update that leaves side by side with a reply, as when a vote has made it due, or that
// had failed before it.
func foundDeleted(r handle.Request, deletedAt, replied time.Time) bool {
	return slices.ContainsFunc(r.Events, func(e handle.Event) bool {
		found := e.Kind == handle.EventFailed && e.Text == "refresh: the message was deleted"
		return found && !e.At.Before(deletedAt) && (e.Count > 0 || e.At.Before(replied.Add(5*time.Minute)))
	})
}

// shownToo reports whether what a reply says changes the request's message too. The reply
// then leaves side by side with the update that finds out, and the next message shows it.
func shownToo(key string) bool {
	kind := handle.Notification{Name: strings.TrimPrefix(key, "reply/")}.Kind()
	return slices.Contains([]string{handle.NotifyVote, handle.NotifyBypass, handle.NotifyQuestion, handle.NotifyAnswer, handle.NotifyReassigned, handle.NotifyEscalated}, kind)
}

func (s *simulation) records() []handle.Request {
	records := make([]handle.Request, len(s.order))
	for i, id := range s.order {
		records[i] = s.store.records[id]
	}
	return records
}

// checkEnd checks the laws after all faults are over and enough time has passed
// for everything that was due.
func (s *simulation) checkEnd() {
	for _, r := range s.records() {
		s.log("at the end %s is %s; its events:", short(r.ID), r.State())
		for _, e := range r.Events {
			s.log("  %s %s %s %s", e.At.Sub(start), e.Kind, e.By.Name, e.Text)
		}
	}
	s.checker.Tolerance.Outdated = nil
	s.report(s.checker.CheckEnd(s.records(), s.now(), func(r handle.Request) bool { return s.deleted[r.ID] }))
	s.report(s.sandbox.Check(context.Background(), &s.store.memory))
	for _, l := range s.stacks {
		stack, _ := s.sandbox.CloudFormation.Stack(l.stack)
		s.checkStack(l, stack)
		s.checkUpdates(l, stack)
	}
	for _, id := range slices.Sorted(maps.Keys(s.requests)) {
		req := s.requests[id]
		if r := s.store.records[handle.NewID(req.StackId, req.LogicalResourceId, id)]; !req.answered && !s.unheld(r) {
			s.violation(laws.AlwaysAnswered, "each custom resource request is answered", "%s was not", req.label())
		}
		if _, recorded := s.store.records[handle.NewID(req.StackId, req.LogicalResourceId, id)]; req.waits && !req.dropped && !recorded {
			s.violation(laws.RecordActMark, "a launch waits only for a stored request", "%s succeeded without one", req.LogicalResourceId)
		}
	}
}

// checkStack checks that no resource behind the gate was created without an
// approval of its own stack, and that a bypass of a template without a verdict is
// on record.
func (s *simulation) checkStack(l launchedStack, stack fakecfn.Stack) {
	created := stack.Resource(behindGate).Status != ""
	approved, bypassed, recorded := 0, false, false
	for _, r := range s.records() {
		if r.Stack.ID == l.stack {
			recorded, bypassed = true, bypassed || r.Bypass != nil
			if r.State() == handle.Approved {
				approved++
			}
		}
	}
	switch {
	case !created || approved >= l.gates:
	case l.verdict:
		s.violation(laws.SignalNoProof, "nothing behind a verdict is created without an approval", "%s in %s was", behindGate, stack.Name)
	case accountOf(l.stack) != sandbox.Account: // its end cannot be read
	case s.requestDropped(l.stack), !recorded && s.alarms[l.stack]: // there is no record to say it on
	case stack.Status == fakecfn.CreateComplete && !bypassed:
		s.violation(laws.SignalNoProof, "a bypass is recorded", "%s bypassed its gate", stack.Name)
	}
}

// requestDropped reports whether Lambda gave up on a request for an approval of the
// stack after CloudFormation had its answer.
func (s *simulation) requestDropped(stackID string) bool {
	for _, req := range s.requests {
		if req.StackId == stackID && req.dropped && req.ResourceProperties.WaitUrl != "" {
			return true
		}
	}
	return false
}

// checkClickResult checks that a person who clicked Approve, and saw no message or one that
// says "recorded", is on record with that vote.
func (s *simulation) checkClickResult(who string, m slacktest.Message) {
	for _, b := range m.ButtonsIn("decide") {
		t, err := handle.ParseTicket(b.Value)
		r, ok := s.store.records[t.ID]
		if err != nil || t.Verdict != handle.Approve || !ok {
			continue
		}
		voted := slices.ContainsFunc(r.Votes, func(v handle.Vote) bool { return person(v.By.ID) == who && v.Verdict == handle.Approve })
		if !voted {
			s.violation(laws.RecordActMark, "a click that seems to succeed is on record", "%s: %s clicked Approve and saw no error, and the vote is not on record", short(r.ID), who)
		}
	}
}

// notApproverPrefix starts the private reply to a person who is not an approver.
var notApproverPrefix, _, _ = strings.Cut(blocks.Mrkdwn.Refused(handle.Request{}, handle.RefusedNotApprover), ",")

// checkRefusal checks that a person who was refused as no approver, in a private
// message since then, may not approve some request. Where users.info returns the
// ID that was asked for, it may leave out the one that the template names.
func (s *simulation) checkRefusal(who string, since int) {
	for _, m := range s.sandbox.Slack.Ephemerals(who)[since:] {
		if s.plan.Env.AskedID || !strings.HasPrefix(m.Text, notApproverPrefix) {
			continue
		}
		if s.mayVoteOnAll(who) {
			s.violation(laws.BindsPerson, "approvers may vote, under each of their IDs", "%s was refused", who)
		}
	}
}

// mayVoteOnAll reports whether the person may decide every request.
func (s *simulation) mayVoteOnAll(who string) bool {
	return !slices.ContainsFunc(s.records(), func(r handle.Request) bool { return !s.checker.MayVote(r, who) })
}

// unheld reports whether the answer to the update of r may have come late, or not
// state the decision: a call failed after the decision was due, or the store failed
// when the event came again.
func (s *simulation) unheld(r handle.Request) bool {
	if r.Update == nil {
		return false
	}
	due := r.Terms.Deadline
	if r.Decision != nil && r.Decision.At.Before(due) {
		due = r.Decision.At
	}
	return !s.disturbed.Before(due) || s.failed[r.Update.RequestID]
}

// checkHeldAnswer checks the answer to an Update that has a request on record, as it
// is sent: by the bot, the notifier or the sweep.
func (s *simulation) checkHeldAnswer(req *cfnRequest, body []byte) {
	r, ok := s.store.records[handle.NewID(req.StackId, req.LogicalResourceId, req.RequestId)]
	var got handle.Response
	if !ok || r.Update == nil || json.Unmarshal(body, &got) != nil {
		return
	}
	s.signalSent[r.ID] = true
	status, _, _ := s.sandbox.CloudFormation.Status(req.StackId)
	waits := status == fakecfn.UpdateInProgress // otherwise the update was cancelled, and CloudFormation ignores the answer
	if got.Status == "SUCCESS" && waits && !laws.Approved(r, req.StackId) && !r.Update.RolledBack {
		s.violation(laws.BindsContent, "no update proceeds before it is approved", "%s is %s, and SUCCESS is sent", short(r.ID), r.State())
	}
	if !laws.StatesUpdate(r, got) && !s.failed[req.RequestId] {
		s.violation(laws.RecordActMark, "a signal states the recorded decision", "%s is %s, and %s %s is sent", short(r.ID), r.State(), got.Status, got.Reason)
	}
}

// checkSignal checks a signal as it is sent against the record.
func (s *simulation) checkSignal(body []byte) {
	var got handle.SignalBody
	err := json.Unmarshal(body, &got)
	r, ok := s.store.records[got.Data]
	if err != nil || !ok {
		s.violation(laws.RecordActMark, "a signal states the recorded decision", "a signal names no request")
		return
	}
	s.signalSent[r.ID] = true
	if !laws.StatesDecision(r, got) {
		s.violation(laws.RecordActMark, "a signal states the recorded decision", "%s is %s, and %s is sent", short(r.ID), r.State(), got.Status)
	}
}

// checkAnswer checks an answer to CloudFormation as it is sent against the record.
func (s *simulation) checkAnswer(in *invocation, path string, body []byte, arrives bool) {
	s.checkSecret("an answer to CloudFormation", body)
	var a struct{ Status, RequestId, Reason, PhysicalResourceId, StackId, LogicalResourceId string }
	err := json.Unmarshal(body, &a)
	if path != "/"+a.StackId+"|"+a.LogicalResourceId+"|"+a.RequestId {
		s.violation(laws.EventUnproven, "an answer goes to the place of its own request", "%q", path)
	}
	if in != nil && in.mustFail {
		s.violation(laws.EventUnproven, "the topic carries requests of other accounts only", "one is answered: %s", a.Status)
	}
	if strings.HasPrefix(a.RequestId, forgedPrefix) {
		s.log("    answers the forged event with %s %s", a.Status, a.Reason)
		return
	}
	req := s.requests[a.RequestId]
	if err != nil || req == nil || len(body) > 4096 {
		s.violation(laws.AlwaysAnswered, "CloudFormation can read each answer", "%d bytes, for request %q", len(body), a.RequestId)
		return
	}
	s.log("    answers %s with %s %s", req.label(), a.Status, a.Reason)
	req.answered = req.answered || arrives
	if in != nil && in.storeFailed && a.Status == "FAILED" {
		s.failed[a.RequestId] = true
	}
	if req.RequestType == "Update" && in != nil && (in.storeFailed || in.unread) {
		s.unread[a.StackId] = true
	}
	s.checkHeldAnswer(req, body)
	id := req.ResourceProperties.RequestId
	opens := laws.Approved(s.store.records[id], req.StackId)
	if req.RequestType == "Create" && id != "" && a.Status == "SUCCESS" && !opens {
		s.violation(laws.SignalNoProof, "only an approval of its own stack opens a verdict", "%s is %s", short(id), s.store.records[id].State())
	}
	approved := opens && in != nil && s.decidedAt[id] <= in.startedAt
	if req.RequestType == "Create" && id != "" && a.Status != "SUCCESS" && approved && !in.storeFailed {
		s.violation(laws.SignalNoProof, "an approval opens the verdict", "%s is approved, and its verdict failed: %s", short(id), a.Reason)
	}
	_, recorded := s.store.records[a.PhysicalResourceId]
	mayFollow := in != nil && in.unread || req.waits || accountOf(a.StackId) != sandbox.Account // recorded once the answer is accepted
	status, _, _ := s.sandbox.CloudFormation.Status(a.StackId)
	req.waits = status == fakecfn.CreateInProgress && (req.waits || arrives && req.RequestType == "Create" && id == "" && a.Status == "SUCCESS")
	if req.RequestType == "Create" && id == "" && a.Status == "SUCCESS" && !recorded && !mayFollow {
		s.violation(laws.RecordActMark, "a launch waits only for a stored request", "%s succeeded without one", req.LogicalResourceId)
	}
	if req.RequestType == "Delete" && a.Status != "SUCCESS" {
		s.violation(laws.AlwaysAnswered, "Delete always succeeds", "%s failed: %s", req.LogicalResourceId, a.Reason)
	}
}
