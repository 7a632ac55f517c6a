package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// do carries out one action. It does nothing if there is nothing to act on.
func (s *simulation) do(a Action) {
	if s.stopped {
		return
	}
	switch a.Kind {
	case Launch:
		s.launch(a)
	case ClickApprove:
		s.click(a, handle.Approve)
	case ClickReject:
		s.click(a, handle.Reject)
	case ClickOldMessage:
		s.clickOldMessage(a)
	case ClickForged:
		s.clickForged(a)
	case ResendClick:
		s.resendClick(a)
	case SubmitModal:
		s.submitModal(a)
	case CloseModal:
		if v, ok := s.sandbox.Slack.Modal(a.Who); ok {
			_, _ = s.sandbox.Slack.CloseView(a.Who, v.ID) // fails while Slack is down
		}
	case FollowMailLink:
		s.followMailLink(a)
	case PutWaitHandle:
		l, ok := s.choose(a)
		for _, other := range s.stacks {
			if other.borrowedID != "" { // the requester who names another request tries to use it
				l = other
			}
		}
		if ok {
			_, _ = s.sandbox.PutWaitHandle(context.Background(), l.stack) // refused once the URL has expired
		}
	case DeleteStack:
		if l, ok := s.choose(a); ok {
			_ = s.sandbox.CloudFormation.DeleteStack(l.stack) // refused during a rollback
		}
	case UpdateStack:
		s.update(a)
	case CancelUpdate:
		if l, ok := s.choose(a); ok {
			_ = s.sandbox.CancelUpdate(l.stack) // refused unless an update is in progress
		}
	case Relaunch:
		s.relaunch(a)
	case ClickRelaunch:
		s.clickGrant(a, handle.Approve)
	case ClickRevoke:
		s.clickGrant(a, handle.Revoke)
	case Ask:
		s.act(a, askAction)
	case Answer:
		s.act(a, answerAction)
	case StartReview:
		s.act(a, reviewAction)
	case StopReview:
		s.act(a, stopReviewAction)
	case Reassign:
		s.act(a, reassignAction)
	case Withdraw:
		s.act(a, withdrawAction)
	case Nudge:
		s.act(a, nudgeAction)
	case List:
		s.list(a)
	case OpenHome:
		s.openHome(a)
	case ClickInView:
		s.clickInView(a)
	case DeleteMessage:
		if s.rememberMessages(); len(s.messages) > 0 {
			m := s.messages[a.A%len(s.messages)]
			s.noteDeleted(m)
			_ = s.sandbox.Slack.DeleteMessage(m.ChannelID, m.TS) // fails if it is deleted already
		}
	case DeleteThread:
		if s.rememberMessages(); len(s.messages) > 0 {
			s.deleteThread(s.messages[a.A%len(s.messages)])
		}
	case DeliverEvent:
		s.tick()
		s.deliver(a.A)
	case RedeliverEvent:
		if len(s.handledEvents) > 0 {
			event := s.handledEvents[a.A%len(s.handledEvents)]
			q := queuedEvent{event: event, label: read(event).label(), at: s.now()}
			s.log("  %s", q.label)
			s.invoke(q)
		}
	case ForgeEvent:
		s.forge(a)
	case ThrottleReads:
		s.throttleReads(a.D)
	case ThrottleLookups:
		s.lookupsBack = s.now().Add(a.D)
	case RunSweep:
		s.invoke(queuedEvent{event: sweepEvent, label: sweep})
	case Restart:
		s.restart()
	case PassTime:
		if s.depth == 0 {
			s.advance(a.D)
			return
		}
		s.freeze(a.D)
	case SlackDown:
		s.sandbox.Slack.SetDown(true)
		s.slackBack = s.now().Add(a.D)
	case MailDown:
		s.mailBack = s.now().Add(a.D)
	case StoreDown:
		s.storeBack = s.now().Add(a.D)
	}
}

// throttleReads makes CloudFormation's API refuse to answer for a while.
func (s *simulation) throttleReads(d time.Duration) {
	s.sandbox.CloudFormation.SetThrottled(true)
	s.readsBack = s.now().Add(d)
}

// as returns the ID under which a person acts: in a Grid, one of two.
func (s *simulation) as(a Action) string {
	if s.plan.Env.Grid != nil && strings.HasPrefix(a.Who, "U") && a.B/7%2 == 0 {
		return sandbox.OrgID(a.Who)
	}
	return a.Who
}

// person returns a person's ID in the workspace.
func person(id string) string {
	if rest, ok := strings.CutPrefix(id, "W0"); ok {
		return "U0" + rest
	}
	return id
}

var sweepEvent = []byte(`{"detail-type":"Scheduled Event","source":"aws.events"}`)

// freeze lets time pass while functions are frozen inside a call, but not so long
// that CloudFormation times out a custom resource.
func (s *simulation) freeze(d time.Duration) {
	const longest = 50 * time.Minute // a custom resource has an hour
	s.tick()                         // requests that are due now count too
	now := s.now()
	for _, ask := range s.requests {
		if age := now.Sub(ask.sent); !ask.answered && age < time.Hour && age+d > longest {
			return
		}
	}
	s.sandbox.Clock.Advance(d)
	s.frozen += d
	s.disturbed = s.now()
	s.endOutages()
	s.tick()
}

// choose picks a launch.
func (s *simulation) choose(a Action) (launchedStack, bool) {
	if len(s.stacks) == 0 {
		return launchedStack{}, false
	}
	return s.stacks[a.A%len(s.stacks)], true
}

func (s *simulation) launch(a Action) {
	p := drawProduct(a.A, a.B)
	if p.borrowsRequest {
		p.borrowedID = s.approvedRequest()
	}
	if s.plan.Env.MailOnly {
		p.approvals = 1 // mail cannot tell people apart
	}
	if s.plan.Env.Grid != nil {
		p.inGrid(a.B)
	}
	t, err := p.template()
	if err != nil {
		s.violation(works, "the simulation runs", "%v", err)
		return
	}
	l := sandbox.Launch{Template: t, Name: fmt.Sprintf("queue-%d", len(s.stacks)), Parameters: map[string]string{"UserEmail": "rita@example.com"}}
	if a.B/7%4 == 0 { // an approver launches, under their own name or another
		l.Requester = "ann@example.com"
		l.Parameters["UserEmail"] = []string{"ann@example.com", "rita@example.com", "no-one@example.com"}[a.B/28%3]
	}
	if a.B/7%4 == 1 && a.B/28%3 == 0 { // Slack knows no one of that name
		l.Requester = "no-one@example.com"
	}
	s.throttleLaunch(a.A / 2560)
	if p.fails {
		l.Failures = map[string]string{behindGate: "the queue failed"}
	}
	stack, err := s.sandbox.Launch(l)
	if err != nil {
		s.violation(works, "the simulation runs", "%v", err)
		return
	}
	s.log("  %+v", p)
	s.launched(stack, p, l)
}

// throttleLaunch is what a requester does who wants to stay unknown: they use up
// the limits of CloudFormation's API or Slack's look-ups as they launch.
func (s *simulation) throttleLaunch(n int) {
	d := []time.Duration{time.Second, 10 * time.Second, 10 * time.Minute}[n/16%3]
	switch n % 16 {
	case 0, 1:
		s.throttleReads(d)
	case 2, 3:
		s.lookupsBack = s.now().Add(d)
	case 4:
		s.throttleReads(d)
		s.lookupsBack = s.now().Add(d)
	default:
		return
	}
	s.log("  with reads throttled until %s and look-ups until %s", s.readsBack.Sub(start), s.lookupsBack.Sub(start))
}

// approvedRequest returns the ID of an approved request, for a later stack to
// misuse; empty if there is none.
func (s *simulation) approvedRequest() string {
	for _, id := range s.order {
		if r := s.store.records[id]; r.State() == handle.Approved {
			return id
		}
	}
	return ""
}

// rememberMessages keeps a copy of each message with buttons.
func (s *simulation) rememberMessages() {
	if v := s.sandbox.Slack.Version(); v == s.version {
		return
	} else {
		s.version = v
	}
	for _, m := range s.sandbox.Slack.Messages(sandbox.Channel) {
		if key := m.ChannelID + m.TS; !s.seenMessages[key] && len(m.ButtonsIn("decide")) > 0 {
			s.seenMessages[key] = true
			s.messages = append(s.messages, m)
		}
	}
}

// clickWouldBlock reports whether a click would wait without end: for a Slack lookup
// that another click has begun, or inside a call for a store that is down. The
// run does one thing at a time, so neither could finish meanwhile.
func (s *simulation) clickWouldBlock() bool {
	return s.lookups[s.generation] > 0 || s.depth > 0 && !s.storeBack.IsZero()
}

// click clicks a button that is shown now.
func (s *simulation) click(a Action, verdict handle.Verdict) {
	if s.rememberMessages(); s.clickWouldBlock() || len(s.messages) == 0 {
		return
	}
	m := s.messages[a.A%len(s.messages)]
	s.noteAnswer(a.Who, m, verdict)
	lost, seen := s.clicksLost, len(s.sandbox.Slack.Ephemerals(a.Who))
	might := s.mayVoteOnAll(a.Who)
	i, err := s.sandbox.Slack.ClickButton(s.as(a), m.ChannelID, m.TS, string(verdict))
	if err != nil {
		s.log("  %v", err)
		return
	}
	s.recorded = append(s.recorded, i)
	if might {
		s.checkRefusal(a.Who, seen)
	}
	if verdict == handle.Approve && s.clicksLost == lost && !i.Failed && s.saysRecorded(a.Who, seen) {
		s.checkClickResult(a.Who, m)
	}
}

// recordedPrefix starts the private reply to a person whose vote is recorded.
var recordedPrefix, _, _ = strings.Cut(blocks.Recorded(handle.Request{}), " ")

// saysRecorded reports whether each ephemeral message to the person since then, if
// any, says that the vote is recorded.
func (s *simulation) saysRecorded(who string, since int) bool {
	for _, m := range s.sandbox.Slack.Ephemerals(who)[since:] {
		if !strings.HasPrefix(m.Text, recordedPrefix) {
			return false
		}
	}
	return true
}

// noteAnswer notes the answer that a person is about to give.
func (s *simulation) noteAnswer(who string, m slacktest.Message, verdict handle.Verdict) {
	for _, b := range m.ButtonsIn("decide") {
		if t, err := handle.ParseTicket(b.Value); err == nil && t.Verdict == verdict && verdict == handle.Approve {
			s.answered[answer{t.ID, who, verdict}] = true
		}
	}
}

func verdictOf(n int) handle.Verdict {
	if n%3 == 0 {
		return handle.Reject
	}
	return handle.Approve
}

// clickOldMessage clicks a button of a message as it was first shown.
func (s *simulation) clickOldMessage(a Action) {
	if s.rememberMessages(); s.clickWouldBlock() || len(s.messages) == 0 {
		return
	}
	s.clickOld(a, s.messages[a.A%len(s.messages)])
}

// neverPosted is the ts of the message that clickForged clicks.
const neverPosted = "1700000000.000100"

// clickForged clicks a button on a message that was never posted.
func (s *simulation) clickForged(a Action) {
	if s.clickWouldBlock() || len(s.order) == 0 {
		return
	}
	r := s.store.records[s.order[a.A%len(s.order)]]
	r.Decision = nil
	content, err := json.Marshal(blocks.Message(r).Blocks)
	if err != nil {
		return
	}
	m := slacktest.Message{ChannelID: sandbox.Channel, TS: neverPosted, UserID: sandbox.BotUser, Blocks: content}
	s.noteDeleted(m) // to the bot it looks like a deleted message
	s.clickOld(a, m)
}

// deleteThread deletes a message and its replies, as an administrator can.
func (s *simulation) deleteThread(m slacktest.Message) {
	now, _ := s.sandbox.Slack.Message(m.ChannelID, m.TS)
	for _, reply := range now.Replies {
		s.deleted[reply.ChannelID+reply.TS] = true
		_ = s.sandbox.Slack.DeleteMessage(reply.ChannelID, reply.TS) // it is there
	}
	s.noteDeleted(m)
	_ = s.sandbox.Slack.DeleteMessage(m.ChannelID, m.TS) // fails if it is deleted already
}

// noteDeleted notes that a message does not exist, so that it may be posted again.
func (s *simulation) noteDeleted(m slacktest.Message) {
	s.deleted[m.ChannelID+m.TS] = true
	if s.deletedAt[m.ChannelID+m.TS].IsZero() {
		s.deletedAt[m.ChannelID+m.TS] = s.now()
	}
	for _, b := range m.ButtonsIn("decide") {
		if t, err := handle.ParseTicket(b.Value); err == nil {
			s.deleted[t.ID] = true
			delete(s.posted, t.ID+" "+rootKey)
		}
	}
}

func (s *simulation) clickOld(a Action, m slacktest.Message) {
	verdict := verdictOf(a.B)
	s.log("  %s", verdict)
	s.noteAnswer(a.Who, m, verdict)
	i, err := s.sandbox.Slack.ClickStale(s.as(a), m, string(verdict))
	if err != nil {
		s.log("  %v", err)
		return
	}
	s.recorded = append(s.recorded, i)
}

func (s *simulation) resendClick(a Action) {
	if s.clickWouldBlock() || len(s.recorded) == 0 {
		return
	}
	s.sandbox.Slack.Replay(s.recorded[a.A%len(s.recorded)])
}

// submitModal submits the modal that the person has open.
func (s *simulation) submitModal(a Action) {
	v, ok := s.sandbox.Slack.Modal(a.Who)
	if !ok || s.clickWouldBlock() {
		return
	}
	if v.CallbackID != blocks.RejectModal {
		s.submitForm(a)
		return
	}
	s.noteSubmission(a.Who, v)
	reason := []string{"not this week", "too dear <!here>", "x", "  "}[a.A%4]
	i, err := s.sandbox.Slack.Submit(s.as(a), v.ID, map[string]map[string]string{"reason": {"reason": reason}})
	s.interacted(a, i, err)
}

var mailedLink = regexp.MustCompile(`(http\S+/decide/(v1\.[^.\s]+\.[a-z]+)\.\S+)\s+Code: (\d{6})`)

// followMailLink opens a mailed link and usually submits its form.
func (s *simulation) followMailLink(a Action) {
	var links [][]string
	for _, m := range s.sandbox.Mail.Messages() {
		links = append(links, mailedLink.FindAllStringSubmatch(m.Text, -1)...)
	}
	if len(links) == 0 {
		return
	}
	link := links[a.A%len(links)]
	if s.clickWouldBlock() {
		return
	}
	ticket, err := handle.ParseTicket(link[2])
	if err != nil {
		s.violation(works, "mailed links work", "%v", err)
		return
	}
	if a.B%4 == 0 {
		s.request(http.MethodGet, link[1], "")
		return
	}
	name, code := []string{"Admin", "Another admin"}[a.B/4%2], link[3]
	if a.B/8%6 == 0 {
		code = "000000"
	}
	if code == link[3] {
		s.answered[answer{ticket.ID, name, ticket.Verdict}] = true
	}
	reason := "by mail"
	if a.B/48%3 == 0 {
		reason = " "
	}
	s.log("  %s as %s", ticket.Verdict, name)
	s.request(http.MethodPost, link[1], url.Values{"name": {name}, "code": {code}, "reason": {reason}}.Encode())
}

func (s *simulation) request(method, target, form string) {
	req, err := http.NewRequest(method, target, strings.NewReader(form))
	if err != nil {
		s.violation(works, "mailed links work", "%v", err)
		return
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := s.client.Do(req)
	if err != nil {
		return // the bot was unreachable
	}
	_ = res.Body.Close()
}
