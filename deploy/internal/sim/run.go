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
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/laws"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/notifier"
	"countersign/notifier/catalog"
	"countersign/notifier/reconcile"
)

// Outcome is the result of a run.
type Outcome struct {
	Violations []laws.Violation // at the first point where a law did not hold; empty if all held
	Injections []Injection      // as drawn
	Story      []string         // one line per event, if asked for
	Calls      int              // calls of the functions to the outside
}

// simulation is one schedule while it runs. Everything happens in one order: an
// actor who acts during a call has finished before the call goes on.
type simulation struct {
	plan    Plan
	sandbox *sandbox.Sandbox
	client  *http.Client // for people and for Lambda
	store   *store
	checker *laws.Checker
	writes  int // of the store, so far
	clouds  reconcile.CloudFormation
	catalog *servicecatalog.Client
	topic   reconcile.SNSTopic
	rng     *rand.Rand // for injections

	step, call int // see Injection
	depth      int // of actions inside calls
	injected   int
	faultsOver bool
	stopped    bool // after the first violation

	generation  int         // of the functions
	lookups     map[int]int // lookups in progress that other clicks would wait for, by generation
	slackBack   time.Time
	mailBack    time.Time
	storeBack   time.Time
	readsBack   time.Time // CloudFormation's API
	lookupsBack time.Time // users.lookupByEmail

	queue         []queuedEvent          // events to deliver
	handledEvents [][]byte               // all events so far, except sweeps
	requests      map[string]*cfnRequest // by CloudFormation's RequestId
	forgedEvents  int                    // so far

	stacks       []launchedStack
	messages     []slacktest.Message // with buttons, as first shown
	seenMessages map[string]bool     // by channel and ts
	version      uint64
	recorded     []slacktest.Interaction
	buttons      map[string][]slacktest.Message         // with a button of that action_id, as first shown
	seenButtons  map[string]bool                        // by value, channel and ts
	oldGrants    map[handle.Verdict][]slacktest.Message // with a button for it, as shown before

	// answered holds each answer that a person gave, whether or not it reached the bot.
	answered map[answer]bool

	observations

	narrate bool
	out     Outcome
}

// answer is one person's verdict on one request.
type answer struct {
	request string
	who     string // Slack user ID in the workspace; by mail the typed name
	verdict handle.Verdict
}

// launchedStack is one launch.
type launchedStack struct {
	stack string
	product
	launch   sandbox.Launch
	contents []content // that the stack was asked to have, in order
}

const (
	maxDepth    = 2
	maxInjected = 60
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Run runs a plan, ends all faults, lets more than a day pass and checks the
// laws on the way and at the end. It stops at the first violation. story asks
// for Outcome.Story.
func Run(p Plan, story bool) (out Outcome, err error) {
	s := &simulation{
		plan: p, narrate: story,
		rng:          rand.New(rand.NewPCG(p.Seed, 2)),
		lookups:      map[int]int{},
		requests:     map[string]*cfnRequest{},
		seenMessages: map[string]bool{},
		answered:     map[answer]bool{},
		buttons:      map[string][]slacktest.Message{},
		seenButtons:  map[string]bool{},
		observations: newObservations(),
	}
	s.store = newStore(s)
	ids := rand.New(rand.NewPCG(p.Seed, 3))
	s.sandbox, err = sandbox.New(sandbox.Config{
		Clock: sandbox.ManualClock(start), InProcess: true, Log: slog.New(slog.NewTextHandler(logs{s}, nil)),
		Defaults: func(d *notifier.Defaults) {
			d.SelfApproval, d.GrantFor = p.Env.SelfApproval, p.Env.GrantFor
			d.Reminders = p.Env.Reminders
			if p.Env.EscalateAfter > 0 {
				d.EscalateAfter, d.EscalateTo = p.Env.EscalateAfter, []string{sandbox.Dan}
			}
			if p.Env.Reassignable {
				d.ReassignTo = []string{sandbox.Dan, sandbox.Bob}
			}
			if p.Env.WorkingHours {
				d.Hours, _ = handle.ParseWorkingHours("Europe/Berlin", "09:00-17:00", "") // valid
			}
			if p.Env.MailOnly {
				d.Channel, d.Approvers = "", nil
			}
		},
		Grid: p.Env.Grid,
		NewID: func() string {
			return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", ids.Uint32(), ids.IntN(1<<16), ids.IntN(1<<12), ids.IntN(1<<12), ids.Int64N(1<<48))
		},
	})
	if err != nil {
		return out, fmt.Errorf("couldn't create the sandbox: %w", err)
	}
	defer s.sandbox.Close()
	s.checker = s.configureChecker()
	s.emptyGroup()
	s.client = &http.Client{Transport: s.sandbox.Network}
	s.sandbox.Network.Intercept(s.intercept)
	s.clients()
	s.restart()
	for _, step := range p.Steps {
		s.step, s.call = step.N, 0
		s.log("%s %d: %s", s.time(), step.N, step.Action)
		s.do(step.Action)
		if !step.Hold {
			s.deliverAll()
		}
		s.checkStep()
		if s.stopped {
			return s.out, nil
		}
	}
	s.endFaults()
	if !s.stopped {
		s.checkEnd()
	}
	return s.out, nil
}

// emptyGroup empties, disables or fills the approvers' user group as the plan says.
func (s *simulation) emptyGroup() {
	g := slacktest.UserGroup{ID: sandbox.Approvers, Handle: "platform-approvers", Name: "Platform approvers", Users: []string{sandbox.Ann, sandbox.Bob}}
	switch s.plan.Env.Group {
	case "":
		return
	case noGroup:
		g.Disabled = true
	case emptyGroup:
		g.Users = nil
	case requestersGroup:
		g.Users = []string{sandbox.Rita, sandbox.Gwen, sandbox.Olga}
	}
	s.sandbox.Slack.AddUserGroup(g)
}

// violation reports that a law does not hold. The first report stops the run.
func (s *simulation) violation(law laws.Law, rule, format string, args ...any) {
	s.report([]laws.Violation{{Law: law, Rule: rule, Detail: fmt.Sprintf(format, args...)}})
}

// report adds violations, unless some were reported before.
func (s *simulation) report(list []laws.Violation) {
	if s.stopped || len(list) == 0 {
		return
	}
	for _, v := range list {
		s.log("VIOLATION  %s", v)
	}
	s.out.Violations, s.stopped = list, true
}

// log adds a line to the story.
func (s *simulation) log(format string, args ...any) {
	if s.narrate {
		s.out.Story = append(s.out.Story, strings.Repeat("    ", s.depth)+fmt.Sprintf(format, args...))
	}
}

func (s *simulation) now() time.Time { return s.sandbox.Clock.Now() }

func (s *simulation) time() string { return "+" + s.now().Sub(start).String() }

// clients makes the AWS clients, without the SDK's retries, which sleep on the
// real clock.
func (s *simulation) clients() {
	c := s.sandbox.FunctionsConfig
	sdk := aws.Config{
		Region: c.Region, HTTPClient: s.client,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDLOCAL", "local", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
	s.clouds = reconcile.CloudFormation{Client: cloudformation.NewFromConfig(sdk, func(o *cloudformation.Options) { o.BaseEndpoint = &c.CloudFormation })}
	s.catalog = servicecatalog.NewFromConfig(sdk, func(o *servicecatalog.Options) { o.BaseEndpoint = &c.CloudFormation })
	s.topic = reconcile.SNSTopic{Client: sns.NewFromConfig(sdk, func(o *sns.Options) { o.BaseEndpoint = &c.Mail }), ARN: c.TopicARN}
}

// restart restarts the functions with empty memory. Instances that are in the
// middle of a call go on when it returns.
func (s *simulation) restart() {
	s.generation++
	s.sandbox.Restart(s.store)
	n, b := s.sandbox.Functions.Notifier, s.sandbox.Functions.Bot
	n.Stacks, n.Mail = s.clouds, s.topic
	n.Names = (&catalog.Names{Client: s.catalog, Now: s.now, Log: n.Log}).Find
	n.Workers = 1
	n.CancelUnapproved = s.plan.Env.CancelUnapproved
	n.Wait = s.wait
	n.SideBySide = s.oneByOne
	b.Go, b.SideBySide = s.nowOrNever, s.oneByOne
	b.After = func(ctx context.Context, r handle.Request, holder string) {
		parent := invocationOf(ctx)
		defer parent.trackCall()()
		after := newClick(afterClick, parent.generation)
		after.request, after.holder, after.frozenAtLease = r.ID, holder, parent.frozenAtLease
		after.see(r)
		ctx = withInvocation(context.WithoutCancel(ctx), after)
		i, ok := s.beforeCall(ctx, "reconciling after the click", []Fault{DiesBefore})
		if !ok {
			return
		}
		s.afterCall(i)
		if _, err := n.ReconcileRecord(ctx, r, holder); err != nil {
			n.Log.ErrorContext(ctx, "couldn't reconcile after a decision", "request", r.ID, "error", err)
		}
	}
}

// oneByOne makes calls that leave side by side one after the other, in an order
// drawn for each batch: a function that dies in the middle has made any of them.
// The order depends on the place in the schedule alone, so that a replay has it too.
func (s *simulation) oneByOne(calls []func()) {
	order := rand.New(rand.NewPCG(s.plan.Seed, uint64(s.step)<<32|uint64(s.call)))
	for _, i := range order.Perm(len(calls)) {
		calls[i]()
	}
}

// nowOrNever makes a look-up that the bot begins ahead either at once or only when
// it is needed, as drawn for this place in the schedule.
func (s *simulation) nowOrNever(lookUp func()) {
	if rand.New(rand.NewPCG(s.plan.Seed, uint64(s.step)<<32|uint64(s.call))).IntN(2) == 0 {
		lookUp()
	}
}

// wait replaces the notifier's waiting: the clock moves, and others may act.
func (s *simulation) wait(ctx context.Context, d time.Duration) error {
	i, ok := s.beforeCall(ctx, "a wait of "+d.String(), nil)
	if !ok {
		return errKilled
	}
	s.sandbox.Clock.Advance(d)
	s.afterCall(i)
	return ctx.Err()
}

// advance lets time pass while the functions run: sweeps run and events arrive.
func (s *simulation) advance(d time.Duration) {
	end := s.now().Add(d)
	for range 5000 {
		s.endOutages()
		s.deliverAll()
		now := s.now()
		if !now.Before(end) || s.stopped {
			return
		}
		s.sandbox.Clock.Advance(s.nextDue(end).Sub(now))
	}
	s.violation(works, "time passes", "something is always due")
}

// nextDue returns when something is due next, at the latest end. It skips sweeps
// that would find nothing.
func (s *simulation) nextDue(end time.Time) time.Time {
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
	if t, ok := s.sandbox.CloudFormation.Next(); ok {
		if !t.After(now) {
			return now.Add(time.Second)
		}
		earlier(t)
	}
	earlier(s.slackBack)
	earlier(s.mailBack)
	earlier(s.storeBack)
	earlier(s.readsBack)
	earlier(s.lookupsBack)
	return next
}

// endOutages ends the outages whose time is over.
func (s *simulation) endOutages() {
	now := s.now()
	if !s.slackBack.IsZero() && !now.Before(s.slackBack) {
		s.slackBack = time.Time{}
		s.sandbox.Slack.SetDown(false)
		s.log("%s %s", s.time(), SlackUp)
	}
	if !s.readsBack.IsZero() && !now.Before(s.readsBack) {
		s.readsBack = time.Time{}
		s.sandbox.CloudFormation.SetThrottled(false)
		s.log("%s %s", s.time(), ReadsBack)
	}
	if !s.lookupsBack.IsZero() && !now.Before(s.lookupsBack) {
		s.lookupsBack = time.Time{}
		s.log("%s %s", s.time(), LookupsBack)
	}
	if !s.mailBack.IsZero() && !now.Before(s.mailBack) {
		s.mailBack = time.Time{}
		s.log("%s %s", s.time(), MailUp)
	}
	if !s.storeBack.IsZero() && !now.Before(s.storeBack) {
		s.storeBack = time.Time{}
		s.log("%s %s", s.time(), StoreUp)
	}
}

// endFaults ends all faults and outages, and lets time pass until nothing can be
// due any more.
func (s *simulation) endFaults() {
	s.faultsOver, s.step, s.call = true, -1, 0
	s.slackBack, s.mailBack, s.storeBack, s.readsBack, s.lookupsBack = s.now(), s.now(), s.now(), s.now(), s.now()
	s.log("%s all faults and outages end, and time passes", s.time())
	s.advance(40*time.Hour + s.plan.Env.GrantFor)
	s.clickLeftovers()
}

// clickLeftovers clicks the buttons that are left when every request is decided: on
// copies of messages whose posting could not be marked. A click closes such a copy.
func (s *simulation) clickLeftovers() {
	for _, m := range s.sandbox.Slack.Messages(sandbox.Channel) {
		if len(m.ButtonsIn("decide")) > 0 && !s.stopped {
			s.noteAnswer(sandbox.Ann, m, handle.Approve)
			_, _ = s.sandbox.Slack.ClickButton(sandbox.Ann, m.ChannelID, m.TS, string(handle.Approve)) // checkEnd sees the result
		}
	}
	s.advance(time.Hour)
}

// logs takes the functions' log, checks it for secrets and panics, and discards
// it.
type logs struct{ s *simulation }

func (l logs) Write(line []byte) (int, error) {
	l.s.checkSecret("the log", line)
	if _, stack, ok := bytes.Cut(line, []byte("alarm=bypass stack=")); ok {
		stack, _, _ = bytes.Cut(stack, []byte(" "))
		l.s.alarms[string(stack)] = true
	}
	if bytes.Contains(line, []byte("msg=panic")) {
		l.s.violation(works, "no function panics", "%s", line)
	}
	return len(line), nil
}
