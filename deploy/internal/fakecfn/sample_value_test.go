package fakecfn_test

import (
	"strings"
	"testing"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// Functions accept a made-up value wherever AWS would have one.
func TestMadeUpValues(t *testing.T) {
	w := newFixture(t, func(c *fakecfn.Config) {
		c.Serves = func(token string, _ *gate.Object) bool {
			return token == "arn:aws:lambda:us-east-1:111122223333:function:probe"
		}
	})
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, `
Resources:
  Environment: {Type: AWS::Cloud9::EnvironmentEC2}
  Broker: {Type: AWS::AmazonMQ::Broker}
  Other: {Type: Custom::Zones, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:zones'}}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      A: !Select [6, !Split [':', !GetAtt Environment.Arn]]
      B: !Select [2, !Split ['/', !Ref Environment]]
      C: !Select [0, !GetAtt Broker.AmqpEndpoints]
      D: !Join [',', !GetAtt Other.Zones]
      E: !Select [3, !Split ['/', !Sub '${Other.Url}']]
`)})
	if got := w.stack(id); got.Status != fakecfn.CreateComplete {
		t.Errorf("stack: got %s: %v", got.Status, w.log(id))
	}
	w = newFixture(t)
	got := w.refusal("Resources:\n  Q: {Type: AWS::SQS::Queue}\n  T: {Type: AWS::SNS::Topic, Properties: {A: !Join [',', !Ref Q]}}")
	if want := "Template error: every Fn::Join object requires two parameters"; !strings.HasPrefix(got, want) {
		t.Errorf("refusal: got %q, want %q...", got, want)
	}
}

// A function that only AWS knows exists. A gate's function must be known.
func TestMadeUpServiceToken(t *testing.T) {
	const src = `
Parameters: {Stored: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /org/BootstrapperLambdaArn}}
Resources:
  Functions: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: 'https://example.com/functions.yaml'}}
  Nested: {Type: Custom::Zone, Properties: {ServiceToken: !GetAtt Functions.Outputs.HostedZone}}
  Other: {Type: Custom::Zone, Properties: {ServiceToken: !Ref Stored}}
`
	unserved := func(c *fakecfn.Config) { c.Serves = func(string, *gate.Object) bool { return false } }
	w := newFixture(t, unserved)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, src)})
	if got := w.stack(id).Status; got != fakecfn.CreateComplete {
		t.Errorf("stack: got %s: %v", got, w.log(id))
	}
	got := newFixture(t, unserved).refusal(strings.ReplaceAll(src, "HostedZone}", "HostedZone, WaitUrl: x}"))
	if want := "Invalid service token."; got != want {
		t.Errorf("refusal: got %q, want %q", got, want)
	}
}

func TestStackOutput(t *testing.T) {
	w := newFixture(t)
	_, err := w.engine.CreateStack(fakecfn.CreateStackInput{Name: "network", Template: mustParse(t,
		"Resources: {V: {Type: AWS::EC2::VPC}}\nOutputs: {Cidr: {Value: 10.0.0.0/16}}")})
	if err != nil {
		t.Fatal(err)
	}
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, `
Resources: {Q: {Type: AWS::SQS::Queue}}
Outputs:
  Here: {Value: !GetStackOutput {StackName: network, OutputName: Cidr}}
  There: {Value: {Fn::GetStackOutput: {StackName: network, OutputName: Id, Region: !Sub eu-west-1}}}
`)})
	if got := w.stack(id); got.Output("Here") != "10.0.0.0/16" || got.Output("There") == "" {
		t.Errorf("outputs: got %v", got.Outputs)
	}
	const src = "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {A: !GetStackOutput {StackName: network, OutputName: Id}}}}"
	if got, want := newFixture(t).refusal(src), "Stack with id network does not exist"; got != want {
		t.Errorf("refusal: got %q, want %q", got, want)
	}
}

// With OtherStacks, what no stack here exports is made up. A function that is imported exists.
func TestOtherStacks(t *testing.T) {
	w := newFixture(t, func(c *fakecfn.Config) {
		c.OtherStacks = true
		c.Serves = func(string, *gate.Object) bool { return false }
	})
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, `
Resources:
  T: {Type: AWS::SNS::Topic, Properties: {A: !Select [2, !Split [',', !ImportValue subnets]], B: !GetStackOutput {StackName: network, OutputName: Id}}}
  C: {Type: Custom::Zone, Properties: {ServiceToken: !ImportValue zones}}
Outputs:
  Vpc: {Value: !ImportValue vpc}
`)})
	if got := w.stack(id); got.Status != fakecfn.CreateComplete || got.Output("Vpc") == "" {
		t.Errorf("stack: got %s: %v", got.Status, w.log(id))
	}
}
