package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/laws"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/handle/bolt"
)

// storyTime is when every story begins, on a clock that stands still.
var storyTime = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// teller plays a story step by step and says what happens.
type teller struct {
	out    io.Writer
	config Config
	world  *sandbox.Sandbox
	store  handle.Store // nil while a child has the file
	data   string
	child  *child

	begun   time.Time
	stack   string            // ID of the launch
	live    slacktest.Message // as it last had buttons: what a client that is slow still shows
	printed map[string]bool
}

// step is one step of a story.
type step func(context.Context) error

// tell plays the steps. After each, everything that is due happens, what is new
// is printed, and every law is checked.
func (t *teller) tell(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		if err := s(ctx); err != nil {
			t.news()
			return err
		}
		if err := t.world.Run(ctx); err != nil {
			return err
		}
		t.news()
		var found []laws.Violation
		err := t.withStore(func(store handle.Store) error {
			found = t.world.Check(ctx, store)
			return nil
		})
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return fmt.Errorf("violations: %v", found)
		}
	}
	return nil
}

// withStore lends the store to f. While a child has the file, it is read from a
// copy: what is durable is what a copy shows.
func (t *teller) withStore(f func(handle.Store) error) error {
	if t.store != nil {
		return f(t.store)
	}
	path, err := t.child.copyData()
	if err != nil {
		return err
	}
	store, err := bolt.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f(store), store.Close())
}

// request is the one request of the launch.
func (t *teller) request(ctx context.Context) (r handle.Request, err error) {
	err = t.withStore(func(store handle.Store) error {
		list, err := store.OfStack(ctx, t.stack)
		if err == nil && len(list) == 0 {
			err = errors.New("the launch asked for no approval: has the template a gate?")
		}
		if err == nil && len(list) > 1 {
			err = fmt.Errorf("the launch has %d requests, and stories are about one", len(list))
		}
		if err == nil {
			r = list[0]
		}
		return err
	})
	return r, err
}

func (t *teller) root(ctx context.Context) (handle.Message, error) {
	r, err := t.request(ctx)
	if err != nil {
		return handle.Message{}, err
	}
	root, ok := r.Root()
	if !ok {
		return root, errors.New("no message is on record as posted")
	}
	return root, nil
}

func (t *teller) theStack() fakecfn.Stack {
	s, _ := t.world.CloudFormation.Stack(t.stack)
	return s
}

// hasVerdict reports whether the template has a verdict behind its wait.
func (t *teller) hasVerdict() bool {
	return slices.ContainsFunc(t.theStack().Events, func(e fakecfn.Event) bool {
		_, ok := laws.VerdictOf(e)
		return ok
	})
}

// act is a step in which somebody does something.
func (t *teller) act(who, what string, f step) step {
	return func(ctx context.Context) error {
		t.say(who, what)
		return f(ctx)
	}
}

// check is a step that looks at the world.
func (t *teller) check(what string, f step) step {
	return func(ctx context.Context) error {
		if err := f(ctx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
}

func (t *teller) launch() step { return t.launchFailing("") }

// launchFailing launches the product; if why is not empty, the last resource
// behind the gate fails with it.
func (t *teller) launchFailing(why string) step {
	return func(ctx context.Context) error {
		parameters, err := parameters(t.config.Template, t.config.Parameters)
		if err != nil {
			return err
		}
		t.say("Rita", "launches "+title(t.config.Template))
		l := sandbox.Launch{Template: t.config.Template, Name: "my-product", Parameters: parameters}
		if why != "" {
			if l.Failures, err = failLast(t.config.Template, why); err != nil {
				return err
			}
		}
		t.stack, err = t.world.Launch(l)
		return err
	}
}

// asked checks that Slack shows one message with buttons.
func (t *teller) asked() step {
	return t.check("Slack has been asked", func(ctx context.Context) error {
		root, err := t.root(ctx)
		if err != nil {
			return err
		}
		if m, ok := t.world.Slack.Message(root.Channel, root.TS); !ok || len(m.Buttons()) != 2 {
			return errors.New("the message does not show two buttons")
		}
		return t.thread("this launch is waiting for approval by")(ctx)
	})
}

func (t *teller) press(who string, verdict handle.Verdict) step {
	return func(ctx context.Context) error {
		root, err := t.root(ctx)
		if err != nil {
			return err
		}
		t.say(t.name(who), "presses "+strings.ToUpper(string(verdict[:1]))+string(verdict[1:]))
		m, ok := t.world.Slack.Message(root.Channel, root.TS)
		if !ok {
			return errors.New("the message is gone")
		}
		if len(m.Buttons()) > 0 {
			t.live = m
		}
		i, err := t.world.Slack.ClickStale(who, t.live, string(verdict))
		if err != nil {
			return err
		}
		if i.Failed {
			return fmt.Errorf("%s saw: %s", t.name(who), i.Notice)
		}
		return nil
	}
}

func (t *teller) rejectBecause(who, why string) step {
	return func(ctx context.Context) error {
		if err := t.press(who, handle.Reject)(ctx); err != nil {
			return err
		}
		view, ok := t.world.Slack.Modal(who)
		if !ok {
			return errors.New("no modal was opened")
		}
		block, action, err := input(view.Blocks)
		if err != nil {
			return err
		}
		t.say(t.name(who), fmt.Sprintf("submits the reason %q", why))
		i, err := t.world.Slack.Submit(who, view.ID, map[string]map[string]string{block: {action: why}})
		if err != nil {
			return err
		}
		if _, open := t.world.Slack.Modal(who); open || i.Failed {
			return fmt.Errorf("the modal stayed open: %s", i.Notice)
		}
		return nil
	}
}

// refused checks that the last thing that who saw in private says so.
func (t *teller) refused(who, words string) step {
	return t.check(t.name(who)+" is told in private", func(ctx context.Context) error {
		seen := t.world.Slack.Ephemerals(who)
		if len(seen) == 0 {
			return errors.New("nothing was said")
		}
		if last := seen[len(seen)-1].Text; !strings.Contains(last, words) {
			return fmt.Errorf("%q does not say %q", last, words)
		}
		return nil
	})
}

func (t *teller) decided(want handle.State) step {
	return t.check("the record", func(ctx context.Context) error {
		r, err := t.request(ctx)
		if err == nil && r.State() != want {
			err = fmt.Errorf("the request is %s, not %s", r.State(), want)
		}
		return err
	})
}

// ends checks how the stack ended.
func (t *teller) ends(want string) step {
	return t.check("the stack", func(ctx context.Context) error {
		if got := string(t.theStack().Status); got != want {
			return fmt.Errorf("it is %s, not %s", got, want)
		}
		return nil
	})
}

// reason checks that the wait condition failed with that reason.
func (t *teller) reason(words string) step {
	return t.check("the reason is in the stack's events", func(ctx context.Context) error {
		for _, e := range t.theStack().Events {
			if e.Status == fakecfn.CreateFailed && strings.Contains(e.Reason, words) {
				return nil
			}
		}
		return fmt.Errorf("no event says %q", words)
	})
}

// signals checks how many signals arrived.
func (t *teller) signals(want int) step {
	return t.check("signals", func(ctx context.Context) error {
		if got := len(t.theStack().Signals); got != want {
			return fmt.Errorf("%d arrived, not %d", got, want)
		}
		return nil
	})
}

// thread checks that the thread says all of that.
func (t *teller) thread(words ...string) step {
	return t.check("the thread", func(ctx context.Context) error {
		root, err := t.root(ctx)
		if err != nil {
			return err
		}
		m, _ := t.world.Slack.Message(root.Channel, root.TS)
		var said strings.Builder
		for _, reply := range m.Replies {
			said.WriteString(t.plain(reply) + "\n")
		}
		return contains(said.String(), words)
	})
}

// wrote checks that the person's direct messages say all of that.
func (t *teller) wrote(who string, words ...string) step {
	return t.check("the direct messages to "+t.name(who), func(ctx context.Context) error {
		var said strings.Builder
		for _, m := range t.world.Slack.DMs(who) {
			said.WriteString(t.plain(m) + "\n")
			for _, reply := range m.Replies {
				said.WriteString(t.plain(reply) + "\n")
			}
		}
		return contains(said.String(), words)
	})
}

func contains(said string, words []string) error {
	for _, w := range words {
		if !strings.Contains(said, w) {
			return fmt.Errorf("nothing says %q in:\n%s", w, said)
		}
	}
	return nil
}

// pass lets time pass until the moment that f names.
func (t *teller) pass(how string, f func(handle.Request) time.Time) step {
	return func(ctx context.Context) error {
		r, err := t.request(ctx)
		if err != nil {
			return err
		}
		t.say("the clock", "moves "+how)
		return t.world.Advance(ctx, f(r).Sub(t.world.Clock.Now()))
	}
}
