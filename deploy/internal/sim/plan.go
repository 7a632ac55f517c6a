package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"countersign/deploy/internal/sandbox"
)

// Plan is a whole schedule: what people do, and what goes wrong or happens at
// which outside call. Played again, it comes to the same.
type Plan struct {
	Seed  uint64
	World Weather
	Steps []Step

	// Injections are what befalls outside calls. If Drawn is false they are
	// drawn while the plan is played, and the play tells which they were.
	Drawn      bool
	Injections []Injection
}

// Weather is what stays the same for a whole schedule.
type Weather struct {
	MailOnly     bool
	SelfApproval bool
	Faults       float64 // how likely an outside call fails
	Reentry      float64 // how likely somebody else acts during an outside call
	Never        []Fault // faults that do not happen at all: what is not excused by them shows
	Freezes      bool    // time passes within outside calls
}

// Step is one act, and whether what it set going is then delivered.
type Step struct {
	N    int // its number in the plan as it was drawn
	Act  Act
	Hold bool // events stay on their way
}

// Act is what one actor does once. A and B choose among what there is to choose
// from at that moment; D is a length of time.
type Act struct {
	Kind Kind
	Who  string
	A, B int
	D    time.Duration
}

// Kind says what an act is.
type Kind string

const (
	Launches  Kind = "launches"
	Approves  Kind = "presses Approve"
	Rejects   Kind = "presses Reject"
	Stale     Kind = "presses a remembered button"
	Forges    Kind = "presses a forged button"
	Replays   Kind = "sends a recorded request again"
	Submits   Kind = "submits the form"
	Leaves    Kind = "leaves the form"
	Follows   Kind = "follows a mailed link"
	Steals    Kind = "PUTs to the wait handle"
	Deletes   Kind = "deletes the stack"
	Erases    Kind = "deletes a message"
	Delivers  Kind = "an event is delivered"
	Redeliver Kind = "an event is delivered again"
	Sweeps    Kind = "the sweep runs"
	Restarts  Kind = "the functions are restarted"
	Passes    Kind = "time passes"
	SlackDown Kind = "Slack goes down"
	SlackUp   Kind = "Slack comes up"
	MailDown  Kind = "mail goes down"
	MailUp    Kind = "mail comes up"
	StoreDown Kind = "the store goes down"
	StoreUp   Kind = "the store comes up"
)

func (a Act) String() string {
	s := string(a.Kind)
	if a.Who != "" {
		s = strings.ToLower(strings.TrimPrefix(a.Who, "U0")) + " " + s
	}
	if a.D > 0 {
		s += " (" + a.D.String() + ")"
	}
	return s
}

// Fault is how an outside call fails.
type Fault string

const (
	NotDone   Fault = "not done"
	Lost      Fault = "done, and the answer is lost"
	Limited   Fault = "429"
	Unwell    Fault = "503"
	DoneError Fault = "done, and the answer is 500"
	Truncated Fault = "done, and the answer is cut in half"
	Garbled   Fault = "done, and the answer is no JSON"
	Repeated  Fault = "done twice by the client below"
	OutOfDate Fault = "answered from the last time"
	Dies      Fault = "the function dies before"
	DiesAfter Fault = "the function dies after"
)

var faults = []Fault{NotDone, Lost, Limited, Unwell, DoneError, Truncated, Garbled, Repeated, OutOfDate, Dies, DiesAfter}

// Injection is what befalls one outside call: who acts before it arrives and
// after it is done, and how it fails.
type Injection struct {
	Step, Call int // the number of the step, and of the call since its beginning
	Fault      Fault
	Wait       time.Duration // the Retry-After of Limited
	Before     []Act
	After      []Act
}

func (i Injection) none() bool { return i.Fault == "" && len(i.Before) == 0 && len(i.After) == 0 }

// Draw draws the plan of a seed.
func Draw(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := Plan{Seed: seed, World: Weather{
		MailOnly:     r.IntN(8) == 0,
		SelfApproval: r.IntN(6) == 0,
		Faults:       pick(r, 0, 0.01, 0.04, 0.12, 0.25),
		Reentry:      pick(r, 0, 0.02, 0.06, 0.15),
	}}
	p.World.Freezes = r.IntN(2) == 0
	rare := r.IntN(3) // a third of the worlds has few kinds of faults, a third most of them
	for _, f := range faults {
		if rare == 0 && r.IntN(6) > 0 || rare == 1 && r.IntN(3) == 0 {
			p.World.Never = append(p.World.Never, f)
		}
	}
	launches, steps := 1+r.IntN(3), 6+r.IntN(18)
	if r.IntN(2) == 0 { // most of what can go wrong takes few steps
		steps = 3 + r.IntN(5)
	}
	for n := range steps {
		a := drawAct(r, between)
		if n == 0 || launches > 1 && r.IntN(6) == 0 {
			a, launches = Act{Kind: Launches, Who: sandbox.Rita, A: r.IntN(1 << 20), B: r.IntN(1 << 20)}, launches-1
		}
		p.Steps = append(p.Steps, Step{N: n, Act: a, Hold: r.IntN(5) == 0})
	}
	return p
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// chance is an act, and how likely it is among those of its list.
type chance struct {
	weight      int
	kind        Kind
	who         []string      // one of them does it
	least, most time.Duration // it lasts so long; zero: no time
}

// Who decides: mostly those who may.
var (
	anybody = []string{sandbox.Ann, sandbox.Bob, sandbox.Dan, sandbox.Gwen, sandbox.Olga, sandbox.Rita}
	voters  = slices.Concat(slices.Repeat([]string{sandbox.Ann, sandbox.Bob}, 6), anybody)
	admins  = []string{sandbox.Ann, sandbox.Bob}
)

// between is what somebody does between two outside calls.
var between = []chance{
	{18, Approves, voters, 0, 0},
	{12, Rejects, voters, 0, 0},
	{6, Stale, anybody, 0, 0},
	{2, Forges, anybody, 0, 0},
	{3, Replays, nil, 0, 0},
	{11, Submits, admins, 0, 0},
	{1, Leaves, admins, 0, 0},
	{5, Follows, []string{"an admin"}, 0, 0},
	{3, Steals, []string{sandbox.Rita}, 0, 0},
	{3, Deletes, []string{sandbox.Rita}, 0, 0},
	{1, Erases, nil, 0, 0},
	{5, Redeliver, nil, 0, 0},
	{3, Sweeps, nil, 0, 0},
	{3, Restarts, nil, 0, 0},
	{3, SlackDown, nil, 2 * time.Minute, 3 * time.Hour},
	{1, MailDown, nil, 2 * time.Minute, 3 * time.Hour},
	{2, StoreDown, nil, time.Second, 3 * time.Hour},
	{2, Passes, nil, 3 * time.Hour, 13 * time.Hour},
	{8, Passes, nil, time.Minute, 90 * time.Minute},
	{8, Passes, nil, time.Second, time.Minute},
}

// inside is what somebody does during an outside call.
var inside = []chance{
	{15, Approves, voters, 0, 0},
	{10, Rejects, voters, 0, 0},
	{5, Stale, anybody, 0, 0},
	{10, Submits, admins, 0, 0},
	{2, Follows, []string{"an admin"}, 0, 0},
	{3, Steals, []string{sandbox.Rita}, 0, 0},
	{5, Deletes, []string{sandbox.Rita}, 0, 0},
	{12, Delivers, nil, 0, 0},
	{8, Redeliver, nil, 0, 0},
	{12, Sweeps, nil, 0, 0},
	{4, Restarts, nil, 0, 0},
	{2, StoreDown, nil, time.Second, time.Hour},
	{6, Passes, nil, time.Second, 20 * time.Second},
	{4, Passes, nil, 20 * time.Second, 3 * time.Minute},
	{2, Passes, nil, time.Hour, 12 * time.Hour},
}

func drawAct(r *rand.Rand, list []chance) Act {
	total := 0
	for _, c := range list {
		total += c.weight
	}
	n := r.IntN(total)
	for _, c := range list {
		if n -= c.weight; n >= 0 {
			continue
		}
		a := Act{Kind: c.kind, A: r.IntN(1 << 20), B: r.IntN(1 << 20)}
		if c.who != nil {
			a.Who = pick(r, c.who...)
		}
		if c.most > 0 {
			a.D = drawTime(r, c.least, c.most)
		}
		return a
	}
	panic("no act") // the weights are what their sum is made of
}

func drawTime(r *rand.Rand, least, most time.Duration) time.Duration {
	return (least + time.Duration(r.Int64N(int64(most-least)))).Truncate(time.Second)
}

// draw draws what befalls a call that can fail in the given ways.
func (w Weather) draw(r *rand.Rand, can []Fault, nested bool) (i Injection) {
	if r.Float64() < w.Faults && len(can) > 0 {
		i.Fault = can[r.IntN(len(can))]
		if slices.Contains(w.Never, i.Fault) {
			i.Fault = ""
		}
		i.Wait = pick(r, time.Second, 5*time.Second, 30*time.Second, 30*time.Second, 2*time.Minute)
	}
	if nested || r.Float64() >= w.Reentry {
		return i
	}
	for range 1 + r.IntN(2) {
		a := drawAct(r, inside)
		if a.Kind == Passes && !w.Freezes {
			a = Act{Kind: Sweeps}
		}
		if r.IntN(2) == 0 {
			i.Before = append(i.Before, a)
		} else {
			i.After = append(i.After, a)
		}
	}
	return i
}

// Replay is the command that plays the seed alone.
func (p Plan) Replay() string {
	return fmt.Sprintf("go test ./deploy/internal/sim -run TestSchedules -seed %d -schedules 1", p.Seed)
}
