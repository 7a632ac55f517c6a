package sim

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/notifier"
	"countersign/notifier/reconcile"
)

// Outcome is what a play came to.
type Outcome struct {
	Broken     []Broken    // the laws that were broken, none if all is well
	Injections []Injection // as they were drawn
	Story      []string    // if it was asked for
	Calls      int         // outside calls
}

// Broken is one broken law.
type Broken struct{ Law, How string }

func (b Broken) String() string { return b.Law + ": " + b.How }

// play is one schedule while it is played. Everything in it happens in one
// order: whoever acts during an outside call has finished when the call goes on.
type play struct {
	plan   Plan
	world  *sandbox.Sandbox
	client *http.Client // of people and of Lambda
	store  *store
	clouds reconcile.CloudFormation
	topic  reconcile.SNSTopic
	rng    *rand.Rand // of injections

	step, call int // see Injection
	depth      int // of acts within outside calls
	injected   int
	healed     bool
	dead       bool // a law is broken: nothing goes on

	generation int         // of the functions
	looking    map[int]int // look-ups under way that others would wait for, by generation
	slackBack  time.Time
	mailBack   time.Time
	storeBack  time.Time

	queue  []queued          // events on their way
	events [][]byte          // that came before, but for sweeps
	asks   map[string]*asked // by CloudFormation's RequestId

	stacks   []launched
	seen     []slacktest.Message // with buttons, as they were shown first
	known    map[string]bool     // channel and ts of those
	version  uint64
	recorded []slacktest.Interaction

	// What people said, whether or not anybody listened.
	said map[ballot]bool

	evidence

	tells bool
	out   Outcome
}

// ballot is one verdict of one person about one request.
type ballot struct {
	request string
	who     string // Slack user ID; by mail the name
	verdict handle.Verdict
}

// launched is one launch.
type launched struct {
	stack string
	product
}

const (
	maxDepth    = 2
	maxInjected = 60
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Play plays a plan from its beginning, heals everything, lets time pass, and
// tells which laws were broken on the way or at the end. It stops at the first.
func Run(p Plan, story bool) (out Outcome, err error) {
	s := &play{
		plan: p, tells: story,
		rng:      rand.New(rand.NewPCG(p.Seed, 2)),
		looking:  map[int]int{},
		asks:     map[string]*asked{},
		known:    map[string]bool{},
		said:     map[ballot]bool{},
		evidence: newEvidence(),
	}
	s.store = newStore(s)
	ids := rand.New(rand.NewPCG(p.Seed, 3))
	s.world, err = sandbox.New(sandbox.Config{
		Clock: sandbox.ManualClock(start), InProcess: true, Log: slog.New(slog.NewTextHandler(logs{s}, nil)),
		Defaults: func(d *notifier.Defaults) {
			d.SelfApproval = p.World.SelfApproval
			if p.World.MailOnly {
				d.Channel, d.Approvers = "", nil
			}
		},
		NewID: func() string {
			return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", ids.Uint32(), ids.IntN(1<<16), ids.IntN(1<<12), ids.IntN(1<<12), ids.Int64N(1<<48))
		},
	})
	if err != nil {
		return out, fmt.Errorf("couldn't make a world: %w", err)
	}
	defer s.world.Close()
	s.client = &http.Client{Transport: s.world.Network}
	s.world.Network.Intercept(s.around)
	s.clients()
	s.restart()
	for _, step := range p.Steps {
		s.step, s.call = step.N, 0
		s.tell("%s %d: %s", s.time(), step.N, step.Act)
		s.do(step.Act)
		if !step.Hold {
			s.pump()
		}
		s.checkStep()
		if s.dead {
			return s.out, nil
		}
	}
	s.heal()
	if !s.dead {
		s.checkEnd()
	}
	return s.out, nil
}

// breaks notes that a law is broken. The first one ends the play.
func (s *play) breaks(law, format string, args ...any) {
	if s.dead {
		return
	}
	b := Broken{law, fmt.Sprintf(format, args...)}
	s.tell("BROKEN  %s", b)
	s.out.Broken = append(s.out.Broken, b)
	s.dead = true
}

// tell adds a line to the story.
func (s *play) tell(format string, args ...any) {
	if s.tells {
		s.out.Story = append(s.out.Story, strings.Repeat("    ", s.depth)+fmt.Sprintf(format, args...))
	}
}

func (s *play) now() time.Time { return s.world.Clock.Now() }

func (s *play) time() string { return "+" + s.now().Sub(start).String() }

// clients makes the clients of AWS. Their own retries would sleep on the real
// clock.
func (s *play) clients() {
	c := s.world.FunctionsConfig
	sdk := aws.Config{
		Region: c.Region, HTTPClient: s.client,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDLOCAL", "local", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
	s.clouds = reconcile.CloudFormation{Client: cloudformation.NewFromConfig(sdk, func(o *cloudformation.Options) { o.BaseEndpoint = &c.CloudFormation })}
	s.topic = reconcile.SNSTopic{Client: sns.NewFromConfig(sdk, func(o *sns.Options) { o.BaseEndpoint = &c.Mail }), ARN: c.TopicARN}
}

// restart starts the functions with nothing in memory. Those before go on as
// zombies if they are in the midst of a call.
func (s *play) restart() {
	s.generation++
	s.world.Restart(s.store)
	n, b := s.world.Functions.Notifier, s.world.Functions.Bot
	n.Stacks, n.Mail = s.clouds, s.topic
	n.Workers = 1
	n.Wait = s.wait
	b.After = func(ctx context.Context, r handle.Request, holder string) {
		click := invocationOf(ctx)
		defer click.calling()()
		ctx = invoked(context.WithoutCancel(ctx), &invocation{kind: settling, generation: click.generation, at: r.ID, holder: holder, stood: click.stood})
		i, ok := s.before(ctx, "settling after the click", []Fault{Dies})
		if !ok {
			return
		}
		s.after(i)
		if _, err := n.ReconcileRecord(ctx, r, holder); err != nil {
			n.Log.ErrorContext(ctx, "couldn't settle after a decision", "request", r.ID, "error", err)
		}
	}
}

// wait is how the notifier waits: time passes for all, and others act.
func (s *play) wait(ctx context.Context, d time.Duration) error {
	i, ok := s.before(ctx, "waiting "+d.String(), nil)
	if !ok {
		return errDead
	}
	s.world.Clock.Advance(d)
	s.after(i)
	return ctx.Err()
}

// pass lets time pass while everything works: sweeps run, events arrive.
func (s *play) pass(d time.Duration) {
	end := s.now().Add(d)
	for range 5000 {
		s.bringBack()
		s.pump()
		now := s.now()
		if !now.Before(end) || s.dead {
			return
		}
		s.world.Clock.Advance(s.next(end).Sub(now))
	}
	s.breaks("time passes", "there is no end to what is due")
}

// next is when something is to do next. A sweep that would find nothing is left
// out.
func (s *play) next(end time.Time) time.Time {
	now, next := s.now(), end
	earlier := func(t time.Time) {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	for _, r := range s.store.records {
		if wake := r.NextDue(); !wake.IsZero() {
			if wake.Before(now) {
				wake = now
			}
			earlier(wake.Truncate(time.Minute).Add(time.Minute))
		}
	}
	for _, q := range s.queue {
		earlier(q.at)
	}
	if t, ok := s.world.CloudFormation.Next(); ok {
		if !t.After(now) {
			return now.Add(time.Second)
		}
		earlier(t)
	}
	earlier(s.slackBack)
	earlier(s.mailBack)
	earlier(s.storeBack)
	return next
}

// bringBack ends outages whose time is over.
func (s *play) bringBack() {
	now := s.now()
	if !s.slackBack.IsZero() && !now.Before(s.slackBack) {
		s.slackBack = time.Time{}
		s.world.Slack.SetDown(false)
		s.tell("%s %s", s.time(), SlackUp)
	}
	if !s.mailBack.IsZero() && !now.Before(s.mailBack) {
		s.mailBack = time.Time{}
		s.tell("%s %s", s.time(), MailUp)
	}
	if !s.storeBack.IsZero() && !now.Before(s.storeBack) {
		s.storeBack = time.Time{}
		s.tell("%s %s", s.time(), StoreUp)
	}
}

// heal ends all faults and outages, and lets time pass until nothing can be
// owed any more.
func (s *play) heal() {
	s.healed, s.step, s.call = true, -1, 0
	s.slackBack, s.mailBack, s.storeBack = s.now(), s.now(), s.now()
	s.tell("%s everything is well again, and time passes", s.time())
	s.pass(40 * time.Hour)
	s.pressOrphans()
}

// pressOrphans presses what buttons are left when everything is decided: those
// of messages whose posting nobody could mark. Such a copy freezes at a click.
func (s *play) pressOrphans() {
	for _, m := range s.world.Slack.Messages(sandbox.Channel) {
		if len(m.Buttons()) > 0 && !s.dead {
			s.speak(sandbox.Ann, m, handle.Approve)
			_, _ = s.world.Slack.ClickButton(sandbox.Ann, m.ChannelID, m.TS, string(handle.Approve)) // checkEnd sees what came of it
		}
	}
	s.pass(time.Hour)
}

// logs are what the functions log. They are read for secrets, and kept by
// nobody.
type logs struct{ s *play }

func (l logs) Write(line []byte) (int, error) {
	l.s.secret("the log", line)
	if bytes.Contains(line, []byte("msg=panic")) {
		l.s.breaks("nothing panics", "%s", line)
	}
	return len(line), nil
}
