package e2e_test

import (
	"strings"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// An installed Countersign handles launches with every possible outcome.
func TestLaunches(t *testing.T) {
	d := deploy(t, "countersign", "HttpApi")
	t.Run("Approved", d.approved) // alone, because its calls are counted
	t.Run("Others", func(t *testing.T) {
		for _, scenario := range []struct {
			name string
			run  func(*testing.T)
		}{
			{"Expired", d.expired},             // takes the longest
			{"UpdateExpired", d.updateExpired}, // and this
			{"Rejected", d.rejected},
			{"Bypassed", d.bypassed},
			{"ByMail", d.byMail},
			{"Twice", d.twice},
			{"Withdrawn", d.withdrawn},
			{"Deleted", d.deleted},
			{"Original", d.original},
			{"Unproven", d.unproven},
			{"Throttled", d.throttled},
			{"ListedLate", d.listedLate},
			{"Forged", d.forged},
			{"OtherAccount", d.otherAccount},
			{"Updated", d.updated},
			{"UpdateWithNewHandle", d.updateWithNewHandle},
			{"UpdateBypassed", d.updateBypassed},
			{"UpdateCancelled", d.updateCancelled},
		} {
			t.Run(scenario.name, func(t *testing.T) {
				t.Parallel()
				scenario.run(t)
			})
		}
	})
	t.Run("Audit", d.auditCommand)
}

// A second installation under a different name works in the same account, with a
// Function URL.
func TestFunctionURL(t *testing.T) {
	d := deploy(t, "countersign-url", "FunctionUrl")
	if host := d.outputs["BotUrl"]; !strings.HasSuffix(host, ".lambda-url."+region+".on.aws") {
		t.Fatalf("the bot is at %s, which is not a Function URL", host)
	}
	d.approved(t)
}

// Ann approves the sample product, and its stack continues.
func (d *deployment) approved(t *testing.T) {
	usage := d.startUsage()
	l := d.launch(t, sandbox.Channel, d.sample(t), purposeParameter)
	l.expectRequest()
	l.click(sandbox.Ann, handle.Approve)
	l.expectState(handle.Approved)
	l.checkMessages()
	usage.checkBudget(t)
	l.expectStackStatus("CREATE_COMPLETE")
	l.expectThread("approved by <@"+sandbox.Ann+">", "the stack is ready (")
	l.expectDM("approved by <@"+sandbox.Ann+">", "the stack is ready (")
	l.checkLaws()
	usage.read(t, "until the stack's end was reported")
}

// Ann rejects, and the stack rolls back with her reason on it.
func (d *deployment) rejected(t *testing.T) {
	const why = "Use the shared queue <!channel> & ask the platform team"
	l := d.launch(t, d.newChannel("C0REJECTED"), gated(t, "C0REJECTED"), purposeParameter)
	l.expectRequest()
	l.reject(sandbox.Ann, why)
	l.expectState(handle.Rejected)
	l.expectEvent("ApprovalWait", "CREATE_FAILED", "Rejected by Ann Approver: "+why)
	l.expectStackStatus("ROLLBACK_COMPLETE")
	l.expectThread("rejected by <@"+sandbox.Ann+">", "ask the platform team", "the stack was rolled back")
	l.expectDM("rejected by <@" + sandbox.Ann + ">")
	l.checkLaws()
}

// Without a decision, the deployed sweep fails the stack with a reason before
// CloudFormation's timeout. An approval after that lets one relaunch through.
func (d *deployment) expired(t *testing.T) {
	template := gated(t, "C0EXPIRED", "Wait: {Seconds: '28800'}", "Wait: {Seconds: '180'}")
	l := d.launch(t, d.newChannel("C0EXPIRED"), template, purposeParameter)
	l.expectRequest()
	l.expectStateWithin(150*time.Second, handle.Expired)
	l.expectEvent("ApprovalWait", "CREATE_FAILED", "Expired: no decision was made by")
	l.expectStackStatus("ROLLBACK_COMPLETE")
	l.expectThread("expired without a decision", "the stack was rolled back")
	l.checkLaws()
	d.relaunched(t, l, template)
}

// Rita PUTs to the wait handle herself. The wait ends, but the verdict fails.
func (d *deployment) bypassed(t *testing.T) {
	l := d.launch(t, d.newChannel("C0BYPASSED"), gated(t, "C0BYPASSED"), purposeParameter)
	l.expectRequest()
	l.bypass()
	l.expectEvent("ApprovalWait", "CREATE_COMPLETE", "")
	l.expectEvent("ApprovalVerdict", "CREATE_FAILED", "")
	l.expectStackStatus("ROLLBACK_COMPLETE")
	if r := l.expectState(handle.Withdrawn); r.Bypass == nil {
		t.Error("no bypass is on record")
	}
	l.expectThread("bypassed approval")
	l.checkLaws()
}

// Slack rejects the message, so the request goes out by mail. Mail scanners decide
// nothing; a person decides with the mail's code.
func (d *deployment) byMail(t *testing.T) {
	channel := d.newChannel("C0BYMAIL")
	d.brokenChannels.Store(channel, true)
	l := d.launch(t, channel, gated(t, channel), purposeParameter)
	m := l.expectMail()
	l.scanMail(m)
	l.expectState(handle.Pending)
	l.approveByMail(m, "Ann Approver")
	if r := l.expectState(handle.Approved); r.Decider() != "Ann Approver (by mail)" {
		t.Errorf("the decider is %q", r.Decider())
	}
	l.expectStackStatus("CREATE_COMPLETE")
	l.checkLaws()
}

// Lambda may deliver CloudFormation's event more than once, here twice at once and a
// third time after the answer: one request, one message, the same response.
func (d *deployment) twice(t *testing.T) {
	const function = "relay-twice"
	var l *launch
	launched := make(chan struct{})
	r := d.newRelay(t, d.aws, function, func(event []byte) {
		<-launched
		l.invoke(event)
		l.invoke(event)
	})
	l = d.launch(t, d.newChannel("C0TWICE"), gated(t, "C0TWICE", "function:countersign-notifier", "function:"+function), purposeParameter)
	close(launched)
	l.expectRequest()
	genuine := r.event(t, "ApprovalRequest")
	l.expectAnswers(genuine.answer, 2)
	l.invoke(genuine.event)
	l.expectAnswers(genuine.answer, 3)
	l.click(sandbox.Ann, handle.Approve)
	l.expectState(handle.Approved)
	l.expectStackStatus("CREATE_COMPLETE")
	l.expectAnswers(r.event(t, "ApprovalVerdict").answer, 2)
	l.checkLaws()
}

// Nothing proves who launched, so two people must approve.
func (d *deployment) unproven(t *testing.T) {
	l := d.launchUnproven(t, d.newChannel("C0UNPROVEN"), gated(t, "C0UNPROVEN"), purposeParameter)
	l.expectRequest()
	l.expectMessage("2 people must approve", "(claimed)")
	l.approveByTwo()
	l.expectStackStatus("CREATE_COMPLETE")
	l.expectThread("the stack is ready (")
	l.checkLaws()
}

// Ann, an approver, launches with Rita's e-mail address and has CloudFormation
// throttle every read at that moment. No one can decide until the sweep has asked who
// launched. Then it is Ann's own request.
func (d *deployment) throttled(t *testing.T) {
	d.cloudFormation.throttled.Store(launchName(t, account), true)
	l := d.launchIn(t, d.aws, account, tagsOf("ann@example.com"), d.newChannel("C0THROTTLED"), gated(t, "C0THROTTLED"), purposeParameter)
	l.expectRequest()
	l.expectMessage("not been verified with CloudFormation yet")
	l.expectRefusal(sandbox.Ann, blocks.RequesterPending)
	l.expectRefusal(sandbox.Bob, blocks.RequesterPending)
	d.cloudFormation.throttled.Delete(l.stackName())
	l.expectRequester(sandbox.Ann)
	l.expectRefusal(sandbox.Ann, "This is your own request")
	l.click(sandbox.Bob, handle.Approve)
	l.expectState(handle.Approved)
	l.expectStackStatus("CREATE_COMPLETE")
	l.checkLaws()
}

// CloudFormation lists the resource later than the launch can wait for.
func (d *deployment) listedLate(t *testing.T) {
	d.cloudFormation.lagging.Store(launchName(t, account), true)
	l := d.launch(t, d.newChannel("C0LISTEDLATE"), gated(t, "C0LISTEDLATE"), purposeParameter)
	l.expectRequest()
	l.expectRefusal(sandbox.Ann, blocks.RequesterPending)
	l.expectRequester(l.requester.ID)
	l.click(sandbox.Ann, handle.Approve)
	l.expectState(handle.Approved)
	l.expectStackStatus("CREATE_COMPLETE")
	l.checkLaws()
}

// Rita cancels before a decision. CloudFormation sends no Delete for the retained
// request; Countersign learns of it from the stack's status.
func (d *deployment) withdrawn(t *testing.T) {
	l := d.launch(t, d.newChannel("C0WITHDRAWN"), gated(t, "C0WITHDRAWN"), purposeParameter)
	l.expectRequest()
	l.deleteStack()
	l.expectStackStatus("DELETE_COMPLETE")
	l.expectState(handle.Withdrawn)
	l.expectThread("withdrawn")
	l.checkLaws()
}

// The same without retention: CloudFormation sends a Delete for the request. The
// stack's final status is not checked, because MiniStack does not cancel a creation.
func (d *deployment) deleted(t *testing.T) {
	l := d.launch(t, d.newChannel("C0DELETED"), gated(t, "C0DELETED", "DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"), purposeParameter)
	l.expectRequest()
	l.deleteStack()
	l.expectState(handle.Withdrawn)
	l.expectThread("withdrawn")
	l.checkLaws()
}

// The template of the original sample, without a verdict and with the longest
// timeout, works with only its ServiceToken changed.
func (d *deployment) original(t *testing.T) {
	l := d.launch(t, sandbox.Channel, product(t, "deploy/gate/testdata/sample-gate.yaml",
		"arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:approvals", d.outputs["ServiceToken"]))
	l.expectRequest()
	l.click(sandbox.Bob, handle.Approve)
	l.expectState(handle.Approved)
	l.expectStackStatus("CREATE_COMPLETE")
	l.expectThread("approved by <@"+sandbox.Bob+">", "the stack is ready (")
	l.checkLaws()
}

// sample returns the sample product with this deployment's notifier.
func (d *deployment) sample(t *testing.T) string {
	return product(t, "deploy/product.yaml", "function:countersign-notifier", "function:"+d.name+"-notifier")
}

// gated returns the sample product with the given channel.
func gated(t *testing.T, channel string, changes ...string) string {
	const url = "WaitUrl: !Ref ApprovalHandle\n"
	return product(t, "deploy/product.yaml", append(changes, url, url+"      Channel: "+channel+"\n")...)
}
