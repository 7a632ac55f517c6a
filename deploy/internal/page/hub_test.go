package page

import (
	"hash/maphash"
	"testing"
	"time"

	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// The digest covers everything that is rendered, but not the seconds, so that an
// idle page is not updated.
func TestDigest(t *testing.T) {
	p := &Page{seed: maphash.MakeSeed()}
	base := snapshot{
		Now:      sampleTime,
		Stacks:   []fakecfn.Stack{{ID: "1", Events: []fakecfn.Event{{ID: "a"}}}},
		Requests: []handle.Request{pending(1)},
	}
	for _, test := range []struct {
		name   string
		change func(*snapshot)
		same   bool
	}{
		{"nothing", func(*snapshot) {}, true},
		{"a few seconds", func(s *snapshot) { s.Now = s.Now.Add(59 * time.Second) }, true},
		{"a minute", func(s *snapshot) { s.Now = s.Now.Add(time.Minute) }, false},
		{"skipped time", func(s *snapshot) { s.Skipped = time.Minute }, false},
		{"a new stack", func(s *snapshot) { s.Stacks = append(s.Stacks, fakecfn.Stack{ID: "2"}) }, false},
		{"a new event", func(s *snapshot) { s.Stacks[0].Events = []fakecfn.Event{{ID: "b"}, {ID: "a"}} }, false},
		{"a vote", func(s *snapshot) { s.Requests = []handle.Request{approved(pending(1), ann)} }, false},
		{"a mail", func(s *snapshot) { s.Mails = []mail{{}} }, false},
		{"a message in Slack", func(s *snapshot) { s.SlackVersion++ }, false},
		{"a button error", func(s *snapshot) { s.ButtonErrorsVersion++ }, false},
		{"an outage", func(s *snapshot) { s.Outage.Down = true }, false},
		{"a limit", func(s *snapshot) { s.Outage.RateLimited = 1 }, false},
	} {
		changed := base
		changed.Stacks = []fakecfn.Stack{base.Stacks[0]}
		test.change(&changed)
		if same := p.digest(changed) == p.digest(base); same != test.same {
			t.Errorf("%s: same digest: got %v, want %v", test.name, same, test.same)
		}
	}
}

func TestHubNotifiesOfChangesOnly(t *testing.T) {
	s := newHub()
	_, changed := s.latest()
	s.publish(snapshot{digest: 1})
	select {
	case <-changed:
	default:
		t.Error("a different snapshot: no notification")
	}
	_, changed = s.latest()
	s.publish(snapshot{digest: 1, Now: sampleTime})
	select {
	case <-changed:
		t.Error("an equal snapshot: notification")
	default:
	}
	if got, _ := s.latest(); !got.Now.Equal(sampleTime) {
		t.Errorf("the latest snapshot is of %v, want %v", got.Now, sampleTime)
	}
	if s.hasSubscribers() {
		t.Error("no subscriber, but hasSubscribers is true")
	}
	leave := s.subscribe()
	again := s.subscribe()
	leave()
	leave()
	if !s.hasSubscribers() {
		t.Error("one of two subscribers left, twice: hasSubscribers is false")
	}
	again()
	if s.hasSubscribers() {
		t.Error("both subscribers left, but hasSubscribers is true")
	}
}
