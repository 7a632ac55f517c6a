package gate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/gate"
)

// TestAccepted has templates that CloudFormation accepts although its documentation does not say so.
func TestAccepted(t *testing.T) {
	tests := []struct {
		name, src string
		want      map[string]string // type by logical ID
	}{
		{
			"logical ID twice",
			"Resources:\n  Q: {Type: AWS::SQS::Queue}\n  R: {Type: AWS::SQS::Queue}\n  Q: {Type: AWS::SNS::Topic}",
			map[string]string{"Q": "AWS::SNS::Topic", "R": "AWS::SQS::Queue"},
		},
		{
			"logical ID twice in JSON",
			`{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}, "Q": {"Type": "AWS::SNS::Topic"}}}`,
			map[string]string{"Q": "AWS::SNS::Topic"},
		},
		{
			"section twice",
			"Resources: {Q: {Type: AWS::SQS::Queue}}\nResources: {T: {Type: AWS::SNS::Topic}}",
			map[string]string{"T": "AWS::SNS::Topic"},
		},
		{
			"trailing commas in JSON",
			"{\"Resources\": {\"Q\": {\"Type\": \"AWS::SQS::Queue\", \"Properties\": {\"A\": [\"x,]\", 1 , ]\n,}},},}",
			map[string]string{"Q": "AWS::SQS::Queue"},
		},
		{
			"type of a macro", "Transform: Macro\nResources: {Q: {Type: 'Macro::Make.queue'}}",
			map[string]string{"Q": "Macro::Make.queue"},
		},
		{
			"resource of a module",
			"Resources:\n  Net: {Type: Acme::Net::Small::MODULE}\n  Q: {Type: AWS::SQS::Queue, Properties: {A: !Ref NetVpc, B: !GetAtt NetVpc.CidrBlock, C: !Sub '${NetVpc.Id}'}}",
			map[string]string{"Net": "Acme::Net::Small::MODULE", "Q": "AWS::SQS::Queue"},
		},
		{
			"cycle through a function's events",
			"Transform: AWS::Serverless-2016-10-31\nResources:\n  Api: {Type: AWS::Serverless::Api, Properties: {DefinitionBody: !Sub '${Fn.Arn}'}}\n" +
				"  Fn: {Type: AWS::Serverless::Function, Properties: {Events: {Get: {Type: Api, Properties: {RestApiId: !Ref Api}}}}}",
			map[string]string{"Api": "AWS::Serverless::Api", "Fn": "AWS::Serverless::Function"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			template := parse(t, []byte(tt.src))
			got := map[string]string{}
			for _, r := range template.Resources() {
				got[r.LogicalID] = r.Type
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
			in, err := template.Instantiate(account{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range in.Resources() {
				if _, err := in.Properties(r); err != nil {
					t.Errorf("%s: %v", r.LogicalID, err)
				}
			}
		})
	}
}

// A resource that refers to one in a module waits for the module.
func TestModuleIsDependency(t *testing.T) {
	in, err := parse(t, []byte("Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {A: !Ref NetVpc}}\n"+
		"  Net: {Type: Acme::Net::Small::MODULE}")).Instantiate(account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1}, in.Needs(in.Resources()[0])); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
}

// A cycle without a resource of SAM is one after every transform.
func TestCycleBesideTransform(t *testing.T) {
	const src = "Transform: AWS::Serverless-2016-10-31\nResources:\n  A: {Type: AWS::SQS::Queue, DependsOn: B}\n  B: {Type: AWS::SQS::Queue, DependsOn: A}"
	_, err := gate.Parse([]byte(src))
	if got, want := refusalMessage(t, err), "Circular dependency between resources: [A, B]"; got != want {
		t.Errorf("message: got %q, want %q", got, want)
	}
}
