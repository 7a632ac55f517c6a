// Package handle holds the record of one gated launch and its laws.
//
// A [Request] is a plain value. Every lawful change is a method that returns
// the next value and leaves the receiver as it was; nothing here reads a clock.
// A [Store] keeps requests and decides races by comparing revisions; it knows
// no law. What the record still owes the world is asked of the record itself,
// by [Request.Due] and [Request.Wake].
//
// The package imports nothing but the standard library.
package handle

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// State says how far a request has come. Pending is the only state that can
// change; the other four are final.
type State string

const (
	Pending   State = "pending"
	Approved  State = "approved"
	Rejected  State = "rejected"
	Expired   State = "expired"   // the deadline passed and nobody had decided
	Withdrawn State = "withdrawn" // the stack gave up, or nobody could be asked
)

// Request is the durable record of one gated launch. The zero value is of no
// use: the notifier fills it once, at launch, and [Store.Create] makes it
// durable.
type Request struct {
	ID        string    `json:"id"`  // see NewID
	Rev       int64     `json:"rev"` // set by the Store: 1 at creation, one more with every Replace
	CreatedAt time.Time `json:"createdAt"`

	Stack      Stack     `json:"stack"`
	Product    Product   `json:"product"`
	Requester  Requester `json:"requester"`
	Purpose    string    `json:"purpose,omitempty"`
	Details    []Field   `json:"details,omitempty"`    // what the template shows of itself
	Parameters []Field   `json:"parameters,omitempty"` // the stack's parameters, secrets masked before they came here
	Terms      Terms     `json:"terms"`
	WaitURL    WaitURL   `json:"-"` // stores keep it beside the encoded record; see Encode

	Votes    []Vote    `json:"votes,omitempty"`
	Decision *Decision `json:"decision,omitempty"`
	Signal   *Signal   `json:"signal,omitempty"`
	Bypass   *Bypass   `json:"bypass,omitempty"`
	Ended    *Ended    `json:"ended,omitempty"`

	Messages  []Message           `json:"messages,omitempty"` // the first is the thread's root, the others are orphan copies that somebody clicked
	Delivered map[string]Delivery `json:"told,omitempty"`     // by step key: what went out, once each
	Attempts  map[string]Attempts `json:"tries,omitempty"`    // by step key: what failed so far
	Lease     Lease               `json:"lease,omitzero"`
	Events    []Event             `json:"events"` // append-only; refusals and failures are bounded, see note
}

// Stack says which CloudFormation stack waits, and what was last heard of it.
type Stack struct {
	ID       string    `json:"id"` // ARN
	Name     string    `json:"name"`
	Account  string    `json:"account"` // 12 digits
	Region   string    `json:"region"`
	Gate     string    `json:"gate"`             // logical ID of the request resource
	Status   string    `json:"status,omitempty"` // the last final status an event told us, such as CREATE_COMPLETE
	Reason   string    `json:"reason,omitempty"`
	StatusAt time.Time `json:"heardAt,omitzero"` // when that event came; zero: none came
}

// Product is what Service Catalog's own stack tags say of the launch. Fields
// are empty where the tags could not be read. See
// https://docs.aws.amazon.com/servicecatalog/latest/adminguide/autotags.html
type Product struct {
	Name          string `json:"name,omitempty"`          // the template's Title, else the stack's description
	ID            string `json:"id,omitempty"`            // prod-…
	Version       string `json:"version,omitempty"`       // provisioning artifact, pa-…
	Portfolio     string `json:"portfolio,omitempty"`     // port-…
	Provisioned   string `json:"provisioned,omitempty"`   // name of the provisioned product
	ProvisionedID string `json:"provisionedId,omitempty"` // pp-…
}

// Requester says who asks. Email is a claim, typed by somebody; Principal is
// proven by a stack tag that users cannot set.
type Requester struct {
	Email     string   `json:"email,omitempty"`
	Principal string   `json:"principal,omitempty"` // ARN of the user or role session that launched
	SlackID   string   `json:"slackId,omitempty"`   // whom to mention and write to; empty if unknown or ambiguous
	SlackIDs  []string `json:"slackIds,omitempty"`  // every Slack user that the proof or the claim leads to: none of them may approve
	LookedUp  bool     `json:"lookedUp,omitempty"`  // Slack has been asked, and answered
	Proven    bool     `json:"proven,omitempty"`    // SlackID is whom the proof leads to; else a mere claim does, if anything
}

// PrincipalName is the last part of the principal's ARN: the name of the IAM
// user or of the role session. It is empty if the principal is unknown.
func (r Requester) PrincipalName() string {
	return r.Principal[strings.LastIndex(r.Principal, "/")+1:]
}

// Field is one shown detail or parameter.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Message is one posted Slack message that shows this request.
type Message struct {
	Channel string `json:"channel"` // C…, G… or D…: chat.update wants the ID of the answer, not the name
	TS      string `json:"ts"`
	Shown   string `json:"shown"` // the Face it was last made to show; empty: not known
}

// Told marks one message as gone out.
type Delivery struct {
	At      time.Time `json:"at"`
	Channel string    `json:"channel,omitempty"` // Slack's, empty for mail
	TS      string    `json:"ts,omitempty"`
}

// Ended says what became of the stack.
type Ended struct {
	Status  string    `json:"status"` // CloudFormation's, such as ROLLBACK_COMPLETE
	Reason  string    `json:"reason,omitempty"`
	Outputs []Field   `json:"outputs,omitempty"`
	At      time.Time `json:"at"`

	// Superseded: the stack stands because a later request of it was approved.
	Superseded bool `json:"superseded,omitempty"`
}

// Bypass says that the stack went past the gate without an approval.
type Bypass struct {
	At  time.Time `json:"at"`
	How string    `json:"how"`
}

// Created begins the history of a new request.
func (r Request) RecordCreation() Request {
	return r.Clone().note(Event{At: r.CreatedAt, Kind: EventCreated})
}

// State reports how far the request has come.
func (r Request) State() State {
	if r.Decision == nil {
		return Pending
	}
	return r.Decision.State
}

// Root is the message whose thread belongs to the request, and whether one is
// known to be posted.
func (r Request) Root() (Message, bool) {
	if len(r.Messages) == 0 {
		return Message{}, false
	}
	return r.Messages[0], true
}

// Asked reports whether anybody has been asked to decide.
func (r Request) Asked() bool {
	_, posted := r.Root()
	_, mailed := r.Delivered[Notification{Name: NotifyAsked}.MailKey()]
	return posted || mailed
}

// Clone returns a copy that shares no memory with r that a change could reach.
func (r Request) Clone() Request {
	r.Requester.SlackIDs = slices.Clone(r.Requester.SlackIDs)
	r.Details = slices.Clone(r.Details)
	r.Parameters = slices.Clone(r.Parameters)
	r.Terms.Approvers = slices.Clone(r.Terms.Approvers)
	r.Votes = slices.Clone(r.Votes)
	r.Decision = clonePointer(r.Decision)
	r.Signal = clonePointer(r.Signal)
	r.Bypass = clonePointer(r.Bypass)
	r.Ended = clonePointer(r.Ended)
	if r.Ended != nil {
		r.Ended.Outputs = slices.Clone(r.Ended.Outputs)
	}
	r.Messages = slices.Clone(r.Messages)
	r.Delivered = maps.Clone(r.Delivered)
	r.Attempts = maps.Clone(r.Attempts)
	r.Events = slices.Clone(r.Events)
	return r
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
