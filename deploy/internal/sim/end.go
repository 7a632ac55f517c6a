package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"countersign/bot/blocks"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// checkStep holds the world against the laws between two steps, when no
// function is at work. A record that is as it was, in a Slack that is as it was,
// need not be looked at again.
func (s *play) checkStep() {
	for _, id := range s.order {
		r := s.store.records[id]
		state := looked{r.Rev, s.world.Slack.Version()}
		if s.dead || s.looked[id] == state {
			continue
		}
		s.looked[id] = state
		if r.Signal != nil && r.Decision == nil {
			s.breaks("signalled is what is decided", "%s is pending and marked as signalled", short(id))
		}
		for _, m := range r.Messages {
			if m.Shown == r.ViewHash() && !s.stale[m.Channel+m.TS] {
				s.checkMessage(r, m)
			}
		}
	}
}

// checkMessage: what is marked as shown is shown.
func (s *play) checkMessage(r handle.Request, m handle.Message) {
	got, ok := s.world.Slack.Message(m.Channel, m.TS)
	if !ok || got.Deleted {
		return // by somebody
	}
	if live := len(got.Buttons()) > 0; live != (r.State() == handle.Pending) {
		s.breaks("messages show the truth", "%s is %s, and buttons shown are %v", short(r.ID), r.State(), live)
	}
	want := blocks.Message(r)
	if got.Text != want.Text {
		s.breaks("messages show the truth", "%s: it says %q, and ought to say %q", short(r.ID), got.Text, want.Text)
	}
	shown, blocks := givenID.ReplaceAll(got.Blocks, nil), marshal(want.Blocks)
	if !bytes.Equal(shown, blocks) {
		s.breaks("messages show the truth", "%s: its blocks are\n%s\nand ought to be\n%s", short(r.ID), shown, blocks)
	}
}

// givenID matches the IDs that Slack gives to blocks that have none.
var givenID = regexp.MustCompile(`"block_id":"b[0-9A-Z]+",`)

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of values that are marshalled all the time
	}
	return text
}

// checkEnd holds the world against the laws after all is healed and enough time
// has passed for everything that is owed.
func (s *play) checkEnd() {
	for _, id := range s.order {
		s.checkSettled(s.store.records[id])
	}
	for _, id := range s.order {
		r := s.store.records[id]
		s.tell("at the end %s is %s; its history:", short(id), r.State())
		for _, e := range r.Events {
			s.tell("  %s %s %s %s", e.At.Sub(start), e.Kind, e.By.Name, e.Text)
		}
	}
	for _, m := range s.world.Slack.Messages(sandbox.Channel) {
		if len(m.Buttons()) > 0 {
			s.breaks("messages show the truth", "everything is decided, and %s has buttons still, also after a click", m.TS)
		}
	}
	for _, l := range s.stacks {
		stack, _ := s.world.CloudFormation.Stack(l.stack)
		s.checkStack(l, stack)
	}
	for _, id := range slices.Sorted(maps.Keys(s.asks)) {
		if ask := s.asks[id]; !ask.answered {
			s.breaks("CloudFormation is always answered", "%s was not", ask.label())
		}
	}
	for _, text := range s.world.Check(context.Background(), &s.store.memory) {
		if strings.Contains(text, "each event is told once") {
			continue // see saying, which knows when it may be told twice
		}
		if strings.Contains(text, `"This message was deleted."`) || strings.Contains(text, "a message has buttons") && len(s.erased) > 0 {
			continue
		}
		s.breaks("the world's own check", "%s", text)
	}
}

func (s *play) checkSettled(r handle.Request) {
	name := short(r.ID)
	if due := r.Due(s.now()); len(due) > 0 {
		s.breaks("nothing is owed for ever", "%s still owes %s", name, due[0].Key())
	}
	if r.Decision == nil {
		s.breaks("every request is decided", "%s is not", name)
		return
	}
	if r.Signal == nil {
		s.breaks("decided is signalled", "%s is not", name)
	} else if expires, ok := r.WaitURL.Expires(); r.Signal.Undeliverable != "" && (!ok || r.Signal.At.Before(expires)) {
		s.breaks("decided is signalled", "%s never was: %s", name, r.Signal.Undeliverable)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Attempts)) {
		try := r.Attempts[key]
		if gone := try.Reason == "thread_not_found" && s.erased[r.ID]; try.Abandoned && !gone {
			s.breaks("nothing is abandoned", "%s: %s after %d tries: %s", name, key, try.Count, try.Reason)
		}
	}
	for _, m := range r.Messages {
		s.checkMessage(r, m)
	}
}

// checkStack: nothing behind the gate exists without an approval of this very
// stack; where the template has no verdict, it is noticed.
func (s *play) checkStack(l launched, stack fakecfn.Stack) {
	if stack.Status.InProgress() {
		s.breaks("every launch comes to an end", "%s is %s", stack.Name, stack.Status)
	}
	created := stack.Resource(behindGate).Status != ""
	approved, bypassed := 0, false
	for _, id := range s.order {
		if r := s.store.records[id]; r.Stack.ID == l.stack {
			bypassed = bypassed || r.Bypass != nil
			if r.State() == handle.Approved {
				approved++
			}
		}
	}
	switch {
	case !created || approved >= l.gates:
	case l.verdict:
		s.breaks("nothing is created without an approval", "%s in %s was", behindGate, stack.Name)
	case stack.Status == fakecfn.CreateComplete && !bypassed:
		s.breaks("going round the gate is noticed", "%s went round", stack.Name)
	}
}
