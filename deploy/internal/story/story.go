// Package story plays whole launches in the made world, without a browser, and
// checks every law after every step.
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

	"countersign/deploy/gate"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle/bolt"
	"countersign/notifier"
)

// Story is one way that a launch can go.
type Story struct {
	Name     string
	About    string // one sentence
	defaults func(*notifier.Defaults)
	child    bool // the functions run in a process of their own
	tell     func(context.Context, *teller) error
}

// Config says how to play.
type Config struct {
	Template   *gate.Template
	Parameters map[string]string // what the template asks for; the rest is made up
	Log        *slog.Logger
}

// Stories lists all of them, in the order in which all are played.
func Stories() []Story {
	return []Story{
		{Name: "approve", About: "Ann approves, and the stack goes on.", tell: approve},
		{Name: "reject", About: "Ann rejects with a reason, and the stack rolls back with it.", tell: reject},
		{Name: "quorum", About: "Two different people must approve.", tell: quorum,
			defaults: func(d *notifier.Defaults) { d.Approvals = 2 }},
		{Name: "expire", About: "Nobody decides, and our own FAILURE comes before the silent time-out.", tell: expire},
		{Name: "withdraw", About: "Rita cancels the launch while it is pending.", tell: withdraw},
		{Name: "double-click", About: "Ann and Bob press at once, and again: one decision.", tell: doubleClick},
		{Name: "outsider", About: "Those who may not decide are refused in private.", tell: outsider},
		{Name: "bypass", About: "Rita PUTs to the wait URL herself: the verdict fails the stack.", tell: bypass},
		{Name: "slack-down", About: "Slack is down, and mail decides.", tell: slackDown},
		{Name: "crash", About: "Killed between decision and signal, restarted, completed.", tell: crash, child: true},
		{Name: "launch-fails", About: "Approved, and then a later resource fails: the thread says why.", tell: launchFails},
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

// ErrBroken says that a story did not go as it must.
var ErrBroken = errors.New("not every story went as it must")

// Play plays the story called name, or all of them, and prints what happens to
// out. The error is ErrBroken if anything went other than it must.
func Run(ctx context.Context, out io.Writer, name string, c Config) error {
	stories := Stories()
	if name != "all" {
		stories = slices.DeleteFunc(stories, func(s Story) bool { return s.Name != name })
	}
	if len(stories) == 0 {
		return fmt.Errorf("there is no story %q; there are %s, and all", name, strings.Join(Names(), ", "))
	}
	var failed []error
	for _, s := range stories {
		if err := s.play(ctx, out, c); err != nil {
			fmt.Fprintf(out, "  BROKEN: %v\n\n", err)
			failed = append(failed, fmt.Errorf("%s: %w", s.Name, err))
			continue
		}
		fmt.Fprint(out, "  every law held\n\n")
	}
	if len(failed) > 0 {
		return fmt.Errorf("%w: %w", ErrBroken, errors.Join(failed...))
	}
	fmt.Fprintf(out, "%d passed, 0 failed\n", len(stories))
	return nil
}

func (s Story) play(ctx context.Context, out io.Writer, c Config) (err error) {
	fmt.Fprintf(out, "%s: %s\n", s.Name, s.About)
	dir, err := os.MkdirTemp("", "countersign-story-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &teller{out: out, config: c, data: filepath.Join(dir, "requests.db")}
	wc := sandbox.Config{Log: c.Log, Defaults: s.defaults}
	if !s.child {
		store, err := bolt.Open(t.data)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		t.store, wc.Store = store, store
		wc.Clock = sandbox.ManualClock(storyTime)
	}
	if t.world, err = sandbox.New(wc); err != nil {
		return err
	}
	defer t.world.Close()
	t.begun = t.world.Clock.Now()
	if s.child {
		t.child = &child{config: localfn.ChildConfig{Functions: t.world.FunctionsConfig, Data: t.data}}
		defer t.child.kill()
		if err := t.child.start(ctx, t.world); err != nil {
			return err
		}
	}
	return s.tell(ctx, t)
}
