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
	t.Run("Audit", d.audited)
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
	bill := d.bill()
	l := d.launch(t, sandbox.Channel, d.sample(t), purpose)
	l.asked()
	l.press(sandbox.Ann, handle.Approve)
	l.decided(handle.Approved)
	l.truthful()
	bill.within(t)
	l.ends("CREATE_COMPLETE")
	l.thread("approved by <@"+sandbox.Ann+">", "the stack is ready (")
	l.wrote("approved by <@"+sandbox.Ann+">", "the stack is ready (")
	l.lawful()
	bill.read(t, "until the end of the stack was told")
}

// Ann rejects, and the stack rolls back with her reason on it.
func (d *deployment) rejected(t *testing.T) {
	const why = "Use the shared queue <!channel> & ask the platform team"
	l := d.launch(t, d.newChannel("C0REJECTED"), gated(t, "C0REJECTED"), purpose)
	l.asked()
	l.reject(sandbox.Ann, why)
	l.decided(handle.Rejected)
	l.event("ApprovalWait", "CREATE_FAILED", "Rejected by Ann Approver: "+why)
	l.ends("ROLLBACK_COMPLETE")
	l.thread("rejected by <@"+sandbox.Ann+">", "ask the platform team", "the stack was rolled back")
	l.wrote("rejected by <@" + sandbox.Ann + ">")
	l.lawful()
}

// Nobody decides, and the deployed sweep fails the stack before it would time
// out in silence.
func (d *deployment) expired(t *testing.T) {
	l := d.launch(t, d.newChannel("C0EXPIRED"), gated(t, "C0EXPIRED", "Wait: {Seconds: '39600'}", "Wait: {Seconds: '180'}"), purpose)
	l.asked()
	l.decidedWithin(150*time.Second, handle.Expired)
	l.event("ApprovalWait", "CREATE_FAILED", "Expired: nobody decided by")
	l.ends("ROLLBACK_COMPLETE")
	l.thread("expired without a decision", "the stack was rolled back")
	l.lawful()
}

// Rita PUTs to the wait handle herself. The wait ends, and the verdict does not
// open.
func (d *deployment) bypassed(t *testing.T) {
	l := d.launch(t, d.newChannel("C0BYPASSED"), gated(t, "C0BYPASSED"), purpose)
	l.asked()
	l.steal()
	l.event("ApprovalWait", "CREATE_COMPLETE", "")
	l.event("ApprovalVerdict", "CREATE_FAILED", "")
	l.ends("ROLLBACK_COMPLETE")
	if r := l.decided(handle.Withdrawn); r.Bypass == nil {
		t.Error("no bypass is on record")
	}
	l.thread("bypassed approval")
	l.lawful()
}

// Slack does not take the message, so a mail asks. What scanners do decides
// nothing; a person does, with the code of the mail.
func (d *deployment) byMail(t *testing.T) {
	channel := d.newChannel("C0BYMAIL")
	d.broken.Store(channel, true)
	l := d.launch(t, channel, gated(t, channel), purpose)
	m := l.mailed()
	l.scan(m)
	l.decided(handle.Pending)
	l.approveByMail(m, "Ann Approver")
	if r := l.decided(handle.Approved); r.Decider() != "Ann Approver (by mail)" {
		t.Errorf("the record says that %s decided", r.Decider())
	}
	l.ends("CREATE_COMPLETE")
	l.lawful()
}

// CloudFormation's event comes twice at once and a third time, as Lambda may
// deliver it: one request, one message, the same answer.
func (d *deployment) twice(t *testing.T) {
	l := d.launch(t, d.newChannel("C0TWICE"), ungated)
	event, err := json.Marshal(map[string]any{
		"RequestType": "Create", "RequestId": "0f8b0d9e-2d0c-4a41-9d1f-0d7a5c1b7e11", "ResponseURL": l.desk.origin + "/twice",
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
	l.asked()
	l.answered("/twice", 2)
	l.invoke(event)
	l.answered("/twice", 3)
	l.press(sandbox.Ann, handle.Approve)
	l.decided(handle.Approved)
	l.ends("CREATE_COMPLETE")
	l.lawful()
}

// Rita cancels while nobody has decided. What is retained is not asked to go:
// Countersign hears of it by the stack's status.
func (d *deployment) withdrawn(t *testing.T) {
	l := d.launch(t, d.newChannel("C0WITHDRAWN"), gated(t, "C0WITHDRAWN"), purpose)
	l.asked()
	l.terminate()
	l.ends("DELETE_COMPLETE")
	l.decided(handle.Withdrawn)
	l.thread("withdrawn")
	l.lawful()
}

// The same where nothing is retained: CloudFormation asks the request to go.
// How the stack itself ends then is MiniStack's own affair: it does not break a
// creation off.
func (d *deployment) deleted(t *testing.T) {
	l := d.launch(t, d.newChannel("C0DELETED"), gated(t, "C0DELETED", "DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"), purpose)
	l.asked()
	l.terminate()
	l.decided(handle.Withdrawn)
	l.thread("withdrawn")
	l.lawful()
}

// The template of the original sample, which knows no verdict and waits as long
// as can be, works unchanged but for its ServiceToken.
func (d *deployment) original(t *testing.T) {
	l := d.launch(t, sandbox.Channel, product(t, "deploy/gate/testdata/sample-gate.yaml",
		"arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:approvals", d.outputs["ServiceToken"]))
	l.asked()
	l.press(sandbox.Bob, handle.Approve)
	l.decided(handle.Approved)
	l.ends("CREATE_COMPLETE")
	l.thread("approved by <@"+sandbox.Bob+">", "the stack is ready (")
	l.lawful()
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
