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

func approve(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.click(sandbox.Ann, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
		run.threadHas("approved by @Ann Approver", "the stack is ready ("),
		run.directMessagesHave(sandbox.Rita, "approved by @Ann Approver", "the stack is ready ("),
	)
}

func reject(ctx context.Context, run *runner) error {
	const why = "Use the shared queue <!channel> & ask the platform team"
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.reject(sandbox.Ann, why),
		run.requestIs(handle.Rejected),
		run.stackIs("ROLLBACK_COMPLETE"),
		run.waitFails("Rejected by Ann Approver: "+why),
		run.threadHas("rejected by @Ann Approver", why, "the stack was rolled back"),
		run.directMessagesHave(sandbox.Rita, "rejected by @Ann Approver", why),
	)
}

func quorum(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.click(sandbox.Ann, handle.Approve),
		run.requestIs(handle.Pending),
		run.threadHas("approved by @Ann Approver; 1 more approval is needed"),
		run.click(sandbox.Ann, handle.Approve),
		run.gotPrivateMessage(sandbox.Ann, "already approved"),
		run.requestIs(handle.Pending),
		run.click(sandbox.Bob, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
	)
}

func expire(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.advance("until half of the time has passed", func(r handle.Request) time.Time { return r.Terms.Reminders[0].Add(time.Minute) }),
		run.threadHas("this launch has been waiting"),
		run.requestIs(handle.Pending),
		run.advance("until the deadline", func(r handle.Request) time.Time { return r.Terms.Deadline.Add(time.Minute) }),
		run.requestIs(handle.Expired),
		run.stackIs("ROLLBACK_COMPLETE"),
		run.waitFails("Expired: no decision was made by"),
		run.threadHas("expired without a decision"),
	)
}

func withdraw(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.action("Rita", "cancels the launch", func(ctx context.Context) error { return run.sandbox.CloudFormation.DeleteStack(run.stack) }),
		run.requestIs(handle.Withdrawn),
		run.stackIs("DELETE_COMPLETE"),
		run.threadHas("withdrawn"),
	)
}

func doubleClick(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.action("Ann, Bob", "click Approve at the same time, four times each", func(ctx context.Context) error {
			root, err := run.root(ctx)
			if err != nil {
				return err
			}
			seen, _ := run.sandbox.Slack.Message(root.Channel, root.TS)
			var group sync.WaitGroup
			var mu sync.Mutex
			var errs []error
			for _, who := range []string{sandbox.Ann, sandbox.Bob, sandbox.Ann, sandbox.Bob, sandbox.Ann, sandbox.Bob, sandbox.Ann, sandbox.Bob} {
				group.Go(func() {
					i, err := run.sandbox.Slack.ClickStale(who, seen, string(handle.Approve))
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
		run.requestIs(handle.Approved), // more than one signal may be sent; all are alike, and CloudFormation counts the first
		run.stackIs("CREATE_COMPLETE"),
	)
}

func outsider(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.click(sandbox.Olga, handle.Approve),
		run.gotPrivateMessage(sandbox.Olga, "workspace"),
		run.click(sandbox.Gwen, handle.Approve),
		run.gotPrivateMessage(sandbox.Gwen, "Guests"),
		run.click(sandbox.Dan, handle.Approve),
		run.gotPrivateMessage(sandbox.Dan, "You aren't an approver"),
		run.click(sandbox.Rita, handle.Approve),
		run.gotPrivateMessage(sandbox.Rita, ""),
		run.requestIs(handle.Pending),
		run.click(sandbox.Bob, handle.Approve),
		run.requestIs(handle.Approved),
		run.click(sandbox.Dan, handle.Reject),
		run.gotPrivateMessage(sandbox.Dan, ""),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
	)
}

func bypass(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.action("Rita", "reads the wait URL in the stack's events and PUTs SUCCESS to it", func(ctx context.Context) error {
			status, err := run.sandbox.PutWaitHandle(ctx, run.stack)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("the wait handle answered %d", status)
			}
			return err
		}),
		run.expect("the verdict, if the template has one, fails the stack", func(ctx context.Context) error {
			s := run.currentStack()
			if want := "ROLLBACK_COMPLETE"; run.hasVerdict() && string(s.Status) != want {
				return fmt.Errorf("the stack is %s, want %s", s.Status, want)
			}
			return nil
		}),
		run.expect("the bypass is recorded", func(ctx context.Context) error {
			r, err := run.request(ctx)
			if err == nil && (r.Bypass == nil || r.State() == handle.Approved) {
				err = fmt.Errorf("the request is %s, and no bypass is recorded", r.State())
			}
			return err
		}),
		run.threadHas("bypassed approval"),
		run.requestIs(handle.Withdrawn),
	)
}

func slackDown(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.action("Slack", "goes down", func(context.Context) error { run.sandbox.Slack.SetDown(true); return nil }),
		run.launch(),
		run.expect("the request was mailed", func(context.Context) error {
			if n := len(run.sandbox.Mail.Messages()); n != 1 {
				return fmt.Errorf("got %d mails, want 1", n)
			}
			return nil
		}),
		run.action("a mail scanner", "opens every link and submits the empty form", run.scanMail),
		run.requestIs(handle.Pending),
		run.action("an admin", "opens the link and enters a name and the code from the mail", run.approveByMail),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
		run.action("Slack", "is back", func(context.Context) error { run.sandbox.Slack.SetDown(false); return nil }),
		run.advance("by half an hour", func(r handle.Request) time.Time { return run.sandbox.Clock.Now().Add(30 * time.Minute) }),
		run.threadHas("approved by", "by mail", "the stack is ready ("),
		run.expect("the message has no buttons", func(ctx context.Context) error {
			root, err := run.root(ctx)
			if err != nil {
				return err
			}
			if m, ok := run.sandbox.Slack.Message(root.Channel, root.TS); !ok || len(m.ButtonsIn("decide")) != 0 {
				return errors.New("it has buttons, or is missing")
			}
			return nil
		}),
	)
}

func crash(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.action("Ann", "clicks Approve, and the functions are killed (SIGKILL) just before the signal is sent", func(ctx context.Context) error {
			died := run.sandbox.KillBeforeSignal(run.child.kill)
			root, err := run.root(ctx)
			if err != nil {
				return err
			}
			i, err := run.sandbox.Slack.ClickButton(sandbox.Ann, root.Channel, root.TS, string(handle.Approve))
			if err != nil {
				return err
			}
			if !died() {
				return errors.New("no signal was about to be sent")
			}
			run.print("Slack", fmt.Sprintf("Ann sees: %s", i.Notice))
			return nil
		}),
		run.expect("the decision is recorded, and nothing was signalled", func(ctx context.Context) error {
			r, err := run.request(ctx)
			if err != nil {
				return err
			}
			if r.State() != handle.Approved || r.Signal != nil || len(run.currentStack().Signals) != 0 {
				return fmt.Errorf("the request is %s, its signal mark is %+v, and %d signals arrived", r.State(), r.Signal, len(run.currentStack().Signals))
			}
			return nil
		}),
		run.action("the functions", "restart two minutes later with the same data file", func(ctx context.Context) error {
			run.sandbox.Clock.Advance(2 * time.Minute)
			return run.child.start(ctx, run.sandbox)
		}),
		run.advance("by a minute", func(handle.Request) time.Time { return run.sandbox.Clock.Now().Add(time.Minute) }),
		run.requestIs(handle.Approved),
		run.signals(1),
		run.stackIs("CREATE_COMPLETE"),
		run.threadHas("approved by @Ann Approver", "the stack is ready ("),
	)
}

func launchFails(ctx context.Context, run *runner) error {
	const why = "Resource handler returned message: \"You have reached the quota of your account.\""
	return run.steps(ctx,
		run.launchFailing(why),
		run.posted(),
		run.click(sandbox.Ann, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("ROLLBACK_COMPLETE"),
		run.threadHas("approved by @Ann Approver", "the stack was rolled back", strings.Trim(why, ".")),
		run.directMessagesHave(sandbox.Rita, "the stack was rolled back", "quota of your account"),
	)
}
