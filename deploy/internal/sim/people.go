package sim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/laws"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// What people do to a request besides voting, by the action_id of its button.
const (
	askAction        = "ask"
	answerAction     = "answer"
	reviewAction     = "reviewing"
	stopReviewAction = "stopreviewing"
	reassignAction   = "reassign"
	withdrawAction   = "withdraw"
	nudgeAction      = "nudge"
)

// forms are the actions that a click does not do yet, since it opens a form.
var forms = []string{askAction, answerAction, reassignAction, withdrawAction}

// rememberButtons keeps a copy of each message with a button of people's actions, in
// the channel and in direct messages. A slow client shows it for as long as it likes.
func (s *simulation) rememberButtons() (now map[string][]slacktest.Message) {
	now = map[string][]slacktest.Message{}
	var add func(messages []slacktest.Message)
	add = func(messages []slacktest.Message) {
		for _, m := range messages {
			for _, b := range m.Buttons() {
				if !slices.Contains(peoplesActions, b.ActionID) {
					continue
				}
				now[b.ActionID] = append(now[b.ActionID], m)
				if key := b.Value + " " + m.ChannelID + m.TS; !s.seenButtons[key] {
					s.seenButtons[key] = true
					s.buttons[b.ActionID] = append(s.buttons[b.ActionID], m)
				}
			}
			add(m.Replies)
		}
	}
	add(s.sandbox.Slack.Messages(sandbox.Channel))
	for _, who := range []string{sandbox.Rita, sandbox.Ann} { // who launch
		add(s.sandbox.Slack.DMs(who))
	}
	return now
}

var peoplesActions = append([]string{reviewAction, stopReviewAction, nudgeAction}, forms...)

// act clicks a button of that action, also one that the person cannot see, or that is
// not shown any more. Usually the person then submits the form that it opens.
func (s *simulation) act(a Action, id string) {
	if s.clickWouldBlock() {
		return
	}
	shown := s.rememberButtons()[id]
	if len(shown) == 0 || a.B%6 == 0 {
		shown = s.buttons[id]
	}
	if len(shown) == 0 {
		return
	}
	m := shown[a.A%len(shown)]
	for _, b := range m.Buttons() {
		if b.ActionID == id {
			s.noteClick(a.Who, b)
		}
	}
	i, err := s.sandbox.Slack.ClickStale(s.as(a), m, id)
	s.interacted(a, i, err)
	if err == nil && i.Opened != nil && a.B/6%5 > 0 {
		s.submitForm(a)
	}
}

// interacted notes an interaction. The functions' answer must be one that Slack takes.
func (s *simulation) interacted(a Action, i slacktest.Interaction, err error) {
	if err != nil {
		s.log("  %v", err)
		return
	}
	s.recorded = append(s.recorded, i)
	if i.Err == nil && i.Status == http.StatusOK && i.Took <= 3*time.Second && i.Failed {
		s.violation(works, "Slack accepts each answer", "%s: %s %s", a, i.Notice, i.Body)
	}
}

// noteClick notes what a person does by clicking b.
func (s *simulation) noteClick(who string, b slacktest.Button) {
	if t, err := handle.ParseTicket(b.Value); err == nil && t.Verdict != handle.Reject {
		s.answered[answer{t.ID, who, t.Verdict}] = true
	} else if id, ok := requestIn(b.Value); ok && !slices.Contains(forms, b.ActionID) {
		s.answered[answer{id, who, handle.Verdict(b.ActionID)}] = true
	}
}

// requestIn returns the request that a button's value names.
func requestIn(value string) (id string, ok bool) {
	parts := strings.Split(value, ".")
	if len(parts) < 3 || parts[0] != "v1" {
		return "", false
	}
	return parts[1], true
}

// formInput is a block of a form, mostly an input.
type formInput struct {
	Type    string
	BlockID string `json:"block_id"`
	Element struct {
		Type     string
		ActionID string `json:"action_id"`
		Options  []struct{ Value string }
	}
}

var typed = []string{"for the queue of the month", "why <!channel> & <@U0BOB>?", "x", "  "}

// submitForm fills in and submits the form that the person has open.
func (s *simulation) submitForm(a Action) {
	v, ok := s.sandbox.Slack.Modal(a.Who)
	if !ok || v.Submit == "" || s.clickWouldBlock() {
		return
	}
	var inputs []formInput
	if err := json.Unmarshal(v.Blocks, &inputs); err != nil {
		s.violation(works, "a form can be filled in", "%v", err)
		return
	}
	values := map[string]map[string]string{}
	for n, in := range inputs {
		if in.Type != "input" {
			continue
		}
		text := typed[(a.A+n)%len(typed)]
		if len(in.Element.Options) > 0 {
			var chosen []string
			for k, o := range in.Element.Options {
				if k == a.A%len(in.Element.Options) || a.B>>k&1 == 0 {
					chosen = append(chosen, o.Value)
				}
			}
			text = strings.Join(chosen, ",")
		}
		values[in.BlockID] = map[string]string{in.Element.ActionID: text}
	}
	s.noteSubmission(a.Who, v)
	i, err := s.sandbox.Slack.Submit(s.as(a), v.ID, values)
	s.interacted(a, i, err)
}

// noteSubmission notes what a person does by submitting v.
func (s *simulation) noteSubmission(who string, v slacktest.View) {
	var from struct{ Ticket string }
	if json.Unmarshal([]byte(v.PrivateMetadata), &from) != nil {
		return
	}
	if t, err := handle.ParseTicket(from.Ticket); err == nil {
		s.answered[answer{t.ID, who, t.Verdict}] = true
	} else if id, ok := requestIn(from.Ticket); ok {
		s.answered[answer{id, who, handle.Verdict(v.CallbackID)}] = true
	}
	if v.CallbackID != blocks.BatchReviewModal {
		return
	}
	var shown []formInput
	_ = json.Unmarshal(v.Blocks, &shown) // Slack has accepted them
	for _, b := range shown {
		if id, listed := strings.CutPrefix(b.BlockID, "request/"); listed {
			s.answered[answer{id, who, handle.Approve}] = true
		}
	}
}

// list runs /approvals.
func (s *simulation) list(a Action) {
	if s.clickWouldBlock() {
		return
	}
	text := []string{"", "mine", "all", "waiting", "all queue", "help", `all "queue`}[a.A%7]
	i, err := s.sandbox.Slack.Command(s.as(a), sandbox.Channel, "/approvals", text)
	s.interacted(a, i, err)
}

// openHome opens the Home tab.
func (s *simulation) openHome(a Action) {
	if s.clickWouldBlock() {
		return
	}
	i, err := s.sandbox.Slack.OpenHome(s.as(a))
	if err != nil {
		s.log("  %v", err)
		return
	}
	s.checkHome(a.Who, i)
}

// clickInView clicks a button in a modal, in the Home tab or in the last list that the
// person sees, and submits a form that it opens.
func (s *simulation) clickInView(a Action) {
	if s.clickWouldBlock() {
		return
	}
	type clickable struct {
		slacktest.Button
		at slacktest.Target
	}
	var list []clickable
	home := ""
	add := func(buttons []slacktest.Button, at slacktest.Target) {
		for _, b := range buttons {
			at.BlockID, at.ActionID = b.BlockID, b.ActionID
			list = append(list, clickable{b, at})
		}
	}
	if v, ok := s.sandbox.Slack.Modal(a.Who); ok {
		add(v.Buttons(), slacktest.Target{ViewID: v.ID})
	}
	if v, ok := s.sandbox.Slack.Home(a.Who); ok && len(list) == 0 {
		add(v.Buttons(), slacktest.Target{ViewID: v.ID})
		home = v.ID
	}
	if seen := s.sandbox.Slack.Ephemerals(a.Who); len(seen) > 0 {
		m := seen[len(seen)-1]
		add(m.Buttons(), slacktest.Target{ChannelID: m.ChannelID, TS: m.TS})
	}
	if len(list) == 0 {
		return
	}
	c := list[a.A%len(list)]
	s.log("  %s", c.Text)
	s.noteClick(a.Who, c.Button)
	i, err := s.sandbox.Slack.Click(s.as(a), c.at)
	s.interacted(a, i, err)
	switch {
	case err == nil && i.Opened != nil && a.B%5 > 0:
		s.submitForm(a)
		s.submitForm(a) // what was chosen together is reviewed, and confirmed
	case err == nil && c.at.ViewID == home && home != "" && c.ActionID == string(handle.Approve):
		s.checkHome(a.Who, i)
	}
}

// checkHome checks that the Home tab, as it was just published, shows the person what
// waits for them, and offers to decide nothing else.
func (s *simulation) checkHome(who string, i slacktest.Interaction) {
	quiet := s.plan.Env.Faults == 0 && s.plan.Env.Interleaving == 0 && s.slackBack.IsZero() && s.storeBack.IsZero()
	v, ok := s.sandbox.Slack.Home(who)
	if !ok || !quiet || i.Err != nil || i.Failed || s.plan.Env.AskedID {
		return
	}
	offered := map[string]bool{}
	for _, b := range v.Buttons() {
		if t, err := handle.ParseTicket(b.Value); err == nil && t.Verdict == handle.Approve {
			offered[t.ID] = true
		}
	}
	for _, r := range s.records() {
		if r.State() != handle.Pending || r.Stack.Unverified || !r.Requester.LookedUp || !s.now().Before(r.Terms.Deadline) {
			continue
		}
		voted := slices.ContainsFunc(r.Votes, func(v handle.Vote) bool { return person(v.By.ID) == who })
		if want := s.checker.MayVote(r, who) && !voted; offered[r.ID] != want {
			s.violation(laws.BindsPerson, "the Home tab offers what waits for its person, and nothing else", "%s: offered to %s: %v, want %v", short(r.ID), who, offered[r.ID], want)
		}
	}
}
