package story

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

func grid(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launchByAnn(),
		run.posted(),
		run.clickUnder(sandbox.Ann),
		run.gotPrivateMessage(sandbox.Ann, "your own request"),
		run.clickUnder(sandbox.OrgID(sandbox.Ann)),
		run.gotPrivateMessage(sandbox.Ann, "your own request"),
		run.clickUnder(sandbox.Tess),
		run.gotPrivateMessage(sandbox.Tess, "workspace"),
		run.clickUnder(sandbox.Bob),
		run.clickUnder(sandbox.OrgID(sandbox.Bob)),
		run.gotPrivateMessage(sandbox.Bob, "already approved"),
		run.requestIs(handle.Pending),
		run.clickUnder(sandbox.OrgID(sandbox.Sam)),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
	)
}

func throttled(ctx context.Context, run *runner) error {
	const notRecorded = "your decision was not recorded"
	in := func(d time.Duration) func(handle.Request) time.Time {
		return func(handle.Request) time.Time { return run.sandbox.Clock.Now().Add(d) }
	}
	return run.steps(ctx,
		run.action("Ann", "uses up the limits of CloudFormation's API, and launches at that moment", func(context.Context) error {
			run.sandbox.CloudFormation.SetThrottled(true)
			return nil
		}),
		run.launchByAnn(),
		run.messageHas("has not been verified with CloudFormation yet"),
		run.click(sandbox.Ann, handle.Approve),
		run.gotPrivateMessage(sandbox.Ann, notRecorded),
		run.click(sandbox.Bob, handle.Approve),
		run.gotPrivateMessage(sandbox.Bob, notRecorded),
		run.requestIs(handle.Pending),
		run.action("Ann", "lets CloudFormation answer, and uses up the limits of Slack's look-ups", func(context.Context) error {
			run.sandbox.CloudFormation.SetThrottled(false)
			run.sandbox.Slack.SetFault(func(method string, _ url.Values) *slacktest.Fault {
				if method != "users.lookupByEmail" {
					return nil
				}
				return &slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: 30 * time.Second}
			})
			return nil
		}),
		run.advance("by a quarter of an hour", in(15*time.Minute)),
		run.click(sandbox.Ann, handle.Approve),
		run.gotPrivateMessage(sandbox.Ann, notRecorded),
		run.requestIs(handle.Pending),
		run.action("Slack", "looks people up again", func(context.Context) error { run.sandbox.Slack.SetFault(nil); return nil }),
		run.advance("by half an hour", in(30*time.Minute)),
		run.click(sandbox.Ann, handle.Approve),
		run.gotPrivateMessage(sandbox.Ann, "your own request"),
		run.requestIs(handle.Pending),
		run.click(sandbox.Bob, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
	)
}

func forged(ctx context.Context, run *runner) error {
	var old []byte // the event of the launch
	run.sandbox.Network.Intercept(func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
		if req.URL.String() == run.sandbox.InvokeURL && old == nil {
			b, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			if req.Body = io.NopCloser(bytes.NewReader(b)); bytes.Contains(b, []byte("WaitUrl")) {
				old = b
			}
		}
		return next.RoundTrip(req)
	})
	intruder := func(what string, event func(r handle.Request, waitURL string) []byte) step {
		return run.action("an intruder", what, func(ctx context.Context) error {
			r, err := run.request(ctx)
			if err != nil {
				return err
			}
			wait := ""
			for _, resource := range run.currentStack().Resources {
				if r.WaitURL.Equal(resource.PhysicalID) {
					wait = resource.PhysicalID
				}
			}
			_ = run.sandbox.Invoke(ctx, event(r, wait)) // a failure is one way to refuse it
			return nil
		})
	}
	noEffect := run.expect("the forged event has no effect", func(ctx context.Context) error {
		r, err := run.request(ctx)
		if err != nil {
			return err
		}
		if n := len(run.sandbox.Slack.Messages(sandbox.Channel)); r.State() != handle.Pending || r.Bypass != nil || n != 1 || len(run.currentStack().Signals) != 0 {
			return fmt.Errorf("the request is %s, its bypass %+v, %d messages, %d signals", r.State(), r.Bypass, n, len(run.currentStack().Signals))
		}
		return nil
	})
	own := func(r handle.Request, waitURL string) map[string]any {
		return map[string]any{"WaitUrl": waitURL, "Timeout": "3600", "Approvers": []string{sandbox.Dan}, "EmailID": "dan@example.com"}
	}
	const foreign = "arn:aws:cloudformation:" + sandbox.Region + ":" + sandbox.OtherAccount + ":stack/SC-444455556666-pp-forged/5f0c2c40-1600-11f1-9d8e-0e1forged0001"
	return run.steps(ctx,
		run.launch(),
		run.posted(),
		intruder("invokes the notifier: CloudFormation deletes the request of Rita's launch", func(r handle.Request, _ string) []byte {
			return run.sandbox.Request("Delete", r.Stack.ID, r.Stack.Gate, r.ID, map[string]any{})
		}), noEffect,
		intruder("invokes the notifier: the verdict asks for the approval", func(r handle.Request, _ string) []byte {
			return run.sandbox.Request("Create", r.Stack.ID, "Verdict", "", map[string]any{"RequestId": r.ID})
		}), noEffect,
		intruder("invokes the notifier: the stack was deleted", func(r handle.Request, _ string) []byte {
			return sandbox.StackEvent(r.Stack.ID, "DELETE_COMPLETE")
		}), noEffect,
		intruder("invokes the notifier: a second request for Rita's wait handle, with Dan as the approver", func(r handle.Request, waitURL string) []byte {
			return run.sandbox.Request("Create", r.Stack.ID, r.Stack.Gate, "", own(r, waitURL))
		}), noEffect,
		intruder("sends the event of the launch again", func(handle.Request, string) []byte { return old }), noEffect,
		intruder("publishes the event of the launch to the topic", func(handle.Request, string) []byte { return sandbox.Published(old) }), noEffect,
		intruder("publishes to the topic: a launch in another account, with Dan as the approver", func(r handle.Request, waitURL string) []byte {
			wait := run.sandbox.FunctionsConfig.CloudFormation + "/" + foreign + "/Handle"
			return sandbox.Published(run.sandbox.Request("Create", foreign, r.Stack.Gate, "", own(r, wait)))
		}), noEffect,
		intruder("publishes to the topic: the stack was created", func(r handle.Request, _ string) []byte {
			return sandbox.Published(sandbox.StackEvent(r.Stack.ID, "CREATE_COMPLETE"))
		}), noEffect,
		run.advance("by half an hour", func(handle.Request) time.Time { return run.sandbox.Clock.Now().Add(30 * time.Minute) }), noEffect,
		run.click(sandbox.Ann, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("CREATE_COMPLETE"),
	)
}
