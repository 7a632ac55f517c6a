package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// Two updates in a row change a parameter of a launched product. Each is held until
// its decision: the first is approved and runs, the second is rejected and rolls back.
func (d *deployment) updated(t *testing.T) {
	const function = "relay-updated"
	var l *launch
	launched := make(chan struct{})
	r := d.newRelay(t, d.aws, function, func(event []byte) {
		<-launched
		l.invoke(event)
	})
	channel := d.newChannel("C0UPDATED")
	template := gated(t, channel, "function:countersign-notifier", "function:"+function)
	l = d.launch(t, channel, template, purposeParameter)
	l.relay = r
	close(launched)
	l.approveLaunch()
	launch := l.newest()

	l.update(template, purposeParameter, parameter("RetentionDays", "7"))
	l.expectHeldUpdate()
	l.expectMessage("Update needs approval", "`RetentionDays`: `4` → `7`", "2 people must approve")
	l.expectUnchanged("Purpose", "Environment")
	l.approveByTwo()
	l.expectStackStatus("UPDATE_COMPLETE")
	l.expectThread("the stack is ready (")
	approved := l.newest()
	l.expectUpdate(eventKinds{"Create " + launch.ID, "Update " + approved.ID, "Delete " + launch.ID}, "ApprovalRequest")
	l.expectUpdate(eventKinds{"Create", "Update"}, "ApprovalVerdict")
	if by := d.stackOutputs(t, l.stack)["ApprovedBy"]; !strings.Contains(by, "Ann") || !strings.Contains(by, "Bob") {
		t.Errorf("the verdict did not run again: the stack's output ApprovedBy is %q", by)
	}

	l.update(template, purposeParameter, parameter("RetentionDays", "9"))
	l.expectHeldUpdate()
	l.expectMessage("`RetentionDays`: `7` → `9`")
	l.reject(sandbox.Ann, "Nine days are too long")
	l.expectState(handle.Rejected)
	l.expectEvent("ApprovalRequest", "UPDATE_FAILED", "Rejected by Ann Approver: Nine days are too long")
	l.expectStackStatus("UPDATE_ROLLBACK_COMPLETE")
	l.expectThread("rejected by <@"+sandbox.Ann+">", "Nine days are too long", "the stack was rolled back")
	l.expectParameter("RetentionDays", "7")
	// The rejected update, and its rollback: answered at once, with the approved content.
	l.expectUpdate(eventKinds{"Create " + launch.ID, "Update " + approved.ID, "Delete " + launch.ID, "Update " + approved.ID, "Update " + approved.ID}, "ApprovalRequest")
	l.expectUpdate(eventKinds{"Create", "Update"}, "ApprovalVerdict")
	l.checkLaws()
}

// No one decides an update. It fails with a reason before CloudFormation's timeout,
// which is three minutes, and rolls back.
func (d *deployment) updateExpired(t *testing.T) {
	channel := d.newChannel("C0UPDATEEXPIRED")
	template := gated(t, channel, "ServiceTimeout: '3600'", "ServiceTimeout: '180'")
	l := d.launch(t, channel, template, purposeParameter)
	l.approveLaunch()
	l.update(template, purposeParameter, parameter("Environment", "production"))
	l.expectHeldUpdate()
	l.expectMessage("`Environment`: `test` → `production`")
	if r := l.expectStateWithin(150*time.Second, handle.Expired); r.Grant != nil {
		t.Error("an expired update can be approved late")
	}
	l.expectEvent("ApprovalRequest", "UPDATE_FAILED", "Expired: no decision was made by")
	l.expectStackStatus("UPDATE_ROLLBACK_COMPLETE")
	l.expectThread("expired without a decision", "the stack was rolled back")
	l.expectParameter("Environment", "test")
	l.checkLaws()
}

// An update that brings a new wait handle and wait condition, because CloudFormation
// can't update those, asks and waits as a launch does.
func (d *deployment) updateWithNewHandle(t *testing.T) {
	channel := d.newChannel("C0UPDATEWITHNEWHANDLE")
	l := d.launch(t, channel, gated(t, channel), purposeParameter)
	l.approveLaunch()
	l.update(strings.NewReplacer("ApprovalHandle", "SecondHandle", "ApprovalWait", "SecondWait").Replace(gated(t, channel)), purposeParameter)
	l.updates++
	l.expectButtons()
	l.expectEvent("SecondWait", "UPDATE_IN_PROGRESS", "") // CREATE_IN_PROGRESS on AWS
	if r := l.newest(); r.Update != nil || r.Requester.Proven {
		t.Errorf("the request is one of a held update (%+v), or its requester is proven: %+v", r.Update, r.Requester)
	}
	l.approveByTwo()
	l.expectStackStatus("UPDATE_COMPLETE")
	l.expectThread("the stack is ready (")
	l.checkLaws()
}

// An update changes a queue but nothing of the gate, so CloudFormation does not call
// it. It is found by the stack's status.
func (d *deployment) updateBypassed(t *testing.T) {
	const retention = "MessageRetentionPeriod: 1209600"
	channel := d.newChannel("C0UPDATEBYPASSED")
	l := d.launch(t, channel, gated(t, channel), purposeParameter)
	l.approveLaunch()
	l.update(gated(t, channel, retention, "MessageRetentionPeriod: 60"), purposeParameter)
	l.expectStackStatus("UPDATE_COMPLETE")
	l.expectThread("bypassed approval")
	l.expectMessage("Bypassed approval", "an update changed its template without an approval")
	l.expectLog("update without approval", `"alarm":"bypass"`, l.newest().ID)
	if r := l.newest(); r.Bypass == nil || r.State() != handle.Approved {
		t.Errorf("the request is %s, its bypass is %+v", r.State(), r.Bypass)
	}
	l.checkLaws()
}

// Rita cancels an update that waits for its approval. AWS rolls it back at once, and
// its request is withdrawn. MiniStack first waits for the held answer, so the request
// stays open, and even an approved update is rolled back.
func (d *deployment) updateCancelled(t *testing.T) {
	channel := d.newChannel("C0UPDATECANCELLED")
	template := gated(t, channel)
	l := d.launch(t, channel, template, purposeParameter)
	l.approveLaunch()
	l.update(template, purposeParameter, parameter("RetentionDays", "7"))
	l.expectHeldUpdate()
	_, err := cloudformation.NewFromConfig(l.account).CancelUpdateStack(t.Context(), &cloudformation.CancelUpdateStackInput{StackName: &l.stack})
	if err != nil {
		t.Fatalf("couldn't cancel the update: %v", err)
	}
	time.Sleep(5 * time.Second)
	if s := l.describe(t.Context()); s.StackStatus != cfn.StackStatusUpdateInProgress {
		t.Fatalf("the stack is %s: MiniStack no longer waits for a held answer before it cancels an update, so this test must check that the request is withdrawn", s.StackStatus)
	}
	l.approveByTwo()
	l.expectStackStatus("UPDATE_ROLLBACK_COMPLETE")
	l.expectEvent(l.stackName(), "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
	l.expectThread("the stack was rolled back")
	l.expectParameter("RetentionDays", "4")
	if slices.ContainsFunc(l.events(t.Context()), func(e stackEvent) bool { return e.LogicalID == "Queue" && strings.HasPrefix(e.Status, "UPDATE_") }) {
		t.Error("the queue was updated")
	}
	l.checkLaws()
}

// relaunched continues after the launch l of template has expired: Ann approves it
// late, and Rita launches it again. That passes at once, and the next launch asks.
func (d *deployment) relaunched(t *testing.T, l *launch, template string) {
	l.click(sandbox.Ann, handle.Approve)
	l.expectMessage("Approved for relaunch")
	l.expectDM("approved for relaunch by <@" + sandbox.Ann + ">")

	again := d.launchNamed(t, "SC-"+account+"-pp-again-"+scenarioName(t), l.account, tagsOf(l.requester.Email), l.channel, template, purposeParameter)
	r := again.expectState(handle.Approved)
	if r.GrantFrom != l.newest().ID || r.Decision.Via != handle.ViaGrant || len(r.Votes) != 1 || r.Votes[0].By.ID != sandbox.Ann {
		t.Errorf("the relaunch was approved by %+v with %+v, by the grant of %q", r.Decision, r.Votes, r.GrantFrom)
	}
	again.expectStackStatus("CREATE_COMPLETE")
	again.expectThread("approved for relaunch by <@"+sandbox.Ann+">, so the launch continues at once", "the stack is ready (")
	if n := len(again.message().ButtonsIn("decide")); n != 0 {
		t.Errorf("the relaunch's message has %d buttons", n)
	}
	l.expectMessage("Approved late and relaunched", r.ID)
	if g := l.newest().Grant; g == nil || g.UsedBy != r.ID {
		t.Errorf("the grant is %+v, want it used by %s", g, r.ID)
	}
	again.checkLaws()

	third := d.launchNamed(t, "SC-"+account+"-pp-third-"+scenarioName(t), l.account, tagsOf(l.requester.Email), l.channel, template, purposeParameter)
	third.expectRequest()
	third.click(sandbox.Bob, handle.Approve)
	third.expectState(handle.Approved)
	third.expectStackStatus("CREATE_COMPLETE")
	third.checkLaws()
}

// approveLaunch approves the launch and waits until the stack's end was reported.
func (l *launch) approveLaunch() {
	l.t.Helper()
	l.expectRequest()
	l.click(sandbox.Ann, handle.Approve)
	l.expectState(handle.Approved)
	l.expectStackStatus("CREATE_COMPLETE")
	l.expectThread("the stack is ready (")
}

// update updates the stack and sends the event of that.
func (l *launch) update(template string, parameters ...cfn.Parameter) {
	l.t.Helper()
	_, err := cloudformation.NewFromConfig(l.account).UpdateStack(l.t.Context(), &cloudformation.UpdateStackInput{
		StackName: &l.stack, TemplateBody: &template, Parameters: append(parameters, parameter("UserEmail", l.requester.Email)),
	})
	if err != nil {
		l.t.Fatalf("couldn't update: %v", err)
	}
	l.sendStatusEvent("UPDATE_IN_PROGRESS", "User Initiated")
}

// expectHeldUpdate waits until Slack shows the update's request. The update must have
// come to the gate, and no further.
func (l *launch) expectHeldUpdate() {
	l.t.Helper()
	l.updates++
	l.expectButtons()
	if r := l.newest(); r.Update == nil {
		l.t.Fatalf("the newest request, %s, is not an update's", r.ID)
	}
	events := l.events(l.t.Context())
	if last := events[len(events)-1]; last.LogicalID != "ApprovalRequest" || last.Status != "UPDATE_IN_PROGRESS" {
		l.t.Fatalf("the stack's latest event is %+v, so the update does not wait at the gate", last)
	}
}

// expectUnchanged checks that the message lists no change of the named parameters.
func (l *launch) expectUnchanged(names ...string) {
	l.t.Helper()
	text := string(l.message().Blocks)
	for _, name := range names {
		if strings.Contains(text, "`"+name+"`") {
			l.t.Errorf("the message lists %s, which does not change: %s", name, text)
		}
	}
}

// eventKinds are the requests to a custom resource, each as its type and, if given,
// the physical ID of the answer.
type eventKinds []string

// expectUpdate waits until the relay has delivered exactly these requests to a
// resource, each answered once.
func (l *launch) expectUpdate(want eventKinds, logicalID string) {
	l.t.Helper()
	eventually(l.t, waitLimit, "the requests to "+logicalID, func(context.Context) error {
		events := l.relay.all(logicalID)
		var got eventKinds
		for i, e := range events {
			answers := l.answers.at(e.answer)
			if len(answers) != 1 {
				return fmt.Errorf("%s %d has %d answers", e.requestType, i, len(answers))
			}
			kind := e.requestType
			if i < len(want) && strings.Contains(want[i], " ") {
				kind += " " + answers[0].PhysicalResourceId
			}
			got = append(got, kind)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
}

// expectParameter checks the present value of a stack's parameter.
func (l *launch) expectParameter(name, want string) {
	l.t.Helper()
	for _, p := range l.describe(l.t.Context()).Parameters {
		if *p.ParameterKey == name && *p.ParameterValue == want {
			return
		}
	}
	l.t.Errorf("the stack's %s is not %s", name, want)
}

func (l *launch) describe(ctx context.Context) cfn.Stack {
	l.t.Helper()
	out, err := cloudformation.NewFromConfig(l.account).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &l.stack})
	if err != nil {
		l.t.Fatalf("couldn't read the stack: %v", err)
	}
	return out.Stacks[0]
}

// newest returns the newest request of the launch.
func (l *launch) newest() handle.Request {
	l.t.Helper()
	r, err := l.request(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}
