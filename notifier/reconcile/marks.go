package reconcile

import (
	"time"

	"countersign/handle"
)

// Mark is one lawful change of a record. It is a plain value, so that it can be
// applied again to a newer record after a conflict.
type Mark interface {
	Apply(r handle.Request) handle.Request
}

// Withdrawn closes a request whose stack gave up, or whose approvers could not be
// asked.
type Withdrawn struct {
	Reason string
	At     time.Time
}

// rolledBack closes the request of an update that is rolling back.
type rolledBack struct {
	physicalID, reason string
	at                 time.Time
}

// Bypassed records that the stack went past its gate without an approval.
type Bypassed struct {
	How string
	At  time.Time
}

// StackStatus records a final stack status that an event reported.
type StackStatus struct {
	Status, Reason string
	At             time.Time
}

// UpdateSeen records that an event reported an update of a launched stack.
type UpdateSeen struct{ At time.Time }

type updateChecked struct{}

type updateInProgress struct{ at time.Time }

type contentRecorded struct{ template, parameters string }

type grantTaken struct {
	given handle.Request // whose grant was used by the request
	at    time.Time
}

type grantSkipped struct{}

type grantLapsed struct{ at time.Time }

type expired struct{ at time.Time }

type escalated struct{ at time.Time }

type reviewsEnded struct{ at time.Time }

type signalled struct {
	undeliverable string
	at            time.Time
}

type stepFailed struct {
	step    handle.Step
	failure handle.Failure
	at      time.Time
}

type verified struct{ facts Facts }

type identified struct {
	main   string
	all    []string
	proven bool
}

type approversChecked struct{ groups map[string]handle.Group }

type posted struct {
	channel, ts, viewHash string
	at                    time.Time
}

type refreshed struct {
	message  handle.Message
	viewHash string
}

type reacted struct {
	message  handle.Message
	reaction string
}

type messageGone struct {
	message handle.Message
	at      time.Time
}

// rootMoved records a reply that Slack posted outside the thread.
type rootMoved struct {
	root         handle.Message
	notification handle.Notification
	channel, ts  string
	at           time.Time
}

type delivered struct {
	key, channel, ts string
	at               time.Time
}

// directBegun records the first direct message, which shows the request.
type directBegun struct {
	delivered
	viewHash string
}

type stillInProgress struct{ at time.Time }

type stackEnded struct{ end handle.Ended }

func (m Withdrawn) Apply(r handle.Request) handle.Request { return r.Withdraw(m.Reason, m.At) }
func (m rolledBack) Apply(r handle.Request) handle.Request {
	return r.WithdrawRollback(m.physicalID, m.reason, m.at)
}
func (m Bypassed) Apply(r handle.Request) handle.Request { return r.RecordBypass(m.How, m.At) }
func (m StackStatus) Apply(r handle.Request) handle.Request {
	return r.ObserveStatus(m.Status, r.WaitURL.Redact(m.Reason), m.At)
}
func (m UpdateSeen) Apply(r handle.Request) handle.Request  { return r.ObserveUpdate(m.At) }
func (updateChecked) Apply(r handle.Request) handle.Request { return r.UpdateChecked() }
func (m updateInProgress) Apply(r handle.Request) handle.Request {
	return r.UpdateInProgress(m.at)
}
func (m contentRecorded) Apply(r handle.Request) handle.Request {
	return r.RecordContent(m.template, m.parameters)
}
func (m grantTaken) Apply(r handle.Request) handle.Request  { return r.ApproveByGrant(m.given, m.at) }
func (grantSkipped) Apply(r handle.Request) handle.Request  { return r.SkipGrant() }
func (m grantLapsed) Apply(r handle.Request) handle.Request { return r.LapseGrant(m.at) }
func (m expired) Apply(r handle.Request) handle.Request     { return r.Expire(m.at) }
func (m escalated) Apply(r handle.Request) handle.Request   { return r.Escalate(m.at) }
func (m reviewsEnded) Apply(r handle.Request) handle.Request {
	return r.EndReviews(m.at)
}
func (m signalled) Apply(r handle.Request) handle.Request {
	return r.MarkSignalled(m.undeliverable, m.at)
}
func (m stepFailed) Apply(r handle.Request) handle.Request {
	return r.RecordFailure(m.step, m.failure, m.at)
}
func (m verified) Apply(r handle.Request) handle.Request {
	return m.facts.Apply(r)
}
func (m identified) Apply(r handle.Request) handle.Request {
	return r.IdentifyRequester(m.main, m.all, m.proven)
}
func (m approversChecked) Apply(r handle.Request) handle.Request {
	if len(m.groups) > 0 {
		r = r.RecordGroups(m.groups)
	}
	return r.MarkApproversChecked()
}
func (m posted) Apply(r handle.Request) handle.Request {
	return r.MarkPosted(m.channel, m.ts, m.viewHash, m.at)
}
func (m refreshed) Apply(r handle.Request) handle.Request {
	return r.MarkRefreshed(m.message, m.viewHash)
}
func (m reacted) Apply(r handle.Request) handle.Request {
	return r.MarkReacted(m.message, m.reaction)
}
func (m directBegun) Apply(r handle.Request) handle.Request {
	return r.BeginDirect(m.key, m.channel, m.ts, m.viewHash, m.at)
}
func (m messageGone) Apply(r handle.Request) handle.Request {
	return r.MarkMessageGone(m.message, m.at)
}
func (m rootMoved) Apply(r handle.Request) handle.Request {
	return r.MoveRoot(m.root, m.notification, m.channel, m.ts, m.at)
}
func (m delivered) Apply(r handle.Request) handle.Request {
	return r.MarkDelivered(m.key, m.channel, m.ts, m.at)
}
func (m stillInProgress) Apply(r handle.Request) handle.Request { return r.StillInProgress(m.at) }
func (m stackEnded) Apply(r handle.Request) handle.Request      { return r.RecordEnd(m.end) }
