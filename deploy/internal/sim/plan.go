package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"countersign/deploy/internal/sandbox"
)

// Plan is one schedule: what people do, and what is injected at which call of the
// functions to the outside. Running it again gives the same result.
type Plan struct {
	Seed  uint64
	Env   Environment
	Steps []Step

	// If Drawn is false, injections are drawn during the run and returned in
	// Outcome.Injections; otherwise Injections are used.
	Drawn      bool
	Injections []Injection
}

// Environment holds the settings of one schedule.
type Environment struct {
	MailOnly     bool
	SelfApproval bool
	Grid         *sandbox.Grid // nil: the workspace belongs to no Enterprise Grid
	AskedID      bool          // users.info returns the ID that was asked for, in a Grid either
	Faults       float64       // probability that a call fails
	Interleaving float64       // probability that others act during a call
	NoFaults     []Fault       // faults that do not happen, and so excuse nothing
	Freezes      bool          // time may pass during a call

	GrantFor         time.Duration // of late approvals; 0: none
	CancelUnapproved bool          // updates that bypass the gate are cancelled

	EscalateAfter time.Duration // 0: never; to Dan
	Reassignable  bool          // to Dan or Bob
	Reminders     []int         // percentages; nil: the default ones
	WorkingHours  bool          // people are reminded in the working hours of a time zone only

	Group string // what is left of the approvers' user group; empty: everyone
}

// Step is one action, and whether the events that it causes are then delivered.
type Step struct {
	N      int // its number in the plan as drawn
	Action Action
	Hold   bool // events stay in the queue
}

// Action is one action of one actor. A and B choose among what is available at that
// moment; D is a duration.
type Action struct {
	Kind Kind
	Who  string
	A, B int
	D    time.Duration
}

// Kind is the kind of an action.
type Kind string

const (
	Launch          Kind = "launches"
	ClickApprove    Kind = "clicks Approve"
	ClickReject     Kind = "clicks Reject"
	ClickOldMessage Kind = "clicks a button of the message as first shown"
	ClickForged     Kind = "clicks a forged button"
	ResendClick     Kind = "an interaction is sent again"
	SubmitModal     Kind = "submits the modal"
	CloseModal      Kind = "closes the modal"
	FollowMailLink  Kind = "follows a mailed link"
	PutWaitHandle   Kind = "PUTs to the wait handle"
	DeleteStack     Kind = "deletes the stack"
	UpdateStack     Kind = "updates the stack"
	CancelUpdate    Kind = "cancels the update"
	Relaunch        Kind = "launches the same again"
	ClickRelaunch   Kind = "approves for relaunch"
	ClickRevoke     Kind = "revokes the approval for relaunch"
	Ask             Kind = "asks the requester"
	Answer          Kind = "answers a question"
	StartReview     Kind = "starts reviewing"
	StopReview      Kind = "stops reviewing"
	Reassign        Kind = "reassigns the request"
	Withdraw        Kind = "withdraws the request"
	Nudge           Kind = "nudges the approvers"
	List            Kind = "runs /approvals"
	OpenHome        Kind = "opens the Home tab"
	ClickInView     Kind = "clicks in a modal, list or Home tab"
	DeleteMessage   Kind = "deletes a message"
	DeleteThread    Kind = "deletes a message with its thread"
	DeliverEvent    Kind = "an event is delivered"
	RedeliverEvent  Kind = "an event is delivered again"
	ForgeEvent      Kind = "forges an event"
	RunSweep        Kind = "the sweep runs"
	Restart         Kind = "the functions restart"
	PassTime        Kind = "time passes"
	ThrottleReads   Kind = "makes CloudFormation throttle its reads"
	ReadsBack       Kind = "CloudFormation answers again"
	ThrottleLookups Kind = "makes Slack throttle its look-ups"
	LookupsBack     Kind = "Slack looks people up again"
	SlackDown       Kind = "Slack goes down"
	SlackUp         Kind = "Slack is back"
	MailDown        Kind = "mail goes down"
	MailUp          Kind = "mail is back"
	StoreDown       Kind = "the store goes down"
	StoreUp         Kind = "the store is back"
)

func (a Action) String() string {
	s := string(a.Kind)
	if a.Who != "" {
		s = strings.ToLower(strings.TrimPrefix(a.Who, "U0")) + " " + s
	}
	if a.D > 0 {
		s += " (" + a.D.String() + ")"
	}
	return s
}

// Fault is how a call to the outside fails.
type Fault string

const (
	NotDone         Fault = "no effect"
	ResponseLost    Fault = "takes effect, and the response is lost"
	RateLimited     Fault = "429"
	Unavailable     Fault = "503"
	DoneThen500     Fault = "takes effect, and the response is 500"
	Truncated       Fault = "takes effect, and the response is truncated"
	NotJSON         Fault = "takes effect, and the response is not JSON"
	RetriedByClient Fault = "sent twice by the client"
	StaleRead       Fault = "stale read"
	DiesBefore      Fault = "the function dies before"
	DiesAfter       Fault = "the function dies after"
)

var faults = []Fault{NotDone, ResponseLost, RateLimited, Unavailable, DoneThen500, Truncated, NotJSON, RetriedByClient, StaleRead, DiesBefore, DiesAfter}

// Injection is what is injected into one call: a fault, and the actions before it
// takes effect and after.
type Injection struct {
	Step, Call int // number of the step, and of the call within the step
	Fault      Fault
	Wait       time.Duration // Retry-After of RateLimited
	Before     []Action
	After      []Action
}

func (i Injection) none() bool { return i.Fault == "" && len(i.Before) == 0 && len(i.After) == 0 }

// Draw draws the plan for a seed.
func Draw(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := Plan{Seed: seed, Env: Environment{
		MailOnly:     r.IntN(8) == 0,
		SelfApproval: r.IntN(6) == 0,
		Faults:       pick(r, 0, 0.01, 0.04, 0.12, 0.25),
		Interleaving: pick(r, 0, 0.02, 0.06, 0.15),
	}}
	p.Env.Freezes = r.IntN(2) == 0
	if r.IntN(2) == 0 {
		grid := pick(r, sandbox.Grid{}, sandbox.Grid{Configured: true}, sandbox.Grid{Configured: true, OrgInstall: true})
		p.Env.Grid, p.Env.AskedID = &grid, r.IntN(2) == 0
	}
	rare := r.IntN(3) // a third of the schedules have few kinds of faults, a third have most
	for _, f := range faults {
		if rare == 0 && r.IntN(6) > 0 || rare == 1 && r.IntN(3) == 0 {
			p.Env.NoFaults = append(p.Env.NoFaults, f)
		}
	}
	p.Env.GrantFor = pick(r, 0, time.Hour, 6*time.Hour, 72*time.Hour, 72*time.Hour)
	p.Env.CancelUnapproved = r.IntN(2) == 0
	if r.IntN(10) == 0 {
		p.Env.Group = pick(r, noGroup, emptyGroup, requestersGroup)
	}
	p.Env.EscalateAfter = pick(r, 0, 0, 10*time.Minute, 3*time.Hour)
	p.Env.Reassignable, p.Env.WorkingHours = r.IntN(2) == 0, r.IntN(4) == 0
	p.Env.Reminders = pick(r, nil, nil, []int{90, 60, 30})
	launches, steps := 1+r.IntN(3), 6+r.IntN(18)
	if r.IntN(2) == 0 { // most failures need few steps
		steps = 3 + r.IntN(5)
	}
	for n := range steps {
		a := drawAction(r, betweenCalls)
		if n == 0 || launches > 1 && r.IntN(6) == 0 {
			a, launches = Action{Kind: Launch, Who: sandbox.Rita, A: r.IntN(1 << 20), B: r.IntN(1 << 20)}, launches-1
		}
		p.Steps = append(p.Steps, Step{N: n, Action: a, Hold: r.IntN(5) == 0})
	}
	p.Steps = weave(r, p.Steps, pick(r, nil, updated, relaunched, vanished, discussed, listed))
	return p
}

// The members left in the approvers' user group.
const (
	noGroup         = "it is disabled"
	emptyGroup      = "no one"
	requestersGroup = "the requester, and people who may not approve"
)

// A script is what must happen in order for a rare case to come up at all.
type script []Action

// updated launches a product, has it approved and updates it.
var updated = script{
	{Kind: Launch, Who: sandbox.Rita},
	{Kind: ClickApprove, Who: sandbox.Ann}, {Kind: ClickApprove, Who: sandbox.Bob},
	{Kind: UpdateStack, Who: sandbox.Rita},
	{Kind: ClickApprove, Who: sandbox.Ann}, {Kind: ClickApprove, Who: sandbox.Bob},
	{Kind: UpdateStack, Who: sandbox.Rita},
	{Kind: PassTime, D: 70 * time.Minute},
}

// relaunched lets a launch expire, approves it late and launches it again, twice.
var relaunched = script{
	{Kind: Launch, Who: sandbox.Rita},
	{Kind: PassTime, D: 12 * time.Hour},
	{Kind: ClickRelaunch, Who: sandbox.Ann}, {Kind: ClickRelaunch, Who: sandbox.Bob},
	{Kind: Relaunch, Who: sandbox.Rita},
	{Kind: Relaunch, Who: sandbox.Rita},
}

// vanished deletes a message while its request waits, until the reminder.
var vanished = script{
	{Kind: Launch, Who: sandbox.Rita},
	{Kind: DeleteThread},
	{Kind: ClickApprove, Who: sandbox.Ann},
	{Kind: DeleteMessage},
	{Kind: PassTime, D: 9 * time.Hour},
	{Kind: DeleteMessage},
	{Kind: ClickApprove, Who: sandbox.Bob},
}

// discussed asks the requester, reviews, reminds, reassigns and withdraws.
var discussed = script{
	{Kind: Launch, Who: sandbox.Rita},
	{Kind: Ask, Who: sandbox.Ann},
	{Kind: StartReview, Who: sandbox.Bob},
	{Kind: Answer, Who: sandbox.Rita},
	{Kind: Nudge, Who: sandbox.Rita},
	{Kind: PassTime, D: 3 * time.Hour},
	{Kind: Nudge, Who: sandbox.Rita},
	{Kind: ClickApprove, Who: sandbox.Ann},
	{Kind: Reassign, Who: sandbox.Ann},
	{Kind: ClickApprove, Who: sandbox.Bob},
	{Kind: Ask, Who: sandbox.Bob},
	{Kind: PassTime, D: 4 * time.Hour},
	{Kind: Nudge, Who: sandbox.Rita},
	{Kind: Withdraw, Who: sandbox.Rita},
	{Kind: Answer, Who: sandbox.Rita},
}

// listed lists several launches, and approves several together.
var listed = script{
	{Kind: Launch, Who: sandbox.Rita},
	{Kind: Launch, Who: sandbox.Rita},
	{Kind: OpenHome, Who: sandbox.Ann},
	{Kind: ClickInView, Who: sandbox.Ann}, {Kind: ClickInView, Who: sandbox.Ann},
	{Kind: List, Who: sandbox.Bob},
	{Kind: ClickInView, Who: sandbox.Bob}, {Kind: ClickInView, Who: sandbox.Bob},
	{Kind: OpenHome, Who: sandbox.Rita}, {Kind: ClickInView, Who: sandbox.Rita},
}

// weave puts the actions of a script between steps, in order, and leaves some out.
func weave(r *rand.Rand, steps []Step, s script) []Step {
	if len(s) == 0 {
		return steps
	}
	woven := []Step{}
	for len(s) > 0 || len(steps) > 0 {
		if len(s) == 0 || len(steps) > 0 && r.IntN(3) == 0 {
			woven, steps = append(woven, steps[0]), steps[1:]
		} else {
			a := s[0]
			s = s[1:]
			a.A, a.B = r.IntN(1<<20), r.IntN(1<<20)
			if r.IntN(8) == 0 {
				continue
			}
			woven = append(woven, Step{Action: a, Hold: r.IntN(6) == 0})
		}
		woven[len(woven)-1].N = len(woven) - 1
	}
	return woven
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// weightedAction is an action and its weight among those of its list.
type weightedAction struct {
	weight      int
	kind        Kind
	who         []string      // the actors; one is drawn
	least, most time.Duration // range of its duration; zero: none
}

// voters are mostly people who may decide.
var (
	everyone = []string{sandbox.Ann, sandbox.Bob, sandbox.Dan, sandbox.Gwen, sandbox.Olga, sandbox.Rita, sandbox.Sam, sandbox.Tess}
	voters   = slices.Concat(slices.Repeat([]string{sandbox.Ann, sandbox.Bob}, 6), everyone)
	anyone   = []string{"an intruder"}
	admins   = []string{sandbox.Ann, sandbox.Bob}
	members  = []string{sandbox.Ann, sandbox.Ann, sandbox.Bob, sandbox.Bob, sandbox.Dan, sandbox.Rita, sandbox.Rita, sandbox.Gwen}

	// Mostly approvers, and mostly requesters.
	deciders = slices.Concat(slices.Repeat([]string{sandbox.Ann, sandbox.Bob}, 4), []string{sandbox.Dan, sandbox.Dan}, everyone)
	askers   = slices.Concat(slices.Repeat([]string{sandbox.Rita}, 12), []string{sandbox.Ann}, everyone)
)

// betweenCalls are the actions of the steps.
var betweenCalls = []weightedAction{
	{18, ClickApprove, voters, 0, 0},
	{12, ClickReject, voters, 0, 0},
	{6, ClickOldMessage, everyone, 0, 0},
	{2, ClickForged, everyone, 0, 0},
	{3, ResendClick, nil, 0, 0},
	{11, SubmitModal, admins, 0, 0},
	{4, Ask, deciders, 0, 0},
	{4, Answer, askers, 0, 0},
	{3, StartReview, deciders, 0, 0},
	{1, StopReview, deciders, 0, 0},
	{3, Reassign, deciders, 0, 0},
	{3, Withdraw, askers, 0, 0},
	{3, Nudge, askers, 0, 0},
	{2, List, members, 0, 0},
	{2, OpenHome, members, 0, 0},
	{5, ClickInView, members, 0, 0},
	{1, CloseModal, admins, 0, 0},
	{5, FollowMailLink, []string{"an admin"}, 0, 0},
	{3, PutWaitHandle, []string{sandbox.Rita}, 0, 0},
	{3, DeleteStack, []string{sandbox.Rita}, 0, 0},
	{1, DeleteMessage, nil, 0, 0},
	{1, DeleteThread, nil, 0, 0},
	{10, UpdateStack, []string{sandbox.Rita}, 0, 0},
	{3, CancelUpdate, []string{sandbox.Rita}, 0, 0},
	{4, Relaunch, []string{sandbox.Rita}, 0, 0},
	{8, ClickRelaunch, voters, 0, 0},
	{2, ClickRevoke, everyone, 0, 0},
	{5, RedeliverEvent, nil, 0, 0},
	{5, ForgeEvent, anyone, 0, 0},
	{2, ThrottleReads, []string{sandbox.Rita, sandbox.Ann}, time.Second, time.Hour},
	{2, ThrottleLookups, []string{sandbox.Rita, sandbox.Ann}, time.Second, time.Hour},
	{3, RunSweep, nil, 0, 0},
	{3, Restart, nil, 0, 0},
	{3, SlackDown, nil, 2 * time.Minute, 3 * time.Hour},
	{1, MailDown, nil, 2 * time.Minute, 3 * time.Hour},
	{2, StoreDown, nil, time.Second, 3 * time.Hour},
	{2, PassTime, nil, 3 * time.Hour, 13 * time.Hour},
	{8, PassTime, nil, time.Minute, 90 * time.Minute},
	{8, PassTime, nil, time.Second, time.Minute},
}

// duringCalls are the actions injected into a call.
var duringCalls = []weightedAction{
	{15, ClickApprove, voters, 0, 0},
	{10, ClickReject, voters, 0, 0},
	{5, ClickOldMessage, everyone, 0, 0},
	{10, SubmitModal, admins, 0, 0},
	{2, Ask, deciders, 0, 0},
	{2, Answer, askers, 0, 0},
	{2, StartReview, deciders, 0, 0},
	{1, StopReview, deciders, 0, 0},
	{3, Reassign, deciders, 0, 0},
	{4, Withdraw, askers, 0, 0},
	{2, Nudge, askers, 0, 0},
	{1, List, members, 0, 0},
	{1, OpenHome, members, 0, 0},
	{3, ClickInView, members, 0, 0},
	{2, FollowMailLink, []string{"an admin"}, 0, 0},
	{3, PutWaitHandle, []string{sandbox.Rita}, 0, 0},
	{5, DeleteStack, []string{sandbox.Rita}, 0, 0},
	{4, UpdateStack, []string{sandbox.Rita}, 0, 0},
	{4, CancelUpdate, []string{sandbox.Rita}, 0, 0},
	{4, Relaunch, []string{sandbox.Rita}, 0, 0},
	{3, DeleteThread, nil, 0, 0},
	{6, ClickRelaunch, voters, 0, 0},
	{3, ClickRevoke, everyone, 0, 0},
	{12, DeliverEvent, nil, 0, 0},
	{8, RedeliverEvent, nil, 0, 0},
	{6, ForgeEvent, anyone, 0, 0},
	{12, RunSweep, nil, 0, 0},
	{4, Restart, nil, 0, 0},
	{2, StoreDown, nil, time.Second, time.Hour},
	{6, PassTime, nil, time.Second, 20 * time.Second},
	{4, PassTime, nil, 20 * time.Second, 3 * time.Minute},
	{2, PassTime, nil, time.Hour, 12 * time.Hour},
}

func drawAction(r *rand.Rand, list []weightedAction) Action {
	total := 0
	for _, c := range list {
		total += c.weight
	}
	n := r.IntN(total)
	for _, c := range list {
		if n -= c.weight; n >= 0 {
			continue
		}
		a := Action{Kind: c.kind, A: r.IntN(1 << 20), B: r.IntN(1 << 20)}
		if c.who != nil {
			a.Who = pick(r, c.who...)
		}
		if c.most > 0 {
			a.D = drawTime(r, c.least, c.most)
		}
		return a
	}
	panic("unreachable: n is less than the sum of the weights")
}

func drawTime(r *rand.Rand, least, most time.Duration) time.Duration {
	return (least + time.Duration(r.Int64N(int64(most-least)))).Truncate(time.Second)
}

// draw draws the injection for a call that can fail in the ways can lists.
func (w Environment) draw(r *rand.Rand, can []Fault, nested bool) (i Injection) {
	if r.Float64() < w.Faults && len(can) > 0 {
		i.Fault = can[r.IntN(len(can))]
		if slices.Contains(w.NoFaults, i.Fault) {
			i.Fault = ""
		}
		i.Wait = pick(r, time.Second, 5*time.Second, 30*time.Second, 30*time.Second, 2*time.Minute)
	}
	if nested || r.Float64() >= w.Interleaving {
		return i
	}
	for range 1 + r.IntN(2) {
		a := drawAction(r, duringCalls)
		if a.Kind == PassTime && !w.Freezes {
			a = Action{Kind: RunSweep}
		}
		if r.IntN(2) == 0 {
			i.Before = append(i.Before, a)
		} else {
			i.After = append(i.After, a)
		}
	}
	return i
}

// Replay returns the command that runs this seed alone.
func (p Plan) Replay() string {
	return fmt.Sprintf("go test ./deploy/internal/sim -run TestSchedules -seed %d -schedules 1", p.Seed)
}
