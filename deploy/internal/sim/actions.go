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

// do lets somebody act. Where there is nothing to act on, nothing happens.
func (s *play) do(a Act) {
	if s.dead {
		return
	}
	switch a.Kind {
	case Launches:
		s.launch(a)
	case Approves:
		s.press(a, handle.Approve)
	case Rejects:
		s.press(a, handle.Reject)
	case Stale:
		s.pressStale(a)
	case Forges:
		s.forge(a)
	case Replays:
		s.replay(a)
	case Submits:
		s.submit(a)
	case Leaves:
		if v, ok := s.world.Slack.Modal(a.Who); ok {
			_, _ = s.world.Slack.CloseView(a.Who, v.ID) // not while Slack is down
		}
	case Follows:
		s.follow(a)
	case Steals:
		l, ok := s.choose(a)
		for _, other := range s.stacks {
			if other.borrowed != "" { // who names another's request means to get by with it
				l = other
			}
		}
		if ok {
			_, _ = s.world.PutWaitHandle(context.Background(), l.stack) // refused once the URL has expired
		}
	case Deletes:
		if l, ok := s.choose(a); ok {
			_ = s.world.CloudFormation.DeleteStack(l.stack) // refused during a rollback
		}
	case Erases:
		if s.look(); len(s.seen) > 0 {
			m := s.seen[a.A%len(s.seen)]
			s.erase(m)
			_ = s.world.Slack.DeleteMessage(m.ChannelID, m.TS) // gone already
		}
	case Delivers:
		s.feed()
		s.deliver(a.A)
	case Redeliver:
		if len(s.events) > 0 {
			event := s.events[a.A%len(s.events)]
			q := queued{event: event, label: read(event).label(), at: s.now()}
			s.tell("  %s", q.label)
			s.invoke(q)
		}
	case Sweeps:
		s.invoke(queued{event: scheduled, label: sweep})
	case Restarts:
		s.restart()
	case Passes:
		if s.depth == 0 {
			s.pass(a.D)
			return
		}
		s.skip(a.D)
	case SlackDown:
		s.world.Slack.SetDown(true)
		s.slackBack = s.now().Add(a.D)
	case MailDown:
		s.mailBack = s.now().Add(a.D)
	case StoreDown:
		s.storeBack = s.now().Add(a.D)
	}
}

var scheduled = []byte(`{"detail-type":"Scheduled Event","source":"aws.events"}`)

// skip lets time pass while functions stand still in the midst of a call, but
// not so long that CloudFormation gives up waiting for one of them.
func (s *play) skip(d time.Duration) {
	const patience = 50 * time.Minute // less than the hour that a custom resource has
	s.feed()                          // what is about to be asked counts too
	now := s.now()
	for _, ask := range s.asks {
		if age := now.Sub(ask.sent); !ask.answered && age < time.Hour && age+d > patience {
			return
		}
	}
	s.world.Clock.Advance(d)
	s.stood += d
	s.bringBack()
	s.feed()
}

// choose chooses a launch.
func (s *play) choose(a Act) (launched, bool) {
	if len(s.stacks) == 0 {
		return launched{}, false
	}
	return s.stacks[a.A%len(s.stacks)], true
}

func (s *play) launch(a Act) {
	p := drawn(a.A, a.B)
	if p.borrows {
		p.borrowed = s.approved()
	}
	if s.plan.World.MailOnly {
		p.approvals = 1 // mail cannot tell people apart
	}
	t, err := p.template()
	if err != nil {
		s.breaks("the world runs", "%v", err)
		return
	}
	l := sandbox.Launch{Template: t, Name: fmt.Sprintf("queue-%d", len(s.stacks)), Parameters: map[string]string{"UserEmail": "rita@example.com"}}
	if p.fails {
		l.Failures = map[string]string{behindGate: "the queue failed"}
	}
	stack, err := s.world.Launch(l)
	if err != nil {
		s.breaks("the world runs", "%v", err)
		return
	}
	s.tell("  %+v", p)
	s.stacks = append(s.stacks, launched{stack, p})
}

// approved is the ID of a request that was approved, of another stack than any to
// come; empty if there is none.
func (s *play) approved() string {
	for _, id := range s.order {
		if r := s.store.records[id]; r.State() == handle.Approved {
			return id
		}
	}
	return ""
}

// look remembers the messages with buttons.
func (s *play) look() {
	if v := s.world.Slack.Version(); v == s.version {
		return
	} else {
		s.version = v
	}
	for _, m := range s.world.Slack.Messages(sandbox.Channel) {
		if key := m.ChannelID + m.TS; !s.known[key] && len(m.Buttons()) > 0 {
			s.known[key] = true
			s.seen = append(s.seen, m)
		}
	}
}

// busy reports whether a click would wait for long at this moment: for the same
// answer of Slack as another, or in the midst of a call for a store that is
// down. Here nobody goes on meanwhile.
func (s *play) busy() bool {
	return s.looking[s.generation] > 0 || s.depth > 0 && !s.storeBack.IsZero()
}

// press presses a button that is shown now.
func (s *play) press(a Act, verdict handle.Verdict) {
	if s.look(); s.busy() || len(s.seen) == 0 {
		return
	}
	m := s.seen[a.A%len(s.seen)]
	s.speak(a.Who, m, verdict)
	hushed, heard := s.hushed, len(s.world.Slack.Ephemerals(a.Who))
	i, err := s.world.Slack.ClickButton(a.Who, m.ChannelID, m.TS, string(verdict))
	if err != nil {
		s.tell("  %v", err)
		return
	}
	s.recorded = append(s.recorded, i)
	if verdict == handle.Approve && s.hushed == hushed && !i.Failed && s.assured(a.Who, heard) {
		s.checkHeard(a.Who, m)
	}
}

// assured reports whether what the person has heard since then, if anything,
// says that it counts.
func (s *play) assured(who string, since int) bool {
	for _, m := range s.world.Slack.Ephemerals(who)[since:] {
		if !strings.HasPrefix(m.Text, "Recorded.") {
			return false
		}
	}
	return true
}

// speak notes what somebody is about to say.
func (s *play) speak(who string, m slacktest.Message, verdict handle.Verdict) {
	for _, b := range m.Buttons() {
		if t, err := handle.ParseTicket(b.Value); err == nil && t.Verdict == verdict && verdict == handle.Approve {
			s.said[ballot{t.ID, who, verdict}] = true
		}
	}
}

func verdictOf(n int) handle.Verdict {
	if n%3 == 0 {
		return handle.Reject
	}
	return handle.Approve
}

// pressStale presses a button of a message as it was when it was posted.
func (s *play) pressStale(a Act) {
	if s.look(); s.busy() || len(s.seen) == 0 {
		return
	}
	s.pressSeen(a, s.seen[a.A%len(s.seen)])
}

// neverPosted is the ts of the message that forge presses on.
const neverPosted = "1700000000.000100"

// forge presses a button on a message that was never posted.
func (s *play) forge(a Act) {
	if s.busy() || len(s.order) == 0 {
		return
	}
	r := s.store.records[s.order[a.A%len(s.order)]]
	r.Decision = nil
	blocks, err := json.Marshal(blocks.Message(r).Blocks)
	if err != nil {
		return
	}
	m := slacktest.Message{ChannelID: sandbox.Channel, TS: neverPosted, UserID: sandbox.BotUser, Blocks: blocks}
	s.erase(m) // as good as
	s.pressSeen(a, m)
}

// erase notes that a message is not there, so that it may be posted once more.
func (s *play) erase(m slacktest.Message) {
	s.erased[m.ChannelID+m.TS] = true
	for _, b := range m.Buttons() {
		if t, err := handle.ParseTicket(b.Value); err == nil {
			s.erased[t.ID] = true
			delete(s.posted, t.ID+" "+root)
		}
	}
}

func (s *play) pressSeen(a Act, m slacktest.Message) {
	verdict := verdictOf(a.B)
	s.tell("  %s", verdict)
	s.speak(a.Who, m, verdict)
	i, err := s.world.Slack.ClickStale(a.Who, m, string(verdict))
	if err != nil {
		s.tell("  %v", err)
		return
	}
	s.recorded = append(s.recorded, i)
}

func (s *play) replay(a Act) {
	if s.busy() || len(s.recorded) == 0 {
		return
	}
	s.world.Slack.Replay(s.recorded[a.A%len(s.recorded)])
}

// submit submits the form that the person has open.
func (s *play) submit(a Act) {
	v, ok := s.world.Slack.Modal(a.Who)
	if !ok || s.busy() {
		return
	}
	var from struct{ Ticket string }
	if json.Unmarshal([]byte(v.PrivateMetadata), &from) == nil {
		if t, err := handle.ParseTicket(from.Ticket); err == nil {
			s.said[ballot{t.ID, a.Who, t.Verdict}] = true
		}
	}
	reason := []string{"not this week", "too dear <!here>", "x", "  "}[a.A%4]
	i, err := s.world.Slack.Submit(a.Who, v.ID, map[string]map[string]string{"reason": {"reason": reason}})
	if err != nil {
		s.tell("  %v", err)
		return
	}
	s.recorded = append(s.recorded, i)
}

var mailedLink = regexp.MustCompile(`(http\S+/decide/(v1\.[^.\s]+\.[a-z]+)\.\S+)\s+Code: (\d{6})`)

// follow opens a mailed link, and mostly fills in its form.
func (s *play) follow(a Act) {
	var links [][]string
	for _, m := range s.world.Mail.Messages() {
		links = append(links, mailedLink.FindAllStringSubmatch(m.Text, -1)...)
	}
	if len(links) == 0 {
		return
	}
	link := links[a.A%len(links)]
	if s.busy() {
		return
	}
	ticket, err := handle.ParseTicket(link[2])
	if err != nil {
		s.breaks("mailed links work", "%v", err)
		return
	}
	if a.B%4 == 0 {
		s.browse(http.MethodGet, link[1], "")
		return
	}
	name, code := []string{"Admin", "Another admin"}[a.B/4%2], link[3]
	if a.B/8%6 == 0 {
		code = "000000"
	}
	if code == link[3] {
		s.said[ballot{ticket.ID, name, ticket.Verdict}] = true
	}
	reason := "by mail"
	if a.B/48%3 == 0 {
		reason = " "
	}
	s.tell("  %s as %s", ticket.Verdict, name)
	s.browse(http.MethodPost, link[1], url.Values{"name": {name}, "code": {code}, "reason": {reason}}.Encode())
}

func (s *play) browse(method, target, form string) {
	req, err := http.NewRequest(method, target, strings.NewReader(form))
	if err != nil {
		s.breaks("mailed links work", "%v", err)
		return
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := s.client.Do(req)
	if err != nil {
		return // the bot could not be reached
	}
	_ = res.Body.Close()
}
