package handle

import "slices"

// Emoji names of the reactions that show how a request ended. They are visible even where
// a channel collapses messages. A pending request has none.
const (
	ReactionApproved  = "white_check_mark"
	ReactionFailed    = "warning" // approved, but the stack was rolled back
	ReactionRejected  = "x"
	ReactionExpired   = "hourglass"
	ReactionWithdrawn = "leftwards_arrow_with_hook"
	ReactionBypassed  = "rotating_light"
)

// Reaction returns the reaction that the message should have; empty for none.
func (r Request) Reaction() string {
	switch {
	case r.Bypass != nil:
		return ReactionBypassed
	case r.State() == Approved && r.Ended != nil && !r.Ended.Succeeded():
		return ReactionFailed
	case r.State() == Approved, r.grantStands():
		return ReactionApproved
	case r.State() == Rejected:
		return ReactionRejected
	case r.State() == Expired:
		return ReactionExpired
	case r.State() == Withdrawn:
		return ReactionWithdrawn
	}
	return ""
}

// grantStands reports whether an expired launch was approved for relaunch and that
// approval was used or is still valid.
func (r Request) grantStands() bool {
	if r.State() != Expired || r.Grant == nil {
		return false
	}
	state := r.grantState()
	return state == "used" || state == "given"
}

// EarlierReactions returns the reactions to remove. It includes some that are not on
// record, because Slack's answer to adding them may have been lost.
func (r Request) EarlierReactions() []string {
	var list []string
	switch r.Reaction() {
	case ReactionBypassed:
		list = []string{ReactionApproved, ReactionFailed, ReactionRejected, ReactionExpired, ReactionWithdrawn}
	case ReactionFailed:
		list = []string{ReactionApproved}
	case ReactionApproved:
		if r.State() == Expired {
			list = []string{ReactionExpired}
		}
	case ReactionExpired:
		if r.Grant != nil && !r.Grant.At.IsZero() {
			list = []string{ReactionApproved}
		}
	}
	if root, ok := r.Root(); ok && root.Reaction != "" && root.Reaction != r.Reaction() && !slices.Contains(list, root.Reaction) {
		list = append(list, root.Reaction)
	}
	return list
}

// MarkReacted records the reaction on m, whether Slack took it or refuses it for good.
func (r Request) MarkReacted(m Message, reaction string) Request {
	r = r.clearAttempts(Step{Kind: StepReact})
	for i := range r.Messages {
		if stored := &r.Messages[i]; stored.Channel == m.Channel && stored.TS == m.TS {
			stored.Reaction = reaction
		}
	}
	return r
}
