package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// Countersign, deployed as the README has it, lets a product's launches through
// its gate in every way that they can go.
func TestLaunches(t *testing.T) {
	d := deploy(t, "countersign", "HttpApi")
	t.Run("Approved", d.approved) // alone, for its calls are counted
	t.Run("Others", func(t *testing.T) {
		for _, story := range []struct {
			name string
			tell func(*testing.T)
		}{
			{"Expired", d.expired}, // takes the longest
			{"Rejected", d.rejected},
			{"Bypassed", d.bypassed},
			{"ByMail", d.byMail},
			{"Twice", d.twice},
			{"Withdrawn", d.withdrawn},
			{"Deleted", d.deleted},
			{"Original", d.original},
		} {
			t.Run(story.name, func(t *testing.T) {
				t.Parallel()
				story.tell(t)
			})
		}
	})
	t.Run("Audit", d.auditCommand)
}

// A second deployment stands beside the first, under another name, and people
// reach it by a Function URL.
func TestFunctionURL(t *testing.T) {
	d := deploy(t, "countersign-url", "FunctionUrl")
	if host := d.outputs["BotUrl"]; !strings.HasSuffix(host, ".lambda-url."+region+".on.aws") {
		t.Fatalf("the bot is at %s, which is no Function URL", host)
	}
	d.approved(t)
}

// Ann approves the sample product, and its stack goes on.
func (d *deployment) approved(t *testing.T) {
	bill := d.startUsage()
	l := d.launch(t, sandbox.Channel, d.sample(t), purposeParameter)
	l.expectRequest()
	l.click(sandbox.Ann, handle.Approve)
	l.expectState(handle.Approved)
	l.checkMessages()
	bill.checkBudget(t)
	l.expectStackStatus("CREATE_COMPLETE")
	l.expectThread("approved by <@"+sandbox.Ann+">", "the stack is ready (")
	l.expectDM("approved by <@"+sandbox.Ann+">", "the stack is ready (")
	l.checkLaws()
	bill.read(t, "until the end of the stack was told")
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

// Nobody decides, and the deployed sweep fails the stack before it would time
// out in silence.
func (d *deployment) expired(t *testing.T) {
	l := d.launch(t, d.newChannel("C0EXPIRED"), gated(t, "C0EXPIRED", "Wait: {Seconds: '39600'}", "Wait: {Seconds: '180'}"), purposeParameter)
	l.expectRequest()
	l.expectStateWithin(150*time.Second, handle.Expired)
	l.expectEvent("ApprovalWait", "CREATE_FAILED", "Expired: nobody decided by")
	l.expectStackStatus("ROLLBACK_COMPLETE")
	l.expectThread("expired without a decision", "the stack was rolled back")
	l.checkLaws()
}

// Rita PUTs to the wait handle herself. The wait ends, and the verdict does not
// open.
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

// Slack does not take the message, so a mail asks. What scanners do decides
// nothing; a person does, with the code of the mail.
func (d *deployment) byMail(t *testing.T) {
	channel := d.newChannel("C0BYMAIL")
	d.brokenChannels.Store(channel, true)
	l := d.launch(t, channel, gated(t, channel), purposeParameter)
	m := l.expectMail()
	l.scanMail(m)
	l.expectState(handle.Pending)
	l.approveByMail(m, "Ann Approver")
	if r := l.expectState(handle.Approved); r.Decider() != "Ann Approver (by mail)" {
		t.Errorf("the record says that %s decided", r.Decider())
	}
	l.expectStackStatus("CREATE_COMPLETE")
	l.checkLaws()
}

// CloudFormation's event comes twice at once and a third time, as Lambda may
// deliver it: one request, one message, the same answer.
func (d *deployment) twice(t *testing.T) {
	l := d.launch(t, d.newChannel("C0TWICE"), ungated)
	event, err := json.Marshal(map[string]any{
		"RequestType": "Create", "RequestId": "0f8b0d9e-2d0c-4a41-9d1f-0d7a5c1b7e11", "ResponseURL": l.answers.origin + "/twice",
		"StackId": l.stack, "ResourceType": "Custom::ApprovalRequest", "LogicalResourceId": "ApprovalRequest",
		"ServiceToken": l.outputs["ServiceToken"],
		"ResourceProperties": map[string]string{
			"ServiceToken": l.outputs["ServiceToken"], "WaitUrl": l.waitURL(), "EmailID": l.requester.Email,
			"Channel": l.channel, "Timeout": "39600",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.invoke(event)
	l.invoke(event)
	l.expectRequest()
	l.expectAnswers("/twice", 2)
	l.invoke(event)
	l.expectAnswers("/twice", 3)
	l.click(sandbox.Ann, handle.Approve)
	l.expectState(handle.Approved)
	l.expectStackStatus("CREATE_COMPLETE")
	l.checkLaws()
}

// Rita cancels while nobody has decided. What is retained is not asked to go:
// Countersign hears of it by the stack's status.
func (d *deployment) withdrawn(t *testing.T) {
	l := d.launch(t, d.newChannel("C0WITHDRAWN"), gated(t, "C0WITHDRAWN"), purposeParameter)
	l.expectRequest()
	l.deleteStack()
	l.expectStackStatus("DELETE_COMPLETE")
	l.expectState(handle.Withdrawn)
	l.expectThread("withdrawn")
	l.checkLaws()
}

// The same where nothing is retained: CloudFormation asks the request to go.
// How the stack itself ends then is MiniStack's own affair: it does not break a
// creation off.
func (d *deployment) deleted(t *testing.T) {
	l := d.launch(t, d.newChannel("C0DELETED"), gated(t, "C0DELETED", "DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"), purposeParameter)
	l.expectRequest()
	l.deleteStack()
	l.expectState(handle.Withdrawn)
	l.expectThread("withdrawn")
	l.checkLaws()
}

// The template of the original sample, which knows no verdict and waits as long
// as can be, works unchanged but for its ServiceToken.
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

// sample is the sample product, which names the notifier of this deployment.
func (d *deployment) sample(t *testing.T) string {
	return product(t, "deploy/product.yaml", "function:countersign-notifier", "function:"+d.name+"-notifier")
}

// gated is the sample product, asked about in a channel of its own.
func gated(t *testing.T, channel string, changes ...string) string {
	const url = "WaitUrl: !Ref ApprovalHandle\n"
	return product(t, "deploy/product.yaml", append(changes, url, url+"      Channel: "+channel+"\n")...)
}

// ungated waits, and leaves it to the test to ask.
const ungated = `
Parameters:
  UserEmail: {Type: String}
Resources:
  ApprovalHandle:
    Type: AWS::CloudFormation::WaitConditionHandle
  ApprovalWait:
    Type: AWS::CloudFormation::WaitCondition
    Properties: {Handle: !Ref ApprovalHandle, Timeout: '39600'}
`
