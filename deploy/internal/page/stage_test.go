package page

import (
	"hash/maphash"
	"testing"
	"time"

	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// Whatever is drawn is part of the digest, so that no change goes unseen; the
// seconds are not, so that a page where nothing happens is left alone.
func TestDigest(t *testing.T) {
	p := &Page{seed: maphash.MakeSeed()}
	base := scene{
		Now:      sampleTime,
		Stacks:   []fakecfn.Stack{{ID: "1", Events: []fakecfn.Event{{ID: "a"}}}},
		Requests: []handle.Request{asked(1)},
	}
	for _, test := range []struct {
		name   string
		change func(*scene)
		same   bool
	}{
		{"nothing", func(*scene) {}, true},
		{"a few seconds", func(s *scene) { s.Now = s.Now.Add(59 * time.Second) }, true},
		{"a minute", func(s *scene) { s.Now = s.Now.Add(time.Minute) }, false},
		{"skipped time", func(s *scene) { s.Skipped = time.Minute }, false},
		{"another stack", func(s *scene) { s.Stacks = append(s.Stacks, fakecfn.Stack{ID: "2"}) }, false},
		{"another event", func(s *scene) { s.Stacks[0].Events = []fakecfn.Event{{ID: "b"}, {ID: "a"}} }, false},
		{"a vote", func(s *scene) { s.Requests = []handle.Request{approved(asked(1), ann)} }, false},
		{"a mail", func(s *scene) { s.Letters = []letter{{}} }, false},
		{"a message in Slack", func(s *scene) { s.Slack++ }, false},
		{"a mark beside a button", func(s *scene) { s.Presses++ }, false},
		{"an outage", func(s *scene) { s.Weather.Down = true }, false},
		{"a limit", func(s *scene) { s.Weather.Limit = 1 }, false},
	} {
		changed := base
		changed.Stacks = []fakecfn.Stack{base.Stacks[0]}
		test.change(&changed)
		if same := p.digest(changed) == p.digest(base); same != test.same {
			t.Errorf("%s: the scene looks the same: got %v, want %v", test.name, same, test.same)
		}
	}
}

func TestStageTellsOfOtherScenesOnly(t *testing.T) {
	s := newStage()
	_, changed := s.latest()
	s.show(scene{digest: 1})
	select {
	case <-changed:
	default:
		t.Error("another scene: nobody is told")
	}
	_, changed = s.latest()
	s.show(scene{digest: 1, Now: sampleTime})
	select {
	case <-changed:
		t.Error("the same scene: everybody is told")
	default:
	}
	if got, _ := s.latest(); !got.Now.Equal(sampleTime) {
		t.Errorf("the latest scene is of %v, want %v", got.Now, sampleTime)
	}
	if s.watched() {
		t.Error("nobody watches, and it is watched")
	}
	leave := s.enter()
	again := s.enter()
	leave()
	leave()
	if !s.watched() {
		t.Error("one of two has left, twice: nobody watches")
	}
	again()
	if s.watched() {
		t.Error("both have left, and it is watched")
	}
}
