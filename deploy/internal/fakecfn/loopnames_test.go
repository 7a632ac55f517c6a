package fakecfn_test

import (
	"testing"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// Inside a loop a name may be put together, and the loop may run over what a
// parameter without a default chooses.
func TestNamesMadeByLoops(t *testing.T) {
	const src = `
Transform: AWS::LanguageExtensions
Parameters: {Stage: {Type: String}}
Mappings: {Queues: {production: {Names: [Orders, Returns]}}}
Resources:
  Fn::ForEach::Queues:
    - Name
    - !FindInMap [Queues, !Ref Stage, Names]
    - ${Name}Queue: {Type: AWS::SQS::Queue}
Outputs:
  Fn::ForEach::Outputs:
    - Name
    - !FindInMap [Queues, !Ref Stage, Names]
    - ${Name}Url: {Value: {Ref: {Fn::Sub: '${Name}Queue'}}}
      ${Name}Arn: {Value: !GetAtt [!Sub '${Name}Queue', Arn]}
`
	template, err := gate.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	e := fakecfn.New(fakecfn.Config{Now: func() time.Time { return time.Unix(0, 0) }})
	id, err := e.CreateStack(fakecfn.CreateStackInput{Name: "loops", Template: template, Parameters: map[string]string{"Stage": "production"}})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := e.Stack(id)
	if s.Status != fakecfn.CreateComplete || s.Output("ReturnsUrl") != s.Resource("ReturnsQueue").PhysicalID || s.Output("OrdersArn") == "" {
		t.Errorf("status %s, outputs %+v", s.Status, s.Outputs)
	}
	if _, err := e.CreateStack(fakecfn.CreateStackInput{Name: "other", Template: template, Parameters: map[string]string{"Stage": "nowhere"}}); err == nil {
		t.Error("an unknown key of the mapping was taken")
	}
}
