// Package handle is the record of one gated launch: its states, its laws and
// the contract of its stores.
//
// A [Request] is a plain value. Every lawful change is a method that returns
// the next value and leaves the receiver unchanged; no method reads a clock. A
// [Store] keeps requests and resolves races by comparing revisions, and knows
// no law. What remains to be done about a request is derived from its value, by
// [Request.Due] and [Request.NextDue].
//
// Methods named Mark… or Record… note what has happened. They apply to any
// later value of the request too, so after a conflict the caller loads the
// request again and repeats the call.
//
// The package imports only the standard library.
package handle

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// State is how far a request has come. Pending is the only state that can
// change; the other four are final.
type State string

const (
	Pending   State = "pending"
	Approved  State = "approved"
	Rejected  State = "rejected"
	Expired   State = "expired"   // the deadline passed without a decision
	Withdrawn State = "withdrawn" // the requester took it back, the stack ended, or there was no one to ask
)

// Request is the durable record of one gated launch. The notifier fills it once,
// at launch; [Store.Create] makes it durable.
type Request struct {
	ID        string    `json:"id"`  // see NewID
	Rev       int64     `json:"rev"` // set by the Store: 1 at creation, one more with every Replace
	CreatedAt time.Time `json:"createdAt"`

	Stack      Stack     `json:"stack"`
	Product    Product   `json:"product"`
	Requester  Requester `json:"requester"`
	Purpose    string    `json:"purpose,omitempty"`
	Details    []Field   `json:"details,omitempty"`    // what the template chose to show
	Parameters []Field   `json:"parameters,omitempty"` // the stack's parameters; the notifier has masked secrets
	Terms      Terms     `json:"terms"`
	WaitURL    WaitURL   `json:"-"` // only Encode writes it out; of an update, the held event's response URL
	Content    Content   `json:"content,omitzero"`
	Update     *Update   `json:"update,omitempty"`    // set if this is the update of a launched product
	GrantFrom  string    `json:"grantFrom,omitempty"` // ID of the request whose grant lets this one through

	// What people did while the request was pending. Functions of earlier releases drop
	// these fields when they write the request; Terms.Approvers stays.
	Questions      []Question       `json:"questions,omitempty"`
	Reviews        []Review         `json:"reviews,omitempty"` // those under way
	Nudges         []Nudge          `json:"nudges,omitempty"`
	Reassignments  []Reassignment   `json:"reassignments,omitempty"`
	EscalatedAt    time.Time        `json:"escalatedAt,omitzero"`
	FirstApprovers []string         `json:"firstApprovers,omitempty"` // Terms.Approvers before they were first changed; see AskedAtFirst
	Groups         map[string]Group `json:"groups,omitempty"`         // by ID, those that Slack returned; see RecordGroups

	Votes    []Vote    `json:"votes,omitempty"`
	Decision *Decision `json:"decision,omitempty"`
	Signal   *Signal   `json:"signal,omitempty"`
	Bypass   *Bypass   `json:"bypass,omitempty"`
	Ended    *Ended    `json:"ended,omitempty"`
	Grant    *Grant    `json:"grant,omitempty"` // set when a launch expires and may still be approved for relaunch

	// ApproversUnchecked means that Slack has not confirmed yet that enough approvers have
	// active accounts. It is checked once, at launch.
	ApproversUnchecked bool `json:"approversUnchecked,omitempty"`

	Reasked   []time.Time         `json:"reasked,omitempty"`  // when the question's message was found deleted, after its thread had mentioned the approvers
	Messages  []Message           `json:"messages,omitempty"` // the first is the root of the thread; the others are duplicate posts, found when they were clicked
	Direct    *Message            `json:"direct,omitempty"`   // the requester's first direct message, if it shows the request
	Delivered map[string]Delivery `json:"told,omitempty"`     // by delivery key, such as reply/decided: see Notification
	Attempts  map[string]Attempts `json:"tries,omitempty"`    // by Step.Key: what failed so far
	Lease     Lease               `json:"lease,omitzero"`

	// Events is the history. Events are never removed, but a repeated refusal
	// or failure is counted on the event it repeats, which also changes that
	// event's time.
	Events []Event `json:"events"`
}

// Stack is the CloudFormation stack that waits, and its last known status.
type Stack struct {
	ID          string    `json:"id"` // ARN
	Name        string    `json:"name"`
	Account     string    `json:"account"`               // 12 digits
	AccountName string    `json:"accountName,omitempty"` // the account's configured label, such as production
	Region      string    `json:"region"`
	Gate        string    `json:"gate"`               // logical ID of the request resource
	GateType    string    `json:"gateType,omitempty"` // its type, as the event says: Custom::…
	Status      string    `json:"status,omitempty"`   // the last final status that an event reported, such as CREATE_COMPLETE
	Reason      string    `json:"reason,omitempty"`
	StatusAt    time.Time `json:"heardAt,omitzero"` // when that event arrived; zero if none has

	// UpdateAt is when an event reported an update of the stack after it had ended
	// as approved; zero once that update has been checked.
	UpdateAt time.Time `json:"updateAt,omitzero"`

	// Updating means that the request is of an update of the stack. AWS proves who
	// launched a stack, but not who updates it.
	Updating bool `json:"updating,omitempty"`

	// OtherAccount means that the stack is not in the account that Countersign runs
	// in. It can't be read, and EventBridge doesn't report its end.
	OtherAccount bool `json:"otherAccount,omitempty"`

	// Unverified means that CloudFormation could not yet be asked about the
	// launch, so what the event claims is unchecked and the requester unknown.
	// Votes are refused until it has answered.
	Unverified bool `json:"unverified,omitempty"`
}

// Requester is who asks. Email is a claim that was typed in; Principal is proven
// by a stack tag that users cannot set.
type Requester struct {
	Email     string   `json:"email,omitempty"`
	Principal string   `json:"principal,omitempty"` // ARN of the user or role session that launched
	Launcher  string   `json:"launcher,omitempty"`  // of an update: ARN of the user or role session that launched the stack
	SlackID   string   `json:"slackId,omitempty"`   // whom to mention and write to; empty if unknown or ambiguous
	SlackIDs  []string `json:"slackIds,omitempty"`  // every Slack user that Principal, Email or Launcher leads to; none of them may approve
	LookedUp  bool     `json:"lookedUp,omitempty"`  // Slack has been asked and has answered
	Proven    bool     `json:"proven,omitempty"`    // SlackID follows from Principal; otherwise only from Email, if it is set
}

// PrincipalName is the last part of the principal's ARN: the name of the IAM
// user or of the role session. It is empty if the principal is unknown.
func (r Requester) PrincipalName() string { return principalName(r.Principal) }

// LauncherName is the same of the launcher.
func (r Requester) LauncherName() string { return principalName(r.Launcher) }

func principalName(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// Addressable reports whether SlackID may be mentioned and written to as the
// requester: it is proven, or nothing proves another principal.
func (r Requester) Addressable() bool {
	return IsUser(r.SlackID) && (r.Proven || r.Principal == "")
}

// Field is one detail or parameter, as shown to people.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Ended is how the stack operation ended.
type Ended struct {
	Status  string    `json:"status"` // CloudFormation's, such as ROLLBACK_COMPLETE; empty if the stack no longer exists
	Reason  string    `json:"reason,omitempty"`
	Outputs []Field   `json:"outputs,omitempty"`
	At      time.Time `json:"at"`

	// Superseded means that the stack exists because a later request of the
	// same stack was approved, so its success is not a bypass of this one.
	Superseded bool `json:"superseded,omitempty"`

	// Updated means that the stack has been updated since the launch, so its creation
	// had succeeded, whatever the status says about the update.
	Updated bool `json:"updated,omitempty"`
}

// Bypass means that the stack passed the gate, or tried to, without an approval.
type Bypass struct {
	At  time.Time `json:"at"`
	How string    `json:"how"`
}

// RecordCreation begins the history of a new request.
func (r Request) RecordCreation() Request {
	return r.Clone().appendEvent(Event{At: r.CreatedAt, Kind: EventCreated})
}

// State returns how far the request has come.
func (r Request) State() State {
	if r.Decision == nil {
		return Pending
	}
	return r.Decision.State
}

// IdentifyRequester records what Slack answered about the requester. main is the
// user to mention; empty if there is none, or more than one candidate. all are
// the users who may not approve. proven means that main follows from the
// requester's principal, not only from the claimed e-mail address.
func (r Request) IdentifyRequester(main string, all []string, proven bool) Request {
	r = r.Clone()
	ids := slices.Clone(all)
	if r.Stack.Updating { // those known from the launch stay
		for _, id := range r.Requester.SlackIDs {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	r.Requester.SlackID, r.Requester.SlackIDs, r.Requester.LookedUp = main, ids, true
	r.Requester.Proven = proven && main != ""
	return r
}

// MarkApproversChecked records that Slack was asked about the approvers' accounts.
func (r Request) MarkApproversChecked() Request {
	r = r.clearAttempts(Step{Kind: StepApprovers})
	r.ApproversUnchecked = false
	return r
}

// VerifyStack records what CloudFormation says about the stack: the product, the
// principal that launched it (empty if nothing proves it), the parameters, which the caller
// has redacted, and the content. It keeps a product name that the template sets.
func (r Request) VerifyStack(p Product, principal string, parameters []Field, content Content) Request {
	r = r.Clone().clearAttempts(Step{Kind: StepIdentify})
	if r.Product.Name != "" {
		p.Name = r.Product.Name
	}
	r.Product, r.Requester.Principal, r.Parameters = p, principal, slices.Clone(parameters)
	if r.Stack.Updating {
		r.Requester.Principal, r.Requester.Launcher = "", principal
	}
	content.GateParameters, content.GateTemplate = r.Content.GateParameters, r.Content.GateTemplate
	r.Content = content
	r.Stack.Unverified = false
	return r
}

// Clone returns a deep copy: no change to it can reach r.
func (r Request) Clone() Request {
	r.Requester.SlackIDs = slices.Clone(r.Requester.SlackIDs)
	r.Details = slices.Clone(r.Details)
	r.Parameters = slices.Clone(r.Parameters)
	r.Terms.Approvers = slices.Clone(r.Terms.Approvers)
	r.Terms.Reminders = slices.Clone(r.Terms.Reminders)
	r.Terms.EscalateTo = slices.Clone(r.Terms.EscalateTo)
	r.Terms.ReassignTo = slices.Clone(r.Terms.ReassignTo)
	r.Questions = slices.Clone(r.Questions)
	for i := range r.Questions {
		q := &r.Questions[i]
		q.By.Aliases = slices.Clone(q.By.Aliases)
		if q.Answer = clonePointer(q.Answer); q.Answer != nil {
			q.Answer.By.Aliases = slices.Clone(q.Answer.By.Aliases)
		}
	}
	r.Reviews = slices.Clone(r.Reviews)
	for i := range r.Reviews {
		r.Reviews[i].By.Aliases = slices.Clone(r.Reviews[i].By.Aliases)
	}
	r.Nudges = slices.Clone(r.Nudges)
	r.Reassignments = slices.Clone(r.Reassignments)
	for i := range r.Reassignments {
		m := &r.Reassignments[i]
		m.By.Aliases, m.To = slices.Clone(m.By.Aliases), slices.Clone(m.To)
	}
	r.FirstApprovers = slices.Clone(r.FirstApprovers)
	r.Groups = maps.Clone(r.Groups)
	for id, g := range r.Groups {
		g.Members = slices.Clone(g.Members)
		r.Groups[id] = g
	}
	r.Votes = slices.Clone(r.Votes)
	for i := range r.Votes {
		r.Votes[i].By.Aliases = slices.Clone(r.Votes[i].By.Aliases)
	}
	r.Decision = clonePointer(r.Decision)
	if r.Decision != nil {
		r.Decision.By.Aliases = slices.Clone(r.Decision.By.Aliases)
	}
	r.Signal = clonePointer(r.Signal)
	r.Bypass = clonePointer(r.Bypass)
	r.Grant = clonePointer(r.Grant)
	if r.Grant != nil {
		r.Grant.RevokedBy.Aliases = slices.Clone(r.Grant.RevokedBy.Aliases)
	}
	r.Update = clonePointer(r.Update)
	if r.Update != nil {
		r.Update.Changes = slices.Clone(r.Update.Changes)
	}
	r.Ended = clonePointer(r.Ended)
	if r.Ended != nil {
		r.Ended.Outputs = slices.Clone(r.Ended.Outputs)
	}
	r.Reasked = slices.Clone(r.Reasked)
	r.Messages = slices.Clone(r.Messages)
	r.Direct = clonePointer(r.Direct)
	r.Delivered = maps.Clone(r.Delivered)
	r.Attempts = maps.Clone(r.Attempts)
	r.Events = slices.Clone(r.Events)
	for i := range r.Events {
		r.Events[i].By.Aliases = slices.Clone(r.Events[i].By.Aliases)
	}
	return r
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
