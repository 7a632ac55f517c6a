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

// TestCrashes kills the functions' process (SIGKILL) at random moments of launches
// and clicks and restarts it over the same file. Each time the file is intact and
// each acknowledged click is recorded; in the end every launch is decided and
// signalled as decided.
func TestCrashes(t *testing.T) {
	const perSandbox = 20 // crashes; the cost of a check grows with the launches
	var seen tally
	for left := *crashes; left > 0; left -= perSandbox {
		c := newCrash(t, &seen)
		for range min(left, perSandbox) {
			c.round()
			if t.Failed() {
				return
			}
		}
		c.sandbox.Close()
	}
	t.Logf("%+v", seen)
	if *crashes >= 100 && (seen.ClicksLost == 0 || seen.ClicksAccepted == 0 || seen.SignalsDue == 0 || seen.LaunchesLost == 0) {
		t.Errorf("the kills did not interrupt everything that they should: %+v", seen)
	}
}

// tally counts what the kills interrupted.
type tally struct {
	Kills, Launches            int
	ClicksAccepted, ClicksLost int // answered with 200, and not
	SignalsDue                 int // decided and not marked as signalled
	LaunchesLost               int // not yet recorded
}

// crash is one sandbox and the process that is killed in it.
type crash struct {
	t       *testing.T
	sandbox *sandbox.Sandbox
	config  localfn.ChildConfig
	process *localfn.Process
	product *gate.Template
	tally   *tally

	stacks   []string
	accepted map[string][]handle.Verdict // verdicts answered with 200, by stack
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
		t: t, sandbox: w, product: product, tally: seen, accepted: map[string][]handle.Verdict{},
		config: localfn.ChildConfig{Functions: w.FunctionsConfig, Data: filepath.Join(t.TempDir(), "requests.db")},
	}
}

// round starts the process, kills it under load and checks the file; then it
// restarts the process, lets it finish and checks the end.
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
	c.tally.Kills++
	c.checkFile()

	// Time for leases to end, Lambda to retry and the sweep to run.
	c.sandbox.Clock.Advance(5 * time.Minute)
	c.start()
	c.run(ctx)
	for _, id := range c.stacks {
		if len(c.live(id)) > 0 { // no click was recorded: click again
			c.approve(id, sandbox.Ann)
		}
	}
	c.run(ctx)
	c.process.Kill()
	c.checkFile()
	c.checkEnd()
	if t.Failed() {
		t.Logf("after %+v", *c.tally)
	}
}

func (c *crash) start() {
	c.t.Helper()
	c.config.ClockOffset = c.sandbox.Clock.Offset()
	p, err := localfn.Start(c.t.Context(), c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.process = p
	c.t.Cleanup(p.Kill)
	c.sandbox.UseRemote(p.Bot, p.Invoke)
}

func (c *crash) run(ctx context.Context) {
	if err := c.sandbox.Run(ctx); err != nil {
		c.t.Error(err)
	}
}

var launchMu sync.Mutex

func (c *crash) launch() (stackID string) {
	launchMu.Lock()
	defer launchMu.Unlock()
	id, err := c.sandbox.Launch(sandbox.Launch{
		Template: c.product, Name: fmt.Sprintf("queue-%d", len(c.stacks)+1),
		Parameters: map[string]string{"UserEmail": "rita@example.com", "Purpose": "a crash test"},
	})
	if err != nil {
		c.t.Error(err)
		return ""
	}
	c.stacks = append(c.stacks, id)
	c.tally.Launches++
	return id
}

// live returns the messages of the launch that have buttons.
func (c *crash) live(stackID string) (messages []slacktest.Message) {
	stack, _ := c.sandbox.CloudFormation.Stack(stackID)
	id := stack.Resource("ApprovalRequest").PhysicalID
	for _, m := range c.sandbox.Slack.Messages(sandbox.Channel) {
		if b := m.ButtonsIn("decide"); id != "" && len(b) > 0 && strings.Contains(b[0].Value, id) {
			messages = append(messages, m)
		}
	}
	return messages
}

// approve clicks Approve as that person and notes the response.
func (c *crash) approve(stackID, who string) {
	messages := c.live(stackID)
	if len(messages) == 0 {
		return // decided meanwhile
	}
	seen := len(c.sandbox.Slack.Ephemerals(who))
	i, err := c.sandbox.Slack.ClickStale(who, messages[0], string(handle.Approve))
	c.note(stackID, handle.Approve, err, !i.Failed && c.saysRecorded(who, seen))
}

// saysRecorded reports whether each private reply since then says that the vote is
// recorded. On a slow machine the budget of a click can end, and the bot says so.
func (c *crash) saysRecorded(who string, since int) bool {
	recorded, _, _ := strings.Cut(blocks.Recorded(handle.Request{}), " ")
	return !slices.ContainsFunc(c.sandbox.Slack.Ephemerals(who)[since:], func(m slacktest.Message) bool { return !strings.HasPrefix(m.Text, recorded) })
}

// reject clicks Reject and submits the modal if it opens.
func (c *crash) reject(stackID, who string) {
	messages := c.live(stackID)
	if len(messages) == 0 {
		return
	}
	i, err := c.sandbox.Slack.ClickStale(who, messages[0], string(handle.Reject))
	if err != nil || i.Opened == nil {
		return
	}
	form := i.Opened.ID
	i, err = c.sandbox.Slack.Submit(who, form, map[string]map[string]string{"reason": {"reason": "not in a crash"}})
	_, open := c.sandbox.Slack.Modal(who)
	c.note(stackID, handle.Reject, err, !i.Failed && !open)
	if open {
		_, _ = c.sandbox.Slack.CloseView(who, form)
	}
}

var noteMu sync.Mutex

func (c *crash) note(stackID string, v handle.Verdict, err error, taken bool) {
	noteMu.Lock()
	defer noteMu.Unlock()
	if err != nil {
		c.t.Errorf("couldn't click %s: %v", v, err)
		return
	}
	if !taken {
		c.tally.ClicksLost++
		return
	}
	c.tally.ClicksAccepted++
	c.accepted[stackID] = append(c.accepted[stackID], v)
}

// checkFile checks the file of the killed process.
func (c *crash) checkFile() {
	t := c.t
	t.Helper()
	checkPages(t, c.config.Data)
	store, err := bolt.Open(c.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, v := range c.sandbox.Check(t.Context(), store) {
		t.Error(v)
	}
	for _, id := range c.stacks {
		c.checkStack(store, id)
	}
}

// checkStack checks the record of a launch against the signals and the responses
// to clicks.
func (c *crash) checkStack(store handle.Store, stackID string) {
	t := c.t
	t.Helper()
	stack, _ := c.sandbox.CloudFormation.Stack(stackID)
	requests, err := store.OfStack(t.Context(), stackID)
	if err != nil {
		t.Fatal(err)
	}
	asked := stack.Resource("ApprovalRequest")
	if len(requests) == 0 {
		if asked.Status == fakecfn.CreateComplete || len(c.accepted[stackID]) > 0 || len(stack.Signals) > 0 {
			t.Errorf("%s: no request is recorded, and the resource is %s, %d clicks were accepted and %d signals sent",
				stack.Name, asked.Status, len(c.accepted[stackID]), len(stack.Signals))
		}
		c.tally.LaunchesLost++
		return
	}
	if len(requests) != 1 {
		t.Errorf("%s: %d requests for one launch", stack.Name, len(requests))
	}
	r := requests[0]
	if taken := c.accepted[stackID]; len(taken) > 0 && r.Decision == nil {
		t.Errorf("%s: clicks were answered with 200 (%s), and the request is %s", stack.Name, taken, r.State())
	}
	if r.Decision != nil && r.Signal == nil {
		c.tally.SignalsDue++
	}
	if r.Decision == nil && len(stack.Signals) > 0 {
		t.Errorf("%s: signalled before it was decided", stack.Name)
	}
	var statuses []string
	for _, s := range stack.Signals {
		var body handle.SignalBody
		if err := json.Unmarshal([]byte(s.Body), &body); err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, body.Status)
	}
	if slices.Contains(statuses, "SUCCESS") && slices.Contains(statuses, "FAILURE") {
		t.Errorf("%s: both signals were sent: %s", stack.Name, statuses)
	}
}

// checkEnd checks that every stack has ended as its request was decided.
func (c *crash) checkEnd() {
	t := c.t
	t.Helper()
	store, err := bolt.Open(c.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, id := range c.stacks {
		stack, _ := c.sandbox.CloudFormation.Stack(id)
		requests, err := store.OfStack(t.Context(), id)
		if err != nil || len(requests) != 1 {
			t.Fatalf("%s: %d requests, error %v", stack.Name, len(requests), err)
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

// checkPages checks every page of the file with bbolt's own checker.
func checkPages(t *testing.T, path string) {
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
		t.Fatalf("the file is damaged: %v", err)
	}
}
