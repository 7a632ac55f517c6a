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

// slackPatience is after which time Slack shows that a click failed.
const slackPatience = 3 * time.Second

// TestLoad sends signed clicks at a steady rate, whether those before were
// answered or not, to a process of the functions over a bolt file; and as many, in
// between, to a process that only verifies the signature and answers. Each
// request gets four clicks in a row, in any order: two people press twice each,
// and for every other request one of them rejects by form. Afterwards every
// request has one decision, that of a click which was answered so, and every
// signal that left says it. Those hold however busy the machine is; that all
// clicks are answered, in Slack's time, is asked of a run of 5 s and more, which
// wants the machine for itself.
func TestLoad(t *testing.T) {
	const each = 4 // clicks for a request
	clicks := max(int(loadTime.Seconds()*float64(*loadRate))/each, 1) * each
	l := newLoad(t, clicks/each)
	interval := time.Second / time.Duration(*loadRate)

	var sending sync.WaitGroup
	begin := time.Now().Add(100 * time.Millisecond)
	real, bare := make([]sent, clicks), make([]sent, clicks)
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
	ours, theirs := summary(real, l.process), summary(bare, l.bare)
	t.Logf("%d clicks in %.1f s at %d requests", clicks, took.Seconds(), clicks/each)
	t.Logf("countersign:        %s", ours)
	t.Logf("verify and answer:  %s", theirs)
	t.Logf("ratio: p50 %.1f, p99 %.1f", ratio(ours.p50, theirs.p50), ratio(ours.p99, theirs.p99))
	again := l.check(real)
	if *loadTime < 5*time.Second {
		return
	}
	if ours.errors > 0 || theirs.errors > 0 || again > 0 {
		t.Errorf("not every click was answered with 200: %d and %d; of %d requests no click was recorded", ours.errors, theirs.errors, again)
	}
	if ours.max > slackPatience {
		t.Errorf("a click took %s; Slack waits %s", ours.max, slackPatience)
	}
}

// load is a world with launches that wait, and what people will send about them.
type load struct {
	*two
	bare   *localfn.Process
	client *http.Client
	clicks []aClick
}

// aClick is a payload of Slack's that is yet to be signed.
type aClick struct {
	request string // ID
	reject  bool
	body    string
}

// sent is what came of a click.
type sent struct {
	took   time.Duration // from when it was due
	status int           // 0: no answer
	body   string
}

func newLoad(t *testing.T, requests int) *load {
	t.Helper()
	l := &load{two: &two{crash: newCrash(t, &tally{})}}
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

	press, form := l.patterns()
	for range requests {
		l.launch()
	}
	l.run(t.Context())
	for _, m := range l.world.Slack.Messages(sandbox.Channel) {
		if b := m.Buttons(); len(b) == 2 {
			l.clicks = append(l.clicks, l.about(m, b, len(l.clicks)%8 == 0, press, form)...)
		}
	}
	if len(l.clicks) != 4*requests {
		t.Fatalf("%d clicks for %d requests", len(l.clicks), requests)
	}
	return l
}

// patterns are an approval and a submitted rejection as the made Slack sends
// them, of a launch of their own.
func (l *load) patterns() (press, form json.RawMessage) {
	l.t.Helper()
	id := l.launch()
	l.run(l.t.Context())
	messages := l.live(id)
	if len(messages) != 1 {
		l.t.Fatalf("%d messages ask, not 1", len(messages))
	}
	opened, err := l.world.Slack.ClickStale(sandbox.Bob, messages[0], string(handle.Reject))
	if err != nil || opened.Opened == nil {
		l.t.Fatalf("the form did not open: %v, %s", err, opened.Notice)
	}
	submitted, err := l.world.Slack.Submit(sandbox.Bob, opened.Opened.ID, map[string]map[string]string{"reason": {"reason": "not under load"}})
	if err != nil || submitted.Failed {
		l.t.Fatalf("the form was not taken: %v, %s", err, submitted.Notice)
	}
	pressed, err := l.world.Slack.ClickStale(sandbox.Ann, messages[0], string(handle.Approve))
	if err != nil || pressed.Failed {
		l.t.Fatalf("the button was not taken: %v, %s", err, pressed.Notice)
	}
	l.run(l.t.Context())
	return pressed.Payload, submitted.Payload
}

// about are the four clicks for the request of a message, in any order.
func (l *load) about(m slacktest.Message, buttons []slacktest.Button, reject bool, press, form json.RawMessage) []aClick {
	l.t.Helper()
	ticket, err := handle.ParseTicket(buttons[0].Value)
	if err != nil {
		l.t.Fatal(err)
	}
	approve := func(who string) aClick {
		return aClick{ticket.ID, false, l.edited(press, func(p map[string]any) {
			p["user"].(map[string]any)["id"] = who
			p["message"].(map[string]any)["ts"] = m.TS
			p["container"].(map[string]any)["message_ts"] = m.TS
			p["actions"].([]any)[0].(map[string]any)["value"] = buttons[0].Value
		})}
	}
	bob := approve(sandbox.Bob)
	if reject {
		bob = aClick{ticket.ID, true, l.edited(form, func(p map[string]any) {
			metadata, err := json.Marshal(map[string]string{"ticket": buttons[1].Value, "channel": sandbox.Channel, "ts": m.TS})
			if err != nil {
				l.t.Fatal(err)
			}
			p["view"].(map[string]any)["private_metadata"] = string(metadata)
		})}
	}
	list := []aClick{approve(sandbox.Ann), approve(sandbox.Ann), bob, bob}
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

// send signs the click and sends it, as Slack does.
func (l *load) send(to *localfn.Process, c aClick, due time.Time) sent {
	now := l.world.Clock.Now()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, to.Bot+"/slack/interactivity", strings.NewReader(c.body))
	if err != nil {
		return sent{}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Slack-Request-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("X-Slack-Signature", slacktest.Sign(l.config.Functions.SigningSecrets[0], now, []byte(c.body)))
	res, err := l.client.Do(req)
	if err != nil {
		return sent{took: time.Since(due)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return sent{took: time.Since(due)}
	}
	return sent{time.Since(due), res.StatusCode, string(body)}
}

// figures are what a process was measured at.
type figures struct {
	p50, p99, max time.Duration
	errors        int
	resident      int // KiB at most; 0 where the system does not tell
}

func (f figures) String() string {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms, longest %.1f ms, %d errors, %.0f MB resident at most",
		ms(f.p50), ms(f.p99), ms(f.max), f.errors, float64(f.resident)*1024/1e6)
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func summary(list []sent, p *localfn.Process) (f figures) {
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

// resident is the most memory that the process ever had, in KiB. See proc(5).
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

// check lets the world come to its end, and holds the records against what
// people and CloudFormation were told. Where no click could be recorded, whoever
// pressed was told so, and presses once more; again is how often.
func (l *load) check(answers []sent) (again int) {
	t := l.t
	t.Helper()
	settled := func() {
		l.run(t.Context())
		if err := l.world.Advance(t.Context(), 5*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	settled()
	for _, id := range l.stacks {
		if len(l.live(id)) > 0 {
			again++
			l.approve(id, sandbox.Ann)
		}
	}
	if again > 0 {
		settled()
	}
	l.process.Kill()
	intact(t, l.config.Data)
	store, err := bolt.Open(l.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	l.store = store
	l.checkDecided(handle.Approved, handle.Rejected)
	for _, v := range l.world.Check(t.Context(), store) {
		t.Error(v)
	}
	l.checkAnswers(answers)
	// A click that finds a decision not yet marked as signalled signals it once
	// more: the same UniqueId, which CloudFormation counts once.
	repeated := 0
	for _, id := range l.stacks {
		stack, _ := l.world.CloudFormation.Stack(id)
		repeated += len(stack.Signals) - 1
	}
	t.Logf("%d requests decided and signalled, %d signals sent once more, %d pressed again", len(l.stacks), repeated, again)
	return again
}

// checkAnswers holds what people were told against the records.
func (l *load) checkAnswers(answers []sent) {
	l.t.Helper()
	for i, c := range l.clicks {
		r, err := l.store.Load(context.WithoutCancel(l.t.Context()), c.request)
		if err != nil {
			l.t.Fatal(err)
		}
		a := answers[i]
		rejected := r.State() == handle.Rejected
		switch {
		case a.status != http.StatusOK, strings.Contains(a.body, "I could not"): // it says nothing for certain
		case !c.reject && a.body != "":
			l.t.Errorf("an approval was answered with %q", a.body)
		case c.reject && (a.body == "") != rejected: // empty, it closes the form: the rejection counted
			l.t.Errorf("%s is %s, and a rejection was answered with %q", c.request, r.State(), a.body)
		}
	}
}
