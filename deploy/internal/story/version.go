package story

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// ungated is a product whose author has not thought of approvals.
const ungated = `Description: A topic with a queue
Parameters:
  UserEmail: {Type: String, Default: rita@example.com}
Resources:
  Topic:
    Type: AWS::SNS::Topic
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      MessageRetentionPeriod: 86400   # a day
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Queue.Arn}
`

// newVersion has its own template.
func newVersion(ctx context.Context, run *runner) error {
	var second *gate.Template
	return run.steps(ctx,
		run.action("the author", "adds a gate to a template without one", func(context.Context) error {
			first, err := gate.Parse([]byte(ungated))
			if err != nil {
				return err
			}
			src, err := first.Inject(gate.InjectOptions{ServiceToken: gate.DefaultServiceToken})
			if err != nil {
				return err
			}
			run.config.Template, err = gate.Parse(src)
			run.config.Parameters = nil
			return err
		}),
		run.launch(),
		run.posted(),
		run.click(sandbox.Ann, handle.Approve),
		run.stackIs("CREATE_COMPLETE"),
		run.advance("by a day", func(handle.Request) time.Time { return run.sandbox.Clock.Now().Add(24 * time.Hour) }),
		run.action("the author", "keeps messages for two days, and renews the gate for this version", func(context.Context) error {
			changed, err := gate.Parse([]byte(strings.Replace(string(run.config.Template.Source()), "86400   # a day", "172800", 1)))
			if err != nil {
				return err
			}
			src, err := changed.Upgrade(false)
			if err != nil {
				return err
			}
			second, err = gate.Parse(src)
			return err
		}),
		run.action("Rita", "updates her product to the new version", func(context.Context) error {
			run.requests++
			return run.sandbox.UpdateProduct(run.stack, sandbox.Update{Template: second})
		}),
		run.requestIs(handle.Pending),
		run.expect("the update waits", func(context.Context) error {
			s := run.currentStack()
			if wait := s.Resource("ApprovalWait2").Status; s.Status != fakecfn.UpdateInProgress || wait != fakecfn.CreateInProgress {
				return fmt.Errorf("the stack is %s, and its new wait is %s", s.Status, wait)
			}
			return nil
		}),
		run.click(sandbox.Ann, handle.Approve),
		run.requestIs(handle.Pending), // AWS proves who launched, not who updates
		run.click(sandbox.Bob, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("UPDATE_COMPLETE"),
		run.expect("the queue was updated after the new verdict", func(context.Context) error {
			after := false
			for _, e := range run.currentStack().Events { // the newest first
				switch {
				case e.LogicalID == "Queue" && e.Status == fakecfn.UpdateInProgress:
					after = true
				case e.LogicalID == "ApprovalVerdict2" && e.Status == fakecfn.CreateComplete && after:
					return nil
				}
			}
			return errors.New("it was not")
		}),
	)
}
