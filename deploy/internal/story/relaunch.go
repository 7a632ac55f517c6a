package story

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// friday is a Friday afternoon, from which launches wait into the weekend.
var friday = time.Date(2026, 3, 6, 16, 0, 0, 0, time.UTC)

func weekend(ctx context.Context, run *runner) error {
	var expired handle.Request
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		run.advance("until the deadline", func(r handle.Request) time.Time { return r.Terms.Deadline.Add(time.Minute) }),
		run.requestIs(handle.Expired),
		run.stackIs("ROLLBACK_COMPLETE"),
		run.messageHas("Approve for relaunch"),
		run.advance("until Monday morning", func(handle.Request) time.Time { return friday.Add(64 * time.Hour) }),
		run.clickRelaunch(sandbox.Dan),
		run.gotPrivateMessage(sandbox.Dan, "You aren't an approver"),
		run.clickRelaunch(sandbox.Ann),
		run.messageHas("Approved for relaunch"),
		run.threadHas("approved for relaunch by @Ann Approver"),
		run.directMessagesHave(sandbox.Rita, "approved for relaunch by @Ann Approver", "Launch it again with the same values", "the product in Service Catalog"),
		run.requestIs(handle.Expired),
		run.expect("the record", func(ctx context.Context) (err error) {
			expired, err = run.request(ctx)
			return err
		}),
		run.launch(),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
		run.signals(1),
		run.messageHas("Approved* by "+mentionOf(sandbox.Ann)),
		run.messageHas(expired.ID),
		run.threadHas("approved for relaunch by @Ann Approver, so the launch continues at once", "the stack is ready ("),
		run.expect("no question was asked", func(ctx context.Context) error {
			r, err := run.request(ctx)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(r.Notifications(), func(n handle.Notification) bool { return n.Name == handle.NotifyAsked }) {
				return errors.New("the record has one")
			}
			given, err := run.load(ctx, expired.ID)
			if err == nil && given.Grant.UsedBy != r.ID {
				err = fmt.Errorf("the grant is %+v", given.Grant)
			}
			return err
		}),
		run.launch(), // the grant is used
		run.posted(),
		run.requestIs(handle.Pending),
		run.click(sandbox.Ann, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
	)
}

// mentionOf is how a message's blocks mention a person, in JSON.
func mentionOf(id string) string { return `\u003c@` + id + `\u003e` }

// clickRelaunch clicks the button of an expired launch.
func (run *runner) clickRelaunch(who string) step {
	return func(ctx context.Context) error {
		root, err := run.root(ctx)
		if err != nil {
			return err
		}
		run.print(run.name(who), "clicks Approve for relaunch")
		if m, ok := run.sandbox.Slack.Message(root.Channel, root.TS); !ok || len(m.ButtonsIn("relaunch")) != 2 || len(m.ButtonsIn("decide")) != 0 {
			return errors.New("the message does not have that button and Details alone")
		}
		i, err := run.sandbox.Slack.ClickButton(who, root.Channel, root.TS, string(handle.Approve))
		if err == nil && i.Failed {
			err = fmt.Errorf("%s saw an error: %s", run.name(who), i.Notice)
		}
		return err
	}
}
