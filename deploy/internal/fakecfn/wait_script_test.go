package fakecfn_test

import (
	"testing"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// Scripts of instances signal the handles that they were given, whether they end before or after the wait begins. The
// provider of a custom resource signals its handle itself.
func TestScriptsSignal(t *testing.T) {
	const src = `
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Early: {Type: AWS::EC2::Instance, Properties: {UserData: !Base64 {'Fn::Sub': 'curl ${Handle}'}}}
  Wait: {Type: AWS::CloudFormation::WaitCondition, DependsOn: Early, Properties: {Handle: !Ref Handle, Timeout: 600, Count: 3}}
  Handle2: {Type: AWS::CloudFormation::WaitConditionHandle}
  Wait2: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle2, Timeout: 600}}
  Late: {Type: AWS::EC2::Instance, DependsOn: Wait, Properties: {UserData: !Ref Handle2}}
  Unsignaled: {Type: AWS::CloudFormation::WaitConditionHandle}
  Gate: {Type: Custom::ApprovalRequest, DependsOn: [Wait, Wait2], Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f', WaitUrl: !Ref Unsignaled}}
  Leak: {Type: AWS::EC2::Instance, Properties: {UserData: !Ref Unsignaled}}
  Wait3: {Type: AWS::CloudFormation::WaitCondition, DependsOn: Gate, Properties: {Handle: !Ref Unsignaled, Timeout: 600}}
`
	w := newFixture(t, func(c *fakecfn.Config) {
		c.ScriptsSignal = true
		c.Serves = func(string, *gate.Object) bool { return true }
	})
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, src)})
	for name, want := range map[string]fakecfn.Status{
		"Wait": "CREATE_COMPLETE", "Wait2": "CREATE_COMPLETE", "Leak": "CREATE_COMPLETE", "Gate": "CREATE_IN_PROGRESS",
	} {
		if got := w.stack(id).Resource(name).Status; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	w.answer(w.last("Gate"), "gate", "", nil)
	if got := w.stack(id).Resource("Wait3").Status; got != "CREATE_IN_PROGRESS" {
		t.Errorf("Wait3: got %s, want CREATE_IN_PROGRESS", got)
	}
	w.advance(time.Hour)
	if got := w.stack(id).Status; got != fakecfn.RollbackInProgress && got != fakecfn.RollbackComplete {
		t.Errorf("stack: got %s, want a rollback", got)
	}
}
