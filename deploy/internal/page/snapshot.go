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

// snapshot is the state of the sandbox at one moment, except what depends on the
// viewer.
type snapshot struct {
	Now                 time.Time
	Skipped             time.Duration
	Stacks              []fakecfn.Stack  // the oldest first
	Requests            []handle.Request // the newest first
	Mails               []mail           // the newest first
	Outage              outage
	SlackVersion        uint64 // version of the workspace
	ButtonErrorsVersion uint64 // version of the button errors

	digest uint64 // of everything that is rendered
}

// maxShown is how many requests the record pane shows, newest first.
const maxShown = 50

// snapshot reads the current state.
func (p *Page) snapshot(ctx context.Context) (snapshot, error) {
	s := snapshot{
		Now: p.sandbox.Clock.Now(), Skipped: p.sandbox.Clock.Offset(),
		Stacks: p.sandbox.CloudFormation.Stacks(), Mails: mailsOf(p.sandbox.Mail),
		Outage: p.outage.get(), SlackVersion: p.sandbox.Slack.Version(), ButtonErrorsVersion: p.buttonErrors.version(),
	}
	for r, err := range p.store.Since(ctx, time.Time{}) {
		if err != nil {
			return snapshot{}, fmt.Errorf("couldn't read the requests: %w", err)
		}
		s.Requests = append(s.Requests, r)
	}
	slices.Reverse(s.Requests)
	s.Requests = s.Requests[:min(len(s.Requests), maxShown)]
	s.digest = p.digest(s)
	return s, nil
}

// digest differs for snapshots that render differently. The panes show time to
// the minute; the ticking clock is sent as an event of its own.
func (p *Page) digest(s snapshot) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	enc := json.NewEncoder(&h)
	_ = enc.Encode(s.Stacks) // cannot fail: plain structs into a hash
	_ = enc.Encode(s.Requests)
	_ = enc.Encode([]any{
		s.Now.Truncate(time.Minute).Unix(), int64(s.Skipped.Minutes()), len(s.Mails), s.Outage, s.SlackVersion, s.ButtonErrorsVersion,
	})
	return h.Sum64()
}

// deadline returns the earliest deadline of the pending requests, or the zero
// time if none is pending.
func (s snapshot) deadline() time.Time {
	var first time.Time
	for _, r := range s.Requests {
		if d := r.Terms.Deadline; r.State() == handle.Pending && (first.IsZero() || d.Before(first)) {
			first = d
		}
	}
	return first
}
