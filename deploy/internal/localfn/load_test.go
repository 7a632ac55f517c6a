package localfn_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/handle/bolt"
)

var (
	loadTime = flag.Duration("load", time.Second, "how long TestLoad clicks")
	loadRate = flag.Int("rate", 200, "how many clicks a second TestLoad sends")
)

// slackTimeout is how long Slack waits for the response to a click.
const slackTimeout = 3 * time.Second

// TestLoad sends signed clicks at a steady rate, without waiting for responses, to
// the functions over a bolt file; and in between as many to a process that only
// verifies the signature. Each request gets four clicks in random order: two people
// click twice each, and for every other request one of them submits a rejection.
// Afterwards every request has one decision, all signals state it, and no response
// contradicts it, however busy the machine is. A run of 5 s or more, which needs
// the machine to itself, also requires that all clicks are answered in time.
func TestLoad(t *testing.T) {
	const each = 4 // clicks for a request
	clicks := max(int(loadTime.Seconds()*float64(*loadRate))/each, 1) * each
	l := newLoad(t, clicks/each)
	interval := time.Second / time.Duration(*loadRate)

	var sending sync.WaitGroup
	begin := time.Now().Add(100 * time.Millisecond)
	real, bare := make([]result, clicks), make([]result, clicks)
	for i, c := range l.clicks {
		at := begin.Add(time.Duration(i) * interval)
		time.Sleep(time.Until(at))
		sending.Go(func() { real[i] = l.send(l.process, c, at) })
		half := at.Add(interval / 2)
		time.Sleep(time.Until(half))
		sending.Go(func() { bare[i] = l.send(l.bare, c, half) })
	}
	sending.Wait()
	took := time.Since(begin)
	ours, theirs := newStats(real, l.process), newStats(bare, l.bare)
	t.Logf("%d clicks in %.1f s at %d requests", clicks, took.Seconds(), clicks/each)
	t.Logf("countersign:        %s", ours)
	t.Logf("verify and answer:  %s", theirs)
	t.Logf("ratio: p50 %.1f, p99 %.1f", ratio(ours.p50, theirs.p50), ratio(ours.p99, theirs.p99))
	again := l.check(real)
	if *loadTime < 5*time.Second {
		return
	}
	if ours.errors > 0 || theirs.errors > 0 || again > 0 {
		t.Errorf("clicks not answered with 200: %d by the bot, %d by the bare process; %d requests have no recorded click", ours.errors, theirs.errors, again)
	}
	if ours.max > slackTimeout {
		t.Errorf("a click took %s; Slack waits %s", ours.max, slackTimeout)
	}
}

// load is a sandbox with pending launches, and the clicks to send.
type load struct {
	*pair
	bare   *localfn.Process
	client *http.Client
	clicks []click
}

// click is an interaction payload of Slack, not yet signed.
type click struct {
	request string // ID
	reject  bool
	body    string
}

// result is the response to a click.
type result struct {
	took   time.Duration // from when it was due
	status int           // 0: no response
	body   string
}

func newLoad(t *testing.T, requests int) *load {
	t.Helper()
	l := &load{pair: &pair{crash: newCrash(t, &tally{})}}
	l.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(l.client.CloseIdleConnections)
	l.start()
	t.Setenv(bareEnv, "yes")
	var err error
	if l.bare, err = localfn.Start(t.Context(), l.config); err != nil {
		t.Fatal(err)
	}
	t.Setenv(bareEnv, "")
	t.Cleanup(l.bare.Kill)

	approval, rejection := l.samplePayloads()
	for range requests {
		l.launch()
	}
	l.run(t.Context())
	for _, m := range l.sandbox.Slack.Messages(sandbox.Channel) {
		if b := m.ButtonsIn("decide"); len(b) == 3 {
			l.clicks = append(l.clicks, l.clicksFor(m, b, len(l.clicks)%8 == 0, approval, rejection)...)
		}
	}
	if len(l.clicks) != 4*requests {
		t.Fatalf("%d clicks for %d requests", len(l.clicks), requests)
	}
	return l
}

// samplePayloads returns an approval and a submitted rejection, as the simulated
// Slack sends them, for a launch of their own.
func (l *load) samplePayloads() (approval, rejection json.RawMessage) {
	l.t.Helper()
	id := l.launch()
	l.run(l.t.Context())
	messages := l.live(id)
	if len(messages) != 1 {
		l.t.Fatalf("got %d messages with buttons, want 1", len(messages))
	}
	opened, err := l.sandbox.Slack.ClickStale(sandbox.Bob, messages[0], string(handle.Reject))
	if err != nil || opened.Opened == nil {
		l.t.Fatalf("the modal did not open: %v, %s", err, opened.Notice)
	}
	submitted, err := l.sandbox.Slack.Submit(sandbox.Bob, opened.Opened.ID, map[string]map[string]string{"reason": {"reason": "not under load"}})
	if err != nil || submitted.Failed {
		l.t.Fatalf("the modal was refused: %v, %s", err, submitted.Notice)
	}
	clicked, err := l.sandbox.Slack.ClickStale(sandbox.Ann, messages[0], string(handle.Approve))
	if err != nil || clicked.Failed {
		l.t.Fatalf("the click was refused: %v, %s", err, clicked.Notice)
	}
	l.run(l.t.Context())
	return clicked.Payload, submitted.Payload
}

// clicksFor returns the four clicks for the request of a message, in random order.
func (l *load) clicksFor(m slacktest.Message, buttons []slacktest.Button, reject bool, approval, rejection json.RawMessage) []click {
	l.t.Helper()
	ticket, err := handle.ParseTicket(buttons[0].Value)
	if err != nil {
		l.t.Fatal(err)
	}
	approve := func(who string) click {
		return click{ticket.ID, false, l.edited(approval, func(p map[string]any) {
			p["user"].(map[string]any)["id"] = who
			p["message"].(map[string]any)["ts"] = m.TS
			p["container"].(map[string]any)["message_ts"] = m.TS
			p["actions"].([]any)[0].(map[string]any)["value"] = buttons[0].Value
		})}
	}
	bob := approve(sandbox.Bob)
	if reject {
		bob = click{ticket.ID, true, l.edited(rejection, func(p map[string]any) {
			metadata, err := json.Marshal(map[string]string{"ticket": buttons[1].Value, "channel": sandbox.Channel, "ts": m.TS})
			if err != nil {
				l.t.Fatal(err)
			}
			p["view"].(map[string]any)["private_metadata"] = string(metadata)
		})}
	}
	list := []click{approve(sandbox.Ann), approve(sandbox.Ann), bob, bob}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func (l *load) edited(payload json.RawMessage, edit func(map[string]any)) (body string) {
	l.t.Helper()
	var p map[string]any
	if err := json.Unmarshal(payload, &p); err != nil {
		l.t.Fatal(err)
	}
	edit(p)
	b, err := json.Marshal(p)
	if err != nil {
		l.t.Fatal(err)
	}
	return "payload=" + url.QueryEscape(string(b))
}

// send signs and sends a click as Slack does.
func (l *load) send(to *localfn.Process, c click, due time.Time) result {
	now := l.sandbox.Clock.Now()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, to.Bot+"/slack/interactivity", strings.NewReader(c.body))
	if err != nil {
		return result{}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Slack-Request-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("X-Slack-Signature", slacktest.Sign(l.config.Functions.SigningSecrets[0], now, []byte(c.body)))
	res, err := l.client.Do(req)
	if err != nil {
		return result{took: time.Since(due)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return result{took: time.Since(due)}
	}
	return result{time.Since(due), res.StatusCode, string(body)}
}

// stats are the measurements of one process.
type stats struct {
	p50, p99, max time.Duration
	errors        int
	resident      int // peak resident memory in KiB; 0 if unknown
}

func (f stats) String() string {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms, max %.1f ms, %d errors, peak %.0f MB resident",
		ms(f.p50), ms(f.p99), ms(f.max), f.errors, float64(f.resident)*1024/1e6)
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func newStats(list []result, p *localfn.Process) (f stats) {
	var took []time.Duration
	for _, s := range list {
		took = append(took, s.took)
		if s.status != http.StatusOK {
			f.errors++
		}
	}
	slices.Sort(took)
	f.p50, f.p99, f.max = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	f.resident = resident(p.PID())
	return f
}

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// resident returns the peak resident memory of the process in KiB. See proc(5).
func resident(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0 // not on Linux
	}
	m := highWater.FindSubmatch(b)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1])) // digits
	return n
}

// check lets everything finish and checks the records against the responses and
// signals. If no click on a request was recorded, the person was told so and
// clicks again; again counts these requests.
func (l *load) check(answers []result) (again int) {
	t := l.t
	t.Helper()
	finish := func() {
		l.run(t.Context())
		if err := l.sandbox.Advance(t.Context(), 5*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	finish()
	for _, id := range l.stacks {
		if len(l.live(id)) > 0 {
			again++
			l.approve(id, sandbox.Ann)
		}
	}
	if again > 0 {
		finish()
	}
	l.process.Kill()
	checkPages(t, l.config.Data)
	store, err := bolt.Open(l.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	l.store = store
	l.checkDecided(handle.Approved, handle.Rejected)
	for _, v := range l.sandbox.Check(t.Context(), store) {
		t.Error(v)
	}
	l.checkAnswers(answers)
	// A click that finds a decision not yet marked as signalled sends the signal
	// again. It has the same UniqueId, so CloudFormation counts it once.
	repeated := 0
	for _, id := range l.stacks {
		stack, _ := l.sandbox.CloudFormation.Stack(id)
		repeated += len(stack.Signals) - 1
	}
	t.Logf("%d requests decided and signalled, %d signals repeated, %d clicked again", len(l.stacks), repeated, again)
	return again
}

// checkAnswers checks the responses to the clicks against the records.
func (l *load) checkAnswers(answers []result) {
	l.t.Helper()
	for i, c := range l.clicks {
		r, err := l.store.Load(context.WithoutCancel(l.t.Context()), c.request)
		if err != nil {
			l.t.Fatal(err)
		}
		a := answers[i]
		rejected := r.State() == handle.Rejected
		switch {
		case a.status != http.StatusOK, uncertain(a.body):
		case !c.reject && a.body != "":
			l.t.Errorf("an approval was answered with %q", a.body)
		case c.reject && (a.body == "") != rejected: // an empty body closes the modal: the rejection counted
			l.t.Errorf("%s is %s, and a rejection was answered with %q", c.request, r.State(), a.body)
		}
	}
}

// uncertain reports whether a response says that the decision was not, or perhaps
// not, recorded.
func uncertain(body string) bool {
	return strings.Contains(body, blocks.NotRecorded) || strings.Contains(body, blocks.MaybeRecorded)
}
