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

// startTime is when each story starts, on a manual clock.
var startTime = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// runner runs a story step by step and prints what happens.
type runner struct {
	out     io.Writer
	config  Config
	sandbox *sandbox.Sandbox
	store   handle.Store // nil while the child process has the file
	data    string
	child   *child

	start      time.Time
	stack      string // ID of the stack launched last
	requests   int    // how many requests the story has made, each with a message
	earlier    int    // how many of them belong to earlier stacks
	alarms     *alarms
	changed    handle.Change     // what the last update changes
	lastActive slacktest.Message // the last version with buttons, which a slow client still shows
	printed    map[string]bool
}

// step is one step of a story.
type step func(context.Context) error

// steps runs the steps. After each it lets everything that is due happen, prints
// what is new, and checks the laws.
func (run *runner) steps(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		if err := s(ctx); err != nil {
			run.printNew()
			return err
		}
		if err := run.sandbox.Run(ctx); err != nil {
			return err
		}
		run.printNew()
		var found []laws.Violation
		err := run.withStore(func(store handle.Store) error {
			found = run.sandbox.Check(ctx, store)
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

// withStore calls f with the store. While the child process has the file, f gets a
// copy, which holds what is durable.
func (run *runner) withStore(f func(handle.Store) error) error {
	if run.store != nil {
		return f(run.store)
	}
	path, err := run.child.copyData()
	if err != nil {
		return err
	}
	store, err := bolt.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f(store), store.Close())
}

// request returns the newest request of the stack launched last. The others are
// those that the story has made.
func (run *runner) request(ctx context.Context) (r handle.Request, err error) {
	err = run.withStore(func(store handle.Store) error {
		list, err := store.OfStack(ctx, run.stack)
		if err != nil {
			return err
		}
		want := run.requests - run.earlier
		switch {
		case len(list) == 0:
			return errors.New("the launch created no approval request: check that the template has a gate")
		case len(list) > want && want == 1:
			return fmt.Errorf("the launch has %d approval requests: stories need a template with one gate", len(list))
		case len(list) != want:
			return fmt.Errorf("the stack has %d approval requests, want %d", len(list), want)
		}
		r = slices.MaxFunc(list, func(a, b handle.Request) int { return a.CreatedAt.Compare(b.CreatedAt) })
		return nil
	})
	return r, err
}

// load returns a request by ID.
func (run *runner) load(ctx context.Context, id string) (r handle.Request, err error) {
	err = run.withStore(func(store handle.Store) (err error) {
		r, err = store.Load(ctx, id)
		return err
	})
	return r, err
}

func (run *runner) root(ctx context.Context) (handle.Message, error) {
	r, err := run.request(ctx)
	if err != nil {
		return handle.Message{}, err
	}
	root, ok := r.Root()
	if !ok {
		return root, errors.New("no posted message is recorded")
	}
	return root, nil
}

func (run *runner) currentStack() fakecfn.Stack {
	s, _ := run.sandbox.CloudFormation.Stack(run.stack)
	return s
}

// hasVerdict reports whether the template has a verdict behind its wait.
func (run *runner) hasVerdict() bool {
	return slices.ContainsFunc(run.currentStack().Events, func(e fakecfn.Event) bool {
		_, ok := laws.VerdictOf(e)
		return ok
	})
}

// action is a step in which someone does something.
func (run *runner) action(who, what string, f step) step {
	return func(ctx context.Context) error {
		run.print(who, what)
		return f(ctx)
	}
}

// expect is a step that checks something.
func (run *runner) expect(what string, f step) step {
	return func(ctx context.Context) error {
		if err := f(ctx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
}

func (run *runner) launch() step { return run.launchAs("Rita", "rita@example.com", "") }

// launchFailing launches the product. The last resource behind the gate fails with
// the reason why.
func (run *runner) launchFailing(why string) step {
	return run.launchAs("Rita", "rita@example.com", why)
}

// launchByAnn launches the product as Ann, an approver, who types Rita's address.
func (run *runner) launchByAnn() step { return run.launchAs("Ann", "ann@example.com", "") }

// launchAs launches the product. If why is not empty, the last resource behind the
// gate fails with it.
func (run *runner) launchAs(name, email, why string) step {
	return func(ctx context.Context) error {
		parameters, err := parameters(run.config.Template, run.config.Parameters)
		if err != nil {
			return err
		}
		run.print(name, "launches "+title(run.config.Template))
		l := sandbox.Launch{Requester: email, Template: run.config.Template, Name: "my-product", Parameters: parameters}
		if why != "" {
			l.Failures = map[string]string{fakecfn.LastBehindGate: why}
		}
		if run.stack, err = run.sandbox.Launch(l); err == nil {
			run.earlier, run.requests = run.requests, run.requests+1
		}
		return err
	}
}

// posted checks that the message in Slack shows two buttons.
func (run *runner) posted() step {
	return run.expect("the message in Slack", func(ctx context.Context) error {
		root, err := run.root(ctx)
		if err != nil {
			return err
		}
		if m, ok := run.sandbox.Slack.Message(root.Channel, root.TS); !ok || len(m.ButtonsIn("decide")) != 3 {
			return errors.New("it does not show its three buttons")
		}
		return run.threadHas("this launch is waiting for approval by")(ctx)
	})
}

func (run *runner) click(who string, verdict handle.Verdict) step {
	return func(ctx context.Context) error {
		root, err := run.root(ctx)
		if err != nil {
			return err
		}
		run.print(run.name(who), "clicks "+strings.ToUpper(string(verdict[:1]))+string(verdict[1:]))
		m, ok := run.sandbox.Slack.Message(root.Channel, root.TS)
		if !ok {
			return errors.New("the message was deleted")
		}
		if len(m.ButtonsIn("decide")) > 0 {
			run.lastActive = m
		}
		i, err := run.sandbox.Slack.ClickStale(who, run.lastActive, string(verdict))
		if err != nil {
			return err
		}
		if i.Failed {
			return fmt.Errorf("%s saw an error: %s", run.name(who), i.Notice)
		}
		return nil
	}
}

func (run *runner) reject(who, why string) step {
	return func(ctx context.Context) error {
		if err := run.click(who, handle.Reject)(ctx); err != nil {
			return err
		}
		view, ok := run.sandbox.Slack.Modal(who)
		if !ok {
			return errors.New("no modal was opened")
		}
		block, action, err := firstInput(view.Blocks)
		if err != nil {
			return err
		}
		run.print(run.name(who), fmt.Sprintf("submits the reason %q", why))
		i, err := run.sandbox.Slack.Submit(who, view.ID, map[string]map[string]string{block: {action: why}})
		if err != nil {
			return err
		}
		if _, open := run.sandbox.Slack.Modal(who); open || i.Failed {
			return fmt.Errorf("the modal stayed open: %s", i.Notice)
		}
		return nil
	}
}

// clickUnder clicks Approve under one of a person's IDs in a Grid.
func (run *runner) clickUnder(id string) step {
	return func(ctx context.Context) error {
		run.print(run.name(id), "acts as "+id)
		return run.click(id, handle.Approve)(ctx)
	}
}

// gotPrivateMessage checks the last ephemeral message to who.
func (run *runner) gotPrivateMessage(who, words string) step {
	return run.expect(run.name(who)+"'s ephemeral message", func(ctx context.Context) error {
		seen := run.sandbox.Slack.Ephemerals(who)
		if len(seen) == 0 {
			return errors.New("there is none")
		}
		if last := seen[len(seen)-1].Text; !strings.Contains(last, words) {
			return fmt.Errorf("got %q, want it to contain %q", last, words)
		}
		return nil
	})
}

func (run *runner) requestIs(want handle.State) step {
	return run.expect("the record", func(ctx context.Context) error {
		r, err := run.request(ctx)
		if err == nil && r.State() != want {
			err = fmt.Errorf("the request is %s, want %s", r.State(), want)
		}
		return err
	})
}

// stackIs checks the status of the stack.
func (run *runner) stackIs(want string) step {
	return run.expect("the stack", func(ctx context.Context) error {
		if got := string(run.currentStack().Status); got != want {
			return fmt.Errorf("it is %s, want %s", got, want)
		}
		return nil
	})
}

// waitFails checks that the wait condition failed with a reason that contains words.
func (run *runner) waitFails(words string) step {
	return run.expect("the stack's events", func(ctx context.Context) error {
		for _, e := range run.currentStack().Events {
			if e.Status == fakecfn.CreateFailed && strings.Contains(e.Reason, words) {
				return nil
			}
		}
		return fmt.Errorf("no CREATE_FAILED event contains %q", words)
	})
}

// signals checks how many signals arrived.
func (run *runner) signals(want int) step {
	return run.expect("signals", func(ctx context.Context) error {
		if got := len(run.currentStack().Signals); got != want {
			return fmt.Errorf("%d arrived, want %d", got, want)
		}
		return nil
	})
}

// messageHas checks that the message in Slack contains words.
func (run *runner) messageHas(words string) step {
	return run.expect("the message in Slack", func(ctx context.Context) error {
		root, err := run.root(ctx)
		if err != nil {
			return err
		}
		m, _ := run.sandbox.Slack.Message(root.Channel, root.TS)
		return contains(string(m.Blocks), []string{words})
	})
}

// threadHas checks that the replies contain each of words.
func (run *runner) threadHas(words ...string) step {
	return run.expect("the thread", func(ctx context.Context) error {
		root, err := run.root(ctx)
		if err != nil {
			return err
		}
		m, _ := run.sandbox.Slack.Message(root.Channel, root.TS)
		var said strings.Builder
		for _, reply := range m.Replies {
			said.WriteString(run.text(reply) + "\n")
		}
		return contains(said.String(), words)
	})
}

// directMessagesHave checks that the direct messages to who contain each of words.
func (run *runner) directMessagesHave(who string, words ...string) step {
	return run.expect("the direct messages to "+run.name(who), func(ctx context.Context) error {
		var said strings.Builder
		for _, m := range run.sandbox.Slack.DMs(who) {
			said.WriteString(run.text(m) + "\n")
			for _, reply := range m.Replies {
				said.WriteString(run.text(reply) + "\n")
			}
		}
		return contains(said.String(), words)
	})
}

func contains(said string, words []string) error {
	for _, w := range words {
		if !strings.Contains(said, w) {
			return fmt.Errorf("%q is missing in:\n%s", w, said)
		}
	}
	return nil
}

// advance moves the clock to the time that f returns.
func (run *runner) advance(how string, f func(handle.Request) time.Time) step {
	return func(ctx context.Context) error {
		r, err := run.request(ctx)
		if err != nil {
			return err
		}
		run.print("Clock", "advances "+how)
		return run.sandbox.Advance(ctx, f(r).Sub(run.sandbox.Clock.Now()))
	}
}
