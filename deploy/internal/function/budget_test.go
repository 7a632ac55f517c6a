package function_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// Budgets of the functions.
const (
	maxZip        = 5_000_000 // bytes
	maxResident   = 64 << 20  // bytes
	maxStart      = 1.5       // times that of an empty function
	maxHookStart  = 2.0       // likewise; the hook reads YAML
	maxWrites     = 5         // to DynamoDB per approval, from the launch until the message is updated
	maxReads      = 5
	maxSlackCalls = 6 // without look-ups of people, which are cached
)

// startTimes are times from the start of a process to its first response. Each is the
// minimum of several runs, because other load only adds to it.
type startTimes struct {
	empty, bot, notifier, hook time.Duration
	secret                     time.Duration // to fetch the secret; not part of the others
}

// slowest is the slower of bot and notifier, relative to an empty function.
func (s startTimes) slowest() float64 { return float64(max(s.bot, s.notifier)) / float64(s.empty) }

func (s startTimes) withinBudget() bool {
	return s.slowest() <= maxStart && float64(s.hook) <= maxHookStart*float64(s.empty)
}

func (s startTimes) fastest(other startTimes) startTimes {
	return startTimes{min(s.empty, other.empty), min(s.bot, other.bot), min(s.notifier, other.notifier), min(s.hook, other.hook), min(s.secret, other.secret)}
}

// measureStarts starts each function n times, in turn.
func measureStarts(t testing.TB, n int) startTimes {
	t.Helper()
	r := newFixture(t)
	empty := newFakeLambda(t, "empty", emptyBinary(t))
	hook := newFakeLambda(t, "countersign-hook", binary(t, "hook"), "COUNTERSIGN_STACK_PREFIX=SC-")
	question := httpEvent(t, httptest.NewRequest(http.MethodGet, "/", nil), nil, false)
	moving := []byte(`{"source":"aws.cloudformation","detail-type":"CloudFormation Stack Status Change",` +
		`"detail":{"stack-id":"arn:aws:cloudformation:us-east-1:111122223333:stack/SC-1/1","status-details":{"status":"CREATE_IN_PROGRESS","status-reason":""}}}`)
	starting := []byte(`{"clientRequestToken":"1","stackId":"arn:aws:cloudformation:us-east-1:111122223333:stack/other/1","actionInvocationPoint":"CREATE_PRE_PROVISION"}`)
	var of [5][]time.Duration
	for range n {
		of[0] = append(of[0], empty.start(question))
		of[4] = append(of[4], hook.start(starting))
		for i, h := range []*fakeLambda{r.bot, r.notifier} {
			event := [][]byte{question, moving}[i]
			took, secret := h.start(event), h.secretTime()
			of[i+1] = append(of[i+1], took-secret)
			of[3] = append(of[3], secret)
		}
	}
	return startTimes{empty: slices.Min(of[0]), bot: slices.Min(of[1]), notifier: slices.Min(of[2]), hook: slices.Min(of[4]), secret: slices.Min(of[3])}
}

// start starts a new process and returns the time to its first response.
func (h *fakeLambda) start(event []byte) time.Duration {
	h.t.Helper()
	h.mu.Lock()
	p := h.process
	h.lines = nil
	h.mu.Unlock()
	if p != nil {
		h.stop(p)
	}
	o := h.invoke(event, clickTime)
	took := time.Since(h.process.began)
	if o.failed != "" {
		h.t.Fatalf("%s\n%s", o.failed, h.output())
	}
	return took
}

// secretTime returns the time to fetch the secret, from the log.
func (h *fakeLambda) secretTime() time.Duration {
	h.t.Helper()
	var line struct{ SecretMillis float64 }
	if err := json.Unmarshal([]byte(h.waitForLog(`"message":"ready"`)), &line); err != nil || line.SecretMillis == 0 {
		h.t.Fatalf("no time for the secret in the log: %v", err)
	}
	return time.Duration(line.SecretMillis * float64(time.Millisecond))
}

// emptyBinary builds an empty function with the functions' build flags.
func emptyBinary(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", binary, "./testdata/empty")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// zips returns the sizes of the zips by function, in bytes.
func zips(t testing.TB) map[string]int {
	t.Helper()
	folder := t.TempDir()
	if out, err := exec.Command("go", "run", "countersign/deploy/internal/build", "--out", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sizes := map[string]int{}
	for _, name := range []string{"bot", "notifier", "hook"} {
		info, err := os.Stat(filepath.Join(folder, name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		sizes[name] = int(info.Size())
	}
	return sizes
}

type calls struct{ writes, reads, slack int }

// cost is the cost of one approval.
type cost struct {
	approved calls          // from the launch until the message is updated
	notified calls          // until the requester is notified that the stack is complete
	units    units          // of DynamoDB, until then
	events   map[string]int // by function, until then
	resident int            // peak memory of the larger function, in bytes
}

// lookUps are the Slack methods that look up people.
var lookUps = []string{"users.info", "users.lookupByEmail", "usergroups.list", "usergroups.users.list"}

func measureApproval(t testing.TB) cost {
	t.Helper()
	r := newFixture(t)
	count := func() (c calls) {
		c.writes, c.reads = r.aws.count("PutItem", "UpdateItem"), r.aws.count("GetItem", "Query", "BatchGetItem")
		for _, call := range r.Slack.Calls() {
			if !slices.Contains(lookUps, call.Method) {
				c.slack++
			}
		}
		return c
	}
	var c cost
	r.beforeEvent = func(event []byte) { // the first event after the gate opens
		if c.approved == (calls{}) && bytes.Contains(event, []byte(`"CREATE_COMPLETE"`)) {
			c.approved = count()
		}
	}
	stack, request := r.launch()
	r.clickButton(sandbox.Ann, request, handle.Approve)
	c.notified = count()
	c.units = r.aws.units
	c.events = map[string]int{"bot": r.bot.events, "notifier": r.notifier.events}
	c.notified.writes, c.notified.reads = c.notified.writes+c.approved.writes, c.notified.reads+c.approved.reads // count resets the counts
	r.checkEnd(stack, "CREATE_COMPLETE", handle.Approved)
	_, bot := r.bot.residentBytes()
	_, notifier := r.notifier.residentBytes()
	c.resident = max(bot, notifier)
	return c
}

func TestFunctionsStayWithinBudget(t *testing.T) {
	for name, size := range zips(t) {
		if size > maxZip {
			t.Errorf("%s.zip has %d bytes, more than %d", name, size, maxZip)
		}
	}
	c := measureApproval(t)
	if a := c.approved; a.writes > maxWrites || a.reads > maxReads || a.slack > maxSlackCalls || a.writes == 0 || a.reads == 0 || a.slack == 0 {
		t.Errorf("an approval costs %d writes, %d reads and %d calls to Slack; want from 1 to %d, %d and %d", a.writes, a.reads, a.slack, maxWrites, maxReads, maxSlackCalls)
	}
	if c.resident > maxResident || c.resident == 0 {
		t.Errorf("a function used %d bytes of memory; want from 1 to %d", c.resident, maxResident)
	}
}

var manyStarts = flag.Int("starts", 0, "how often TestStart starts each function; 0 skips it, because it needs an idle machine")

// The functions start nearly as fast as an empty one. A busy machine needs more
// starts to reach the minimum.
func TestStart(t *testing.T) {
	if *manyStarts == 0 {
		t.Skip("needs an idle machine: go test ./deploy/internal/function -run TestStart -starts 61")
	}
	s := measureStarts(t, *manyStarts)
	for range 5 {
		if !s.withinBudget() {
			s = s.fastest(measureStarts(t, *manyStarts))
		}
	}
	t.Logf("%+v: %.2f times, the hook %.2f", s, s.slowest(), float64(s.hook)/float64(s.empty))
	if !s.withinBudget() {
		t.Errorf("the bot starts in %v, the notifier in %v and the hook in %v, an empty function in %v; the limits are %.1f times that, for the hook %.1f", s.bot, s.notifier, s.hook, s.empty, maxStart, maxHookStart)
	}
}

// BenchmarkFunctions measures the functions next to an empty one:
//
//	go test -run - -bench Functions ./deploy/internal/function
func BenchmarkFunctions(b *testing.B) {
	for b.Loop() {
		for name, size := range zips(b) {
			b.ReportMetric(float64(size)/1e6, name+"-zip-MB")
		}
		s := measureStarts(b, 101)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		b.ReportMetric(ms(s.empty), "empty-start-ms")
		b.ReportMetric(ms(s.bot), "bot-start-ms")
		b.ReportMetric(ms(s.notifier), "notifier-start-ms")
		b.ReportMetric(ms(s.hook), "hook-start-ms")
		b.ReportMetric(ms(s.secret), "secret-ms")
		b.ReportMetric(float64(s.bot)/float64(s.empty), "bot-start/empty")
		b.ReportMetric(float64(s.notifier)/float64(s.empty), "notifier-start/empty")
		b.ReportMetric(float64(s.hook)/float64(s.empty), "hook-start/empty")
		c := measureApproval(b)
		b.ReportMetric(float64(c.resident)/1e6, "resident-MB")
		b.ReportMetric(float64(c.approved.writes), "writes/approval")
		b.ReportMetric(float64(c.approved.reads), "reads/approval")
		b.ReportMetric(float64(c.approved.slack), "slack-calls/approval")
		b.ReportMetric(float64(c.notified.writes), "writes/launch")
		b.ReportMetric(c.units.write, "write-units/launch")
		b.ReportMetric(c.units.read, "read-units/launch")
		b.ReportMetric(float64(c.events["bot"]), "bot-events/launch")
		b.ReportMetric(float64(c.events["notifier"]), "notifier-events/launch")
		b.ReportMetric(float64(c.notified.reads), "reads/launch")
		b.ReportMetric(float64(c.notified.slack), "slack-calls/launch")
	}
	b.ReportMetric(0, "ns/op") // meaningless here
}
