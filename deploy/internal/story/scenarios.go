package story

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

func approve(ctx context.Context, t *teller) error {
	return t.tell(ctx,
		t.launch(),
		t.asked(),
		t.press(sandbox.Ann, handle.Approve),
		t.decided(handle.Approved),
		t.ends("CREATE_COMPLETE"),
		t.thread("approved by @Ann Approver", "the stack is ready ("),
		t.wrote(sandbox.Rita, "approved by @Ann Approver", "the stack is ready ("),
	)
}

func reject(ctx context.Context, t *teller) error {
	const why = "Use the shared queue <!channel> & ask the platform team"
	return t.tell(ctx,
		t.launch(),
		t.asked(),
		t.rejectBecause(sandbox.Ann, why),
		t.decided(handle.Rejected),
		t.ends("ROLLBACK_COMPLETE"),
		t.reason("Rejected by Ann Approver: "+why),
		t.thread("rejected by @Ann Approver", why, "the stack was rolled back"),
		t.wrote(sandbox.Rita, "rejected by @Ann Approver", why),
	)
}

func quorum(ctx context.Context, t *teller) error {
	return t.tell(ctx,
		t.launch(),
		t.asked(),
		t.press(sandbox.Ann, handle.Approve),
		t.decided(handle.Pending),
		t.thread("approved by @Ann Approver; 1 more approval is needed"),
		t.press(sandbox.Ann, handle.Approve),
		t.refused(sandbox.Ann, "already approved"),
		t.decided(handle.Pending),
		t.press(sandbox.Bob, handle.Approve),
		t.decided(handle.Approved),
		t.ends("CREATE_COMPLETE"),
	)
}

func expire(ctx context.Context, t *teller) error {
	return t.tell(ctx,
		t.launch(),
		t.asked(),
		t.pass("until three quarters of the time are gone", func(r handle.Request) time.Time { return r.Terms.RemindAt.Add(time.Minute) }),
		t.thread("this launch has been waiting"),
		t.decided(handle.Pending),
		t.pass("until the deadline", func(r handle.Request) time.Time { return r.Terms.Deadline.Add(time.Minute) }),
		t.decided(handle.Expired),
		t.ends("ROLLBACK_COMPLETE"),
		t.reason("Expired: nobody decided by"),
		t.thread("expired without a decision"),
	)
}

func withdraw(ctx context.Context, t *teller) error {
	return t.tell(ctx,
		t.launch(),
		t.asked(),
		t.act("Rita", "cancels the launch", func(ctx context.Context) error { return t.world.CloudFormation.DeleteStack(t.stack) }),
		t.decided(handle.Withdrawn),
		t.ends("DELETE_COMPLETE"),
		t.thread("withdrawn"),
	)
}

func doubleClick(ctx context.Context, t *teller) error {
	return t.tell(ctx,
		t.launch(),
		t.asked(),
		t.act("Ann, Bob", "press Approve at once, four times each", func(ctx context.Context) error {
			root, err := t.root(ctx)
			if err != nil {
				return err
			}
			seen, _ := t.world.Slack.Message(root.Channel, root.TS)
			var group sync.WaitGroup
			var mu sync.Mutex
			var errs []error
			for _, who := range []string{sandbox.Ann, sandbox.Bob, sandbox.Ann, sandbox.Bob, sandbox.Ann, sandbox.Bob, sandbox.Ann, sandbox.Bob} {
				group.Go(func() {
					i, err := t.world.Slack.ClickStale(who, seen, string(handle.Approve))
					mu.Lock()
					defer mu.Unlock()
					if err != nil || i.Failed {
						errs = append(errs, fmt.Errorf("%s saw a failure: %q: %w", who, i.Notice, err))
					}
				})
			}
			group.Wait()
			return errors.Join(errs...)
		}),
		t.decided(handle.Approved), // more than one signal may leave, all alike: the first counts
		t.ends("CREATE_COMPLETE"),
	)
}

func outsider(ctx context.Context, t *teller) error {
	return t.tell(ctx,
		t.launch(),
		t.asked(),
		t.press(sandbox.Olga, handle.Approve),
		t.refused(sandbox.Olga, "workspace"),
		t.press(sandbox.Gwen, handle.Approve),
		t.refused(sandbox.Gwen, "Guests"),
		t.press(sandbox.Dan, handle.Approve),
		t.refused(sandbox.Dan, "You aren't an approver"),
		t.press(sandbox.Rita, handle.Approve),
		t.refused(sandbox.Rita, ""),
		t.decided(handle.Pending),
		t.press(sandbox.Bob, handle.Approve),
		t.decided(handle.Approved),
		t.press(sandbox.Dan, handle.Reject),
		t.refused(sandbox.Dan, ""),
		t.decided(handle.Approved),
		t.ends("CREATE_COMPLETE"),
	)
}

func bypass(ctx context.Context, t *teller) error {
	return t.tell(ctx,
		t.launch(),
		t.asked(),
		t.act("Rita", "reads the wait URL in the stack's events and PUTs SUCCESS to it", func(ctx context.Context) error {
			status, err := t.world.PutWaitHandle(ctx, t.stack)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("the wait handle answered %d", status)
			}
			return err
		}),
		t.check("the verdict, where the template has one, fails the stack", func(ctx context.Context) error {
			s := t.theStack()
			if want := "ROLLBACK_COMPLETE"; t.hasVerdict() && string(s.Status) != want {
				return fmt.Errorf("the stack is %s, not %s", s.Status, want)
			}
			return nil
		}),
		t.check("the alarm is on record", func(ctx context.Context) error {
			r, err := t.request(ctx)
			if err == nil && (r.Bypass == nil || r.State() == handle.Approved) {
				err = fmt.Errorf("the request is %s, and no bypass is on record", r.State())
			}
			return err
		}),
		t.thread("bypassed approval"),
		t.decided(handle.Withdrawn),
	)
}

func slackDown(ctx context.Context, t *teller) error {
	return t.tell(ctx,
		t.act("Slack", "goes down", func(context.Context) error { t.world.Slack.SetDown(true); return nil }),
		t.launch(),
		t.check("a mail has asked", func(context.Context) error {
			if n := len(t.world.Mail.Messages()); n != 1 {
				return fmt.Errorf("%d mails have come, not 1", n)
			}
			return nil
		}),
		t.act("a mail scanner", "opens every link, and submits the form", t.scan),
		t.decided(handle.Pending),
		t.act("an admin", "opens the link, types a name and the code from the mail", t.approveByMail),
		t.decided(handle.Approved),
		t.ends("CREATE_COMPLETE"),
		t.act("Slack", "is back", func(context.Context) error { t.world.Slack.SetDown(false); return nil }),
		t.pass("for half an hour", func(r handle.Request) time.Time { return t.world.Clock.Now().Add(30 * time.Minute) }),
		t.thread("approved by", "by mail", "the stack is ready ("),
		t.check("the message has no buttons", func(ctx context.Context) error {
			root, err := t.root(ctx)
			if err != nil {
				return err
			}
			if m, ok := t.world.Slack.Message(root.Channel, root.TS); !ok || len(m.Buttons()) != 0 {
				return errors.New("it has")
			}
			return nil
		}),
	)
}

func crash(ctx context.Context, t *teller) error {
	return t.tell(ctx,
		t.launch(),
		t.asked(),
		t.act("Ann", "presses Approve; the functions are killed (SIGKILL) as the signal leaves", func(ctx context.Context) error {
			died := t.world.KillBeforeSignal(t.child.kill)
			root, err := t.root(ctx)
			if err != nil {
				return err
			}
			i, err := t.world.Slack.ClickButton(sandbox.Ann, root.Channel, root.TS, string(handle.Approve))
			if err != nil {
				return err
			}
			if !died() {
				return errors.New("no signal was about to leave")
			}
			t.say("Slack", fmt.Sprintf("Ann sees: %s", i.Notice))
			return nil
		}),
		t.check("the decision is on record, and nothing was signalled", func(ctx context.Context) error {
			r, err := t.request(ctx)
			if err != nil {
				return err
			}
			if r.State() != handle.Approved || r.Signal != nil || len(t.theStack().Signals) != 0 {
				return fmt.Errorf("the request is %s, marked %+v, and %d signals arrived", r.State(), r.Signal, len(t.theStack().Signals))
			}
			return nil
		}),
		t.act("the functions", "are started again, on the same file, two minutes later", func(ctx context.Context) error {
			t.world.Clock.Advance(2 * time.Minute)
			return t.child.start(ctx, t.world)
		}),
		t.pass("for a minute", func(handle.Request) time.Time { return t.world.Clock.Now().Add(time.Minute) }),
		t.decided(handle.Approved),
		t.signals(1),
		t.ends("CREATE_COMPLETE"),
		t.thread("approved by @Ann Approver", "the stack is ready ("),
	)
}

func launchFails(ctx context.Context, t *teller) error {
	const why = "Resource handler returned message: \"You have reached the quota of your account.\""
	return t.tell(ctx,
		t.launchFailing(why),
		t.asked(),
		t.press(sandbox.Ann, handle.Approve),
		t.decided(handle.Approved),
		t.ends("ROLLBACK_COMPLETE"),
		t.thread("approved by @Ann Approver", "the stack was rolled back", strings.Trim(why, ".")),
		t.wrote(sandbox.Rita, "the stack was rolled back", "quota of your account"),
	)
}
