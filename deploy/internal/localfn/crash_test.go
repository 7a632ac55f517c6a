package localfn_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/handle/bolt"
)

var crashes = flag.Int("crashes", 6, "how often the functions are killed")

// TestCrashes kills the process of the functions (SIGKILL) at random moments of
// launches and clicks, and starts it again over the same file. The file is
// whole each time, what was acknowledged is on record, and in the end every
// launch is decided, and signalled as decided.
func TestCrashes(t *testing.T) {
	const perWorld = 20 // crashes; what is checked each time grows with the world
	var seen tally
	for left := *crashes; left > 0; left -= perWorld {
		c := newCrash(t, &seen)
		for range min(left, perWorld) {
			c.round()
			if t.Failed() {
				return
			}
		}
		c.world.Close()
	}
	t.Logf("%+v", seen)
	if *crashes >= 100 && (seen.ClicksCut == 0 || seen.ClicksTaken == 0 || seen.SignalsOwed == 0 || seen.LaunchesCut == 0) {
		t.Errorf("the kills missed the moments that matter: %+v", seen)
	}
}

// tally counts what the kills have met.
type tally struct {
	Kills, Launches        int
	ClicksTaken, ClicksCut int // answered with 200, and not
	SignalsOwed            int // decided on record, and not marked as signalled
	LaunchesCut            int // not yet on record
}

// crash is one world and the process that is killed in it.
type crash struct {
	t       *testing.T
	world   *sandbox.Sandbox
	config  localfn.ChildConfig
	process *localfn.Process
	product *gate.Template
	seen    *tally

	stacks []string
	taken  map[string][]handle.Verdict // by stack: verdicts to which Slack got its 200
}

func newCrash(t *testing.T, seen *tally) *crash {
	t.Helper()
	w, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	w.Laws.Tolerance.Copies = 2 // a kill can lose the response to a post, which is then repeated
	product, err := gate.Parse(deploy.Product)
	if err != nil {
		t.Fatal(err)
	}
	return &crash{
		t: t, world: w, product: product, seen: seen, taken: map[string][]handle.Verdict{},
		config: localfn.ChildConfig{Functions: w.FunctionsConfig, Data: filepath.Join(t.TempDir(), "requests.db")},
	}
}

// round starts the process, kills it under load, and holds the file against what
// the world was told; then it starts it again, lets it finish, and checks the end.
func (c *crash) round() {
	t, ctx := c.t, c.t.Context()
	c.start()
	both, one := c.launch(), c.launch()
	c.run(ctx)
	clicks := []func(){
		func() { c.approve(both, sandbox.Ann) },
		func() { c.reject(both, sandbox.Bob) },
		func() { c.approve(one, sandbox.Bob) },
		func() { c.approve(one, sandbox.Ann) },
		func() { c.launch(); c.run(ctx) },
	}
	var load sync.WaitGroup
	for _, click := range clicks {
		load.Go(func() {
			time.Sleep(rand.N(10 * time.Millisecond))
			click()
		})
	}
	time.Sleep(rand.N(60 * time.Millisecond))
	c.process.Kill()
	load.Wait()
	c.seen.Kills++
	c.checkFile()

	// Leases end, Lambda delivers again, and the sweep comes.
	c.world.Clock.Advance(5 * time.Minute)
	c.start()
	c.run(ctx)
	for _, id := range c.stacks {
		if len(c.live(id)) > 0 { // nobody's click was taken: people click again
			c.approve(id, sandbox.Ann)
		}
	}
	c.run(ctx)
	c.process.Kill()
	c.checkFile()
	c.checkEnd()
	if t.Failed() {
		t.Logf("after %+v", *c.seen)
	}
}

func (c *crash) start() {
	c.t.Helper()
	c.config.ClockOffset = c.world.Clock.Offset()
	p, err := localfn.Start(c.t.Context(), c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.process = p
	c.t.Cleanup(p.Kill)
	c.world.UseRemote(p.Bot, p.Invoke)
}

func (c *crash) run(ctx context.Context) {
	if err := c.world.Run(ctx); err != nil {
		c.t.Error(err)
	}
}

var naming sync.Mutex

func (c *crash) launch() (stackID string) {
	naming.Lock()
	defer naming.Unlock()
	id, err := c.world.Launch(sandbox.Launch{
		Template: c.product, Name: fmt.Sprintf("queue-%d", len(c.stacks)+1),
		Parameters: map[string]string{"UserEmail": "rita@example.com", "Purpose": "a crash test"},
	})
	if err != nil {
		c.t.Error(err)
		return ""
	}
	c.stacks = append(c.stacks, id)
	c.seen.Launches++
	return id
}

// live are the messages of the launch that have buttons.
func (c *crash) live(stackID string) (messages []slacktest.Message) {
	stack, _ := c.world.CloudFormation.Stack(stackID)
	id := stack.Resource("ApprovalRequest").PhysicalID
	for _, m := range c.world.Slack.Messages(sandbox.Channel) {
		if b := m.Buttons(); id != "" && len(b) > 0 && strings.Contains(b[0].Value, id) {
			messages = append(messages, m)
		}
	}
	return messages
}

// approve presses the button as that person, and notes Slack's 200.
func (c *crash) approve(stackID, who string) {
	messages := c.live(stackID)
	if len(messages) == 0 {
		return // decided meanwhile
	}
	heard := len(c.world.Slack.Ephemerals(who))
	i, err := c.world.Slack.ClickStale(who, messages[0], string(handle.Approve))
	c.note(stackID, handle.Approve, err, !i.Failed && c.assured(who, heard))
}

// assured reports whether the person has heard nothing but good since then: a slow
// machine may come to the end of a click's budget, and the bot says so.
func (c *crash) assured(who string, since int) bool {
	recorded, _, _ := strings.Cut(blocks.Recorded(handle.Request{}), " ")
	return !slices.ContainsFunc(c.world.Slack.Ephemerals(who)[since:], func(m slacktest.Message) bool { return !strings.HasPrefix(m.Text, recorded) })
}

// reject presses the button, and submits the form if it opens.
func (c *crash) reject(stackID, who string) {
	messages := c.live(stackID)
	if len(messages) == 0 {
		return
	}
	i, err := c.world.Slack.ClickStale(who, messages[0], string(handle.Reject))
	if err != nil || i.Opened == nil {
		return
	}
	form := i.Opened.ID
	i, err = c.world.Slack.Submit(who, form, map[string]map[string]string{"reason": {"reason": "not in a crash"}})
	_, open := c.world.Slack.Modal(who)
	c.note(stackID, handle.Reject, err, !i.Failed && !open)
	if open {
		_, _ = c.world.Slack.CloseView(who, form)
	}
}

var noting sync.Mutex

func (c *crash) note(stackID string, v handle.Verdict, err error, taken bool) {
	noting.Lock()
	defer noting.Unlock()
	if err != nil {
		c.t.Errorf("couldn't press %s: %v", v, err)
		return
	}
	if !taken {
		c.seen.ClicksCut++
		return
	}
	c.seen.ClicksTaken++
	c.taken[stackID] = append(c.taken[stackID], v)
}

// checkFile looks at the file of the dead process.
func (c *crash) checkFile() {
	t := c.t
	t.Helper()
	intact(t, c.config.Data)
	store, err := bolt.Open(c.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, v := range c.world.Check(t.Context(), store) {
		t.Error(v)
	}
	for _, id := range c.stacks {
		c.checkStack(store, id)
	}
}

// checkStack holds the record of a launch against what CloudFormation and Slack
// were told.
func (c *crash) checkStack(store handle.Store, stackID string) {
	t := c.t
	t.Helper()
	stack, _ := c.world.CloudFormation.Stack(stackID)
	requests, err := store.OfStack(t.Context(), stackID)
	if err != nil {
		t.Fatal(err)
	}
	asked := stack.Resource("ApprovalRequest")
	if len(requests) == 0 {
		if asked.Status == fakecfn.CreateComplete || len(c.taken[stackID]) > 0 || len(stack.Signals) > 0 {
			t.Errorf("%s: nothing is on record, and it was told SUCCESS (%s), %d clicks were taken and %d signals sent",
				stack.Name, asked.Status, len(c.taken[stackID]), len(stack.Signals))
		}
		c.seen.LaunchesCut++
		return
	}
	if len(requests) != 1 {
		t.Errorf("%s: %d requests are on record for one launch", stack.Name, len(requests))
	}
	r := requests[0]
	if taken := c.taken[stackID]; len(taken) > 0 && r.Decision == nil {
		t.Errorf("%s: clicks were answered with 200 (%s), and the request is %s", stack.Name, taken, r.State())
	}
	if r.Decision != nil && r.Signal == nil {
		c.seen.SignalsOwed++
	}
	if r.Decision == nil && len(stack.Signals) > 0 {
		t.Errorf("%s: signalled before it was decided", stack.Name)
	}
	var said []string
	for _, s := range stack.Signals {
		var body handle.SignalBody
		if err := json.Unmarshal([]byte(s.Body), &body); err != nil {
			t.Fatal(err)
		}
		said = append(said, body.Status)
	}
	if slices.Contains(said, "SUCCESS") && slices.Contains(said, "FAILURE") {
		t.Errorf("%s: both signals left: %s", stack.Name, said)
	}
}

// checkEnd: every launch has come to the end that its record says.
func (c *crash) checkEnd() {
	t := c.t
	t.Helper()
	store, err := bolt.Open(c.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, id := range c.stacks {
		stack, _ := c.world.CloudFormation.Stack(id)
		requests, err := store.OfStack(t.Context(), id)
		if err != nil || len(requests) != 1 {
			t.Fatalf("%s: %d requests, %v", stack.Name, len(requests), err)
		}
		r := requests[0]
		want := map[handle.State]fakecfn.Status{
			handle.Approved: fakecfn.CreateComplete, handle.Rejected: fakecfn.RollbackComplete,
		}[r.State()]
		if stack.Status != want || r.Signal == nil || len(stack.Signals) == 0 {
			t.Errorf("%s: the request is %s (signal %+v, %d sent), and the stack is %s", stack.Name, r.State(), r.Signal, len(stack.Signals), stack.Status)
		}
	}
}

// intact checks every page of the file by bbolt's own checker.
func intact(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		var errs []error
		for err := range tx.Check() {
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatalf("the file is not whole: %v", err)
	}
}
