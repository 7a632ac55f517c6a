package handle

import (
	"maps"
	"strings"
	"time"
)

// Attempts remembers the failed attempts at one step. Those of StepWatch and
// StepCheck include answers that the stack operation is still in progress.
type Attempts struct {
	Count       int       `json:"n"`
	Since       time.Time `json:"since,omitzero"` // the first of them
	NotBefore   time.Time `json:"notBefore"`      // when to try again
	Reason      string    `json:"why,omitempty"`
	RateLimited bool      `json:"limited,omitempty"`   // the last one was only asked to wait
	Refusals    int       `json:"refusals,omitempty"`  // of them, those with Failure.Refused
	Abandoned   bool      `json:"abandoned,omitempty"` // it will not be tried again
}

// Failure is how an attempt at a step failed.
type Failure struct {
	Reason      string        // short, for the record; must contain no secret
	RetryAfter  time.Duration // the least time to wait, if the other side gave one (Retry-After)
	RateLimited bool          // the other side works and only asks to wait (429)
	Refused     bool          // the service refused the call, maybe permanently
	Permanent   bool          // trying again is useless
}

const (
	maxRefusals = 5 // so many count as permanent: the last comes 2.5 minutes after the first

	firstBackoff = 10 * time.Second
	maxBackoff   = 10 * time.Minute
	watchBackoff = time.Hour // the longest, for StepWatch

	checkAfter = 2 * time.Minute // how long after an update was seen in progress it is checked again

	notifyFor = 24 * time.Hour // how long people are notified: after the end of the request or, if later, the first failed attempt
	watchFor  = 72 * time.Hour // how long after the end of the request CloudFormation is asked
)

// RecordFailure records a failed attempt at s and sets the time of the next one,
// with exponential backoff. It abandons the step if the failure is permanent, if it
// was refused several times, or if the next attempt would come too late to be of use. An abandoned signal is
// marked as undeliverable.
func (r Request) RecordFailure(s Step, f Failure, now time.Time) Request {
	failed := r.Attempts[s.Key()]
	if failed.Abandoned || s.Kind == StepSignal && r.Signal != nil {
		return r
	}
	r = r.Clone()
	if failed.Count++; failed.Since.IsZero() {
		failed.Since = now
	}
	failed.Reason, failed.RateLimited = Truncate(f.Reason, 200), f.RateLimited
	longest := maxBackoff
	if s.Kind == StepWatch || s.Kind == StepCheck {
		longest = watchBackoff
	}
	failed.NotBefore = now.Add(max(backoff(failed.Count, longest), f.RetryAfter))
	if f.RateLimited {
		failed.NotBefore = now.Add(max(firstBackoff, f.RetryAfter))
	}
	if f.Refused {
		failed.Refusals++
	}
	failed.Abandoned = f.Permanent || failed.Refusals >= maxRefusals || failed.NotBefore.After(r.lastAttemptAt(s, failed))
	r.setAttempts(s, failed)
	if s.Kind == StepSignal && failed.Abandoned {
		return r.MarkSignalled(failed.Reason, now)
	}
	if failed.Abandoned {
		r = r.appendEvent(Event{At: now, Kind: EventAbandoned, Text: s.Key() + ": " + failed.Reason})
	}
	return r.appendEvent(Event{At: now, Kind: EventFailed, Text: s.Key() + ": " + failed.Reason})
}

// StillInProgress records that CloudFormation was asked and the stack operation
// has not ended, and sets when to ask again.
func (r Request) StillInProgress(now time.Time) Request {
	return r.askAgain(StepWatch, watchAfter, watchBackoff, now)
}

// UpdateInProgress records that a reported update has not ended, and sets when to
// check it again. Waiting for its end is not a failure.
func (r Request) UpdateInProgress(now time.Time) Request {
	return r.askAgain(StepCheck, checkAfter, maxBackoff, now)
}

func (r Request) askAgain(kind StepKind, shortest, longest time.Duration, now time.Time) Request {
	s := Step{Kind: kind}
	asked := r.Attempts[s.Key()]
	if asked.Abandoned {
		return r
	}
	r = r.Clone()
	asked.Count++
	asked.NotBefore = now.Add(max(shortest, backoff(asked.Count, longest)))
	if asked.NotBefore.After(r.lastAttemptAt(s, asked)) {
		asked.Abandoned = true
		r = r.appendEvent(Event{At: now, Kind: EventAbandoned, Text: s.Key() + ": the stack has not ended in " + watchFor.String()})
	}
	r.setAttempts(s, asked)
	return r
}

// lastAttemptAt returns until when s is worth trying. A signal is until its URL
// expires. Other steps have a fixed time after the end of the request or, if
// later, after their first failure: a message that is found long after the end
// still gets refreshed.
func (r Request) lastAttemptAt(s Step, failed Attempts) time.Time {
	end := r.Terms.Deadline
	if r.Decision != nil && r.Decision.At.After(end) {
		end = r.Decision.At
	}
	if r.Ended != nil && r.Ended.At.After(end) {
		end = r.Ended.At
	}
	if r.Grant != nil && r.Grant.Until.After(end) {
		end = r.Grant.Until
	}
	switch s.Kind {
	case StepSignal:
		if expires, ok := r.WaitURL.Expires(); ok {
			return expires
		}
		return r.CreatedAt.Add(2 * MaxWait)
	case StepWatch:
		return end.Add(watchFor)
	case StepCheck:
		return r.Stack.UpdateAt.Add(watchFor)
	}
	if failed.Since.After(end) {
		end = failed.Since
	}
	return end.Add(notifyFor)
}

// backoff returns how long to wait after the n-th failure (the first is 1).
func backoff(n int, longest time.Duration) time.Duration {
	return min(firstBackoff<<min(n-1, 20), longest)
}

// setAttempts changes r in place: r must be a clone.
func (r *Request) setAttempts(s Step, a Attempts) {
	if r.Attempts == nil {
		r.Attempts = map[string]Attempts{}
	}
	r.Attempts[s.Key()] = a
}

// clearAttempts returns a clone without the failed attempts at s.
func (r Request) clearAttempts(s Step) Request {
	r = r.Clone()
	delete(r.Attempts, s.Key())
	return r
}

// clearRefreshAttempts forgets failed and abandoned refreshes, because there is
// something new to show. It changes r in place: r must be a clone.
func (r Request) clearRefreshAttempts() Request {
	maps.DeleteFunc(r.Attempts, func(key string, _ Attempts) bool { return strings.HasPrefix(key, string(StepRefresh)+"/") })
	return r
}
