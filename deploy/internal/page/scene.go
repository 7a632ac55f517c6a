package page

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"countersign/deploy/internal/fakecfn"
	"countersign/handle"
)

// scene is the world at one moment, as far as it is the same for everybody.
type scene struct {
	Now      time.Time
	Skipped  time.Duration
	Stacks   []fakecfn.Stack  // the oldest first
	Requests []handle.Request // the newest first
	Letters  []letter         // the newest first
	Weather  weather
	Slack    uint64 // version of the workspace
	Presses  uint64 // version of the marks beside buttons

	digest uint64 // of all that is drawn
}

// maxShown bounds how many requests the record pane shows: the newest.
const maxShown = 50

// look reads the scene.
func (p *Page) look(ctx context.Context) (scene, error) {
	s := scene{
		Now: p.world.Clock.Now(), Skipped: p.world.Clock.Offset(),
		Stacks: p.world.CloudFormation.Stacks(), Letters: lettersOf(p.world.Mail),
		Weather: p.sky.now(), Slack: p.world.Slack.Version(), Presses: p.failed.version(),
	}
	for r, err := range p.store.Since(ctx, time.Time{}) {
		if err != nil {
			return scene{}, fmt.Errorf("couldn't read the requests: %w", err)
		}
		s.Requests = append(s.Requests, r)
	}
	slices.Reverse(s.Requests)
	s.Requests = s.Requests[:min(len(s.Requests), maxShown)]
	s.digest = p.digest(s)
	return s, nil
}

// digest is different for scenes that look different. What the panes say of the
// time changes with the minute; the clock itself is sent apart.
func (p *Page) digest(s scene) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	enc := json.NewEncoder(&h)
	_ = enc.Encode(s.Stacks) // cannot fail: plain structs into a hash
	_ = enc.Encode(s.Requests)
	_ = enc.Encode([]any{
		s.Now.Truncate(time.Minute).Unix(), int64(s.Skipped.Minutes()), len(s.Letters), s.Weather, s.Slack, s.Presses,
	})
	return h.Sum64()
}

// deadline is when the pending request that closes first does; zero if none is
// pending.
func (s scene) deadline() time.Time {
	var first time.Time
	for _, r := range s.Requests {
		if d := r.Terms.Deadline; r.State() == handle.Pending && (first.IsZero() || d.Before(first)) {
			first = d
		}
	}
	return first
}
