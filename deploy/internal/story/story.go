// Package story runs scripted launches against simulated AWS and Slack, prints a
// timeline of each, and checks the laws after every step.
package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle/bolt"
	"countersign/notifier"
)

// Story is one scripted launch.
type Story struct {
	Name     string
	About    string // one sentence
	defaults func(*notifier.Defaults)
	grid     *sandbox.Grid              // nil: the workspace belongs to no Enterprise Grid
	child    bool                       // run the functions in a separate process
	start    time.Time                  // zero: startTime
	needs    func(*gate.Template) error // why the story cannot run over a template; nil: it can over any
	scenario func(context.Context, *runner) error
}

// Config configures Run.
type Config struct {
	Template   *gate.Template
	Parameters map[string]string // by name; parameters that are not given and have no default get example values
	Log        *slog.Logger      // for the functions
}

// Stories lists all stories in the order in which they run.
func Stories() []Story {
	return []Story{
		{Name: "approve", About: "Ann approves, and the stack is created.", scenario: approve},
		{Name: "reject", About: "Ann rejects, and the stack rolls back with her reason.", scenario: reject},
		{Name: "quorum", About: "The launch needs two approvers, and Ann cannot approve twice.", scenario: quorum,
			defaults: func(d *notifier.Defaults) { d.Approvals = 2 }},
		{Name: "expire", About: "No one decides, and the launch fails with a reason before the wait condition times out.", scenario: expire},
		{Name: "withdraw", About: "Rita cancels the launch while its request is pending.", scenario: withdraw},
		{Name: "double-click", About: "Ann and Bob click Approve several times at once: one decision.", scenario: doubleClick},
		{Name: "outsider", About: "People who may not decide are refused in a private message.", scenario: outsider},
		{Name: "bypass", About: "Rita signals the wait condition herself, and the verdict fails the stack.", scenario: bypass},
		{Name: "slack-down", About: "Slack is down, and an admin approves by mail.", scenario: slackDown},
		{Name: "crash", About: "The functions are killed between decision and signal, restart and finish.", scenario: crash, child: true},
		{Name: "launch-fails", About: "The launch is approved, a resource then fails, and the thread says why.", scenario: launchFails},
		{Name: "question", About: "Ann asks Rita a question, Rita answers, and Ann approves.", scenario: question},
		{Name: "remind", About: "Of two approvers Ann has approved, and only Bob is reminded, by the clock and by Rita's nudge.", scenario: remind,
			defaults: func(d *notifier.Defaults) { d.Approvals = 2 }},
		{Name: "escalate", About: "No one acts for twenty minutes, the request is escalated to Dan, and he approves.", scenario: escalate, defaults: escalates},
		{Name: "withdraw-by-requester", About: "Rita withdraws her launch, and it rolls back with her reason.", scenario: withdrawByRequester},
		{Name: "batch", About: "Ann approves two of three launches together, and each is decided separately.", scenario: batch},
		{Name: "update", About: "Rita updates the launched product, and the update waits until Ann and Bob have approved what it changes.", scenario: update, needs: asks},
		{Name: "update-rejected", About: "Ann rejects an update, which rolls back with her reason.", scenario: updateRejected, needs: asks},
		{Name: "update-bypass", About: "An update changes the template and leaves the gate as it was: it is found and reported.", scenario: updateBypass},
		{Name: "new-version", About: "A template gets a gate by gate inject, is launched, changed, renewed by gate upgrade, and updated.", scenario: newVersion},
		{Name: "weekend", About: "A launch expires over the weekend, Ann approves it on Monday, and Rita's relaunch goes through at once.", scenario: weekend, start: friday},
		{Name: "grid", About: "In an Enterprise Grid, Ann cannot approve her own launch under her other ID, and Bob counts once.", scenario: grid,
			grid: &sandbox.Grid{}, defaults: func(d *notifier.Defaults) { d.Approvals = 2 }},
		{Name: "throttled", About: "Ann makes CloudFormation and Slack too busy to say who launched, and still cannot approve her own launch.", scenario: throttled},
		{Name: "forged", About: "An intruder sends forged events to the notifier and its topic, and none has an effect.", scenario: forged},
	}
}

// Names lists the names of the stories.
func Names() []string {
	var names []string
	for _, s := range Stories() {
		names = append(names, s.Name)
	}
	return names
}

// ErrFailed is returned when a story failed.
var ErrFailed = errors.New("stories failed")

// Run runs the story with the given name, or all of them, and prints the timeline
// to out. The error is ErrFailed if a check or a law failed.
func Run(ctx context.Context, out io.Writer, name string, c Config) error {
	stories := Stories()
	if name != "all" {
		stories = slices.DeleteFunc(stories, func(s Story) bool { return s.Name != name })
	}
	if len(stories) == 0 {
		return fmt.Errorf("unknown story %q: use one of %s, or all", name, strings.Join(Names(), ", "))
	}
	var failed []error
	skipped := 0
	for _, s := range stories {
		if s.needs != nil {
			if reason := s.needs(c.Template); reason != nil {
				fmt.Fprintf(out, "%s: %s\n", s.Name, s.About)
				err := gateHolds(out, c.Template)
				if _, noGate := c.Template.Leaks(); errors.Is(noGate, gate.ErrNoRequest) {
					err = noGate
				}
				if err != nil {
					fmt.Fprintf(out, "  FAILED: %v\n\n", err)
					failed = append(failed, fmt.Errorf("%s: %w", s.Name, err))
					continue
				}
				fmt.Fprintf(out, "  skipped: %v\n\n", reason)
				skipped++
				continue
			}
		}
		if err := s.run(ctx, out, c); err != nil {
			fmt.Fprintf(out, "  FAILED: %v\n\n", err)
			failed = append(failed, fmt.Errorf("%s: %w", s.Name, err))
			continue
		}
		fmt.Fprint(out, "  ok: all laws held\n\n")
	}
	if len(failed) > 0 {
		return fmt.Errorf("%w: %w", ErrFailed, errors.Join(failed...))
	}
	fmt.Fprintf(out, "%d passed, 0 failed", len(stories)-skipped)
	if skipped > 0 {
		fmt.Fprintf(out, ", %d skipped", skipped)
	}
	fmt.Fprintln(out)
	return nil
}

func (s Story) run(ctx context.Context, out io.Writer, c Config) (err error) {
	fmt.Fprintf(out, "%s: %s\n", s.Name, s.About)
	gateErr := gateHolds(out, c.Template)
	defer func() { err = errors.Join(gateErr, err) }()
	dir, err := os.MkdirTemp("", "countersign-story-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	run := &runner{out: out, config: c, data: filepath.Join(dir, "requests.db"), alarms: newAlarms(c.Log)}
	sc := sandbox.Config{Log: slog.New(run.alarms), Defaults: s.defaults, Grid: s.grid, TopicsInvoke: true}
	if !s.child {
		store, err := bolt.Open(run.data)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		run.store, sc.Store = store, store
		sc.Clock = sandbox.ManualClock(startTime)
		if !s.start.IsZero() {
			sc.Clock = sandbox.ManualClock(s.start)
		}
	}
	if run.sandbox, err = sandbox.New(sc); err != nil {
		return err
	}
	defer run.sandbox.Close()
	run.start = run.sandbox.Clock.Now()
	if f := run.sandbox.Functions; f != nil {
		f.Notifier.Wait = func(ctx context.Context, d time.Duration) error { // in simulated time
			run.sandbox.Clock.Advance(d)
			return ctx.Err()
		}
	}
	if s.child {
		run.child = &child{config: localfn.ChildConfig{Functions: run.sandbox.FunctionsConfig, Data: run.data}}
		defer run.child.kill()
		if err := run.child.start(ctx, run.sandbox); err != nil {
			return err
		}
	}
	return s.scenario(ctx, run)
}
