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

// What the functions may cost.
const (
	maxZip        = 5_000_000 // bytes
	maxResident   = 64 << 20  // bytes
	maxStart      = 1.5       // times that of an empty function
	maxWrites     = 5         // of DynamoDB, for an approval: from the launch until it is signalled and shown
	maxReads      = 5
	maxSlackCalls = 6 // without the look-ups of people, which are kept for a while
)

// starts are times from the start of a process to its first answer. Each is the
// fastest: what else runs on the machine only adds to it.
type starts struct {
	empty, bot, notifier time.Duration
	secret               time.Duration // to fetch the secret; not part of the others
}

// slowest is how many times the start of an empty function ours take.
func (s starts) slowest() float64 { return float64(max(s.bot, s.notifier)) / float64(s.empty) }

func (s starts) fastest(other starts) starts {
	return starts{min(s.empty, other.empty), min(s.bot, other.bot), min(s.notifier, other.notifier), min(s.secret, other.secret)}
}

// measureStarts starts each function n times, one beside the other.
func measureStarts(t testing.TB, n int) starts {
	t.Helper()
	r := newRig(t)
	empty := newHost(t, "empty", emptyBinary(t))
	question := httpEvent(t, httptest.NewRequest(http.MethodGet, "/", nil), nil, false)
	moving := []byte(`{"source":"aws.cloudformation","detail-type":"CloudFormation Stack Status Change",` +
		`"detail":{"stack-id":"arn:aws:cloudformation:us-east-1:111122223333:stack/SC-1/1","status-details":{"status":"CREATE_IN_PROGRESS","status-reason":""}}}`)
	var of [4][]time.Duration
	for range n {
		of[0] = append(of[0], empty.start(question))
		for i, h := range []*host{r.bot, r.notifier} {
			event := [][]byte{question, moving}[i]
			took, secret := h.start(event), h.fetching()
			of[i+1] = append(of[i+1], took-secret)
			of[3] = append(of[3], secret)
		}
	}
	return starts{empty: slices.Min(of[0]), bot: slices.Min(of[1]), notifier: slices.Min(of[2]), secret: slices.Min(of[3])}
}

// start starts a new process, and returns how long its first answer took.
func (h *host) start(event []byte) time.Duration {
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

// fetching is how long the process took to fetch the secret, as it says.
func (h *host) fetching() time.Duration {
	h.t.Helper()
	var line struct{ SecretMillis float64 }
	if err := json.Unmarshal([]byte(h.said(`"message":"ready"`)), &line); err != nil || line.SecretMillis == 0 {
		h.t.Fatalf("it does not say how long the secret took: %v", err)
	}
	return time.Duration(line.SecretMillis * float64(time.Millisecond))
}

// emptyBinary is built as the functions are.
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

// zips are the sizes of both functions as they are deployed, by name, in bytes.
func zips(t testing.TB) map[string]int {
	t.Helper()
	folder := t.TempDir()
	if out, err := exec.Command("go", "run", "countersign/deploy/internal/build", "--out", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sizes := map[string]int{}
	for _, name := range []string{"bot", "notifier"} {
		info, err := os.Stat(filepath.Join(folder, name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		sizes[name] = int(info.Size())
	}
	return sizes
}

// calls are counted.
type calls struct{ writes, reads, slack int }

// cost is what one approval costs.
type cost struct {
	approved calls          // from the launch until the approval is signalled and shown
	told     calls          // until the requester is told that the stack is up
	units    units          // of DynamoDB, until then
	events   map[string]int // that either function took, by its name, until then
	resident int            // bytes that one of the functions had in memory, at the most
}

// lookUps are the calls to Slack that ask who somebody is.
var lookUps = []string{"users.info", "users.lookupByEmail", "usergroups.users.list"}

func measureApproval(t testing.TB) cost {
	t.Helper()
	r := newRig(t)
	count := func() (c calls) {
		c.writes, c.reads = r.account.count("PutItem", "UpdateItem"), r.account.count("GetItem", "Query", "BatchGetItem")
		for _, call := range r.Slack.Calls() {
			if !slices.Contains(lookUps, call.Method) {
				c.slack++
			}
		}
		return c
	}
	var c cost
	r.before = func(event []byte) { // the first that happens once the gate is open
		if c.approved == (calls{}) && bytes.Contains(event, []byte(`"CREATE_COMPLETE"`)) {
			c.approved = count()
		}
	}
	stack, request := r.launch()
	r.press(sandbox.Ann, request, handle.Approve)
	c.told = count()
	c.units = r.account.units
	c.events = map[string]int{"bot": r.bot.events, "notifier": r.notifier.events}
	c.told.writes, c.told.reads = c.told.writes+c.approved.writes, c.told.reads+c.approved.reads // the account forgets what it has told
	r.ended(stack, "CREATE_COMPLETE", handle.Approved)
	_, bot := r.bot.resident()
	_, notifier := r.notifier.resident()
	c.resident = max(bot, notifier)
	return c
}

// The functions keep to what they may cost.
func TestBudget(t *testing.T) {
	for name, size := range zips(t) {
		if size > maxZip {
			t.Errorf("%s.zip has %d bytes, may have %d", name, size, maxZip)
		}
	}
	c := measureApproval(t)
	if a := c.approved; a.writes > maxWrites || a.reads > maxReads || a.slack > maxSlackCalls || a.writes == 0 || a.reads == 0 || a.slack == 0 {
		t.Errorf("an approval costs %d writes, %d reads and %d calls of Slack; may cost %d, %d and %d, but not nothing", a.writes, a.reads, a.slack, maxWrites, maxReads, maxSlackCalls)
	}
	if c.resident > maxResident || c.resident == 0 {
		t.Errorf("a function had %d bytes in memory; may have %d, but not none", c.resident, maxResident)
	}
}

var manyStarts = flag.Int("starts", 0, "start each function so many times; 0: not at all, for it wants a machine that does nothing else")

// The functions start nearly as fast as an empty one. On a busy machine more
// starts are needed to come to the fastest.
func TestStart(t *testing.T) {
	if *manyStarts == 0 {
		t.Skip("it wants a machine that does nothing else: go test ./deploy/internal/function -run TestStart -starts 61")
	}
	s := measureStarts(t, *manyStarts)
	for range 5 {
		if s.slowest() > maxStart {
			s = s.fastest(measureStarts(t, *manyStarts))
		}
	}
	t.Logf("%+v: %.2f times", s, s.slowest())
	if s.slowest() > maxStart {
		t.Errorf("the bot starts in %v and the notifier in %v, an empty function in %v; may take %.1f times that", s.bot, s.notifier, s.empty, maxStart)
	}
}

// BenchmarkFunctions measures what the functions cost beside an empty one:
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
		b.ReportMetric(ms(s.secret), "secret-ms")
		b.ReportMetric(float64(s.bot)/float64(s.empty), "bot-start/empty")
		b.ReportMetric(float64(s.notifier)/float64(s.empty), "notifier-start/empty")
		c := measureApproval(b)
		b.ReportMetric(float64(c.resident)/1e6, "resident-MB")
		b.ReportMetric(float64(c.approved.writes), "writes/approval")
		b.ReportMetric(float64(c.approved.reads), "reads/approval")
		b.ReportMetric(float64(c.approved.slack), "slack-calls/approval")
		b.ReportMetric(float64(c.told.writes), "writes/launch")
		b.ReportMetric(c.units.write, "write-units/launch")
		b.ReportMetric(c.units.read, "read-units/launch")
		b.ReportMetric(float64(c.events["bot"]), "bot-events/launch")
		b.ReportMetric(float64(c.events["notifier"]), "notifier-events/launch")
		b.ReportMetric(float64(c.told.reads), "reads/launch")
		b.ReportMetric(float64(c.told.slack), "slack-calls/launch")
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
}
