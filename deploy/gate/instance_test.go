package gate_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/gate"
)

// account is an environment of fixed values.
type account struct{}

func (account) Pseudo(name string) gate.Value { return "<" + name + ">" }

func (account) Ref(r *gate.Resource) gate.Value { return "ref-" + r.LogicalID }

func (account) GetAtt(r *gate.Resource, attribute string) (gate.Value, error) {
	return r.LogicalID + "." + attribute, nil
}

func (account) ImportValue(name string) (gate.Value, error) { return "export-" + name, nil }

func (account) StackOutput(stack, output string, _ bool) (gate.Value, error) {
	return stack + "." + output, nil
}

func (account) Zones(region string) []string { return []string{region + "a", region + "b"} }

func (account) StoredParameter(name, _ string) (string, bool) {
	return "stored-" + name, name != "missing"
}

func (account) Transformed(name, attribute string) gate.Value {
	return "transformed-" + name + attribute
}

const evaluated = `
Parameters:
  Size: {Type: Number, Default: 3}
  Image: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /image}
  Password: {Type: String, NoEcho: true, Default: secret}
Conditions:
  Large: !Equals [!Ref Size, 3]
Resources:
  Queue: {Type: AWS::SQS::Queue, Condition: Large}
  Topic:
    Type: AWS::SNS::Topic
    DeletionPolicy: !If [Large, Retain, Delete]
    Properties:
      Url: !If [Large, !Ref Queue, none]
      Arn: !GetAtt Topic2.Arn
      Image: !Ref Image
      Where: !Sub '${AWS::Region} ${Password}'
      Zones: !GetAZs x
      Shared: !ImportValue vpc
      Nothing: !Ref AWS::NoValue
  Topic2: {Type: AWS::SNS::Topic}
Outputs:
  Url: {Condition: Large, Value: !Ref Queue, Export: {Name: url}}
`

func TestInstance(t *testing.T) {
	in, err := parse(t, []byte(evaluated)).Instantiate(account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	topic := in.Resources()[1]
	properties, err := in.Properties(topic)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Url":"ref-Queue","Arn":"Topic2.Arn","Image":"stored-/image","Where":"<AWS::Region> secret","Zones":["xa","xb"],"Shared":"export-vpc"}`
	if got := string(gate.AppendJSON(nil, properties)); got != want {
		t.Errorf("properties:\ngot  %s\nwant %s", got, want)
	}
	want = `"<AWS::Region> ****"`
	if got := string(gate.AppendMaskedJSON(nil, properties.Get("Where"))); got != want {
		t.Errorf("masked: got %s, want %s", got, want)
	}
	if policy, err := in.DeletionPolicy(topic); policy != "Retain" || err != nil {
		t.Errorf("deletion policy: got %q, %v", policy, err)
	}
	if diff := cmp.Diff([]int{0, 2}, in.Needs(topic)); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
	outputs, err := in.Outputs()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]gate.Output{{Key: "Url", Value: "ref-Queue", ExportName: "url"}}, outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	shown := []gate.ParameterValue{{Key: "Size", Value: "3"}, {Key: "Image", Value: "/image", ResolvedValue: "stored-/image"}, {Key: "Password", Value: "****"}}
	if diff := cmp.Diff(shown, in.Parameters); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

// A resource that a condition leaves out is no dependency, and the branch of Fn::If that is not taken adds none.
func TestInstanceWithoutConditionalResource(t *testing.T) {
	template := parse(t, []byte(evaluated))
	in, err := template.Instantiate(account{}, map[string]string{"Size": "1"})
	if err != nil {
		t.Fatal(err)
	}
	queue, topic := in.Resources()[0], in.Resources()[1]
	if in.Includes(queue) || !in.Includes(topic) {
		t.Errorf("includes: got queue %t and topic %t, want the topic only", in.Includes(queue), in.Includes(topic))
	}
	if diff := cmp.Diff([]int{2}, in.Needs(topic)); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
	if outputs, err := in.Outputs(); len(outputs) != 0 || err != nil {
		t.Errorf("outputs: got %v, %v", outputs, err)
	}
	if _, err := template.Instantiate(account{}, map[string]string{"Image": "missing"}); err == nil {
		t.Error("a missing Systems Manager parameter was accepted")
	}
}

// A loop over a mapping of the Region is first expanded by Instantiate: Parse does not know the Region.
func TestLoopOverPseudoParameter(t *testing.T) {
	template := parse(t, []byte(`
Transform: AWS::LanguageExtensions
Mappings: {Queues: {<AWS::Region>: {Names: [Orders, Returns]}}}
Resources:
  Fn::ForEach::Queues:
    - Name
    - !FindInMap [Queues, !Ref AWS::Region, Names]
    - ${Name}: {Type: AWS::SQS::Queue}
`))
	if got := template.Resources(); got != nil {
		t.Errorf("Resources: got %d before the Region is known", len(got))
	}
	in, err := template.Instantiate(account{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := in.Resources(); len(got) != 2 || got[1].LogicalID != "Returns" {
		t.Errorf("Resources: got %v, want Orders and Returns", got)
	}
}

func TestErrorPosition(t *testing.T) {
	const message = "Template error: Fn::If requires a list argument with three elements"
	for src, want := range map[string]string{
		"Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      Tags: [{Key: a, Value: !If [b]}]\n":                                               message + " (/Resources/Q/Properties/Tags/0/Value, line 5, column 30)",
		"{\"Resources\": {\"Q\": {\"Type\": \"AWS::SQS::Queue\",\n  \"Properties\": {\"Tags\": [\n    {\"Key\": \"a\", \"Value\": {\"Fn::If\": [\"b\"]}}]}}}}": message + " (/Resources/Q/Properties/Tags/0/Value, line 3, column 27)",
		"Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties: {QueueName: ~}\n":                                                                        "[/Resources/Q/Properties/QueueName] 'null' values are not allowed in templates (line 4, column 29)",
		"Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Tags: []\n":                                                                                          "Invalid template resource property 'Tags' (/Resources/Q/Tags, line 4, column 5)",
		"Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    DependsOn: {A: B}\n":                                                                                 "Template format error: DependsOn must be a string or list of strings. (/Resources/Q, line 2, column 3)",
		"Parameters:\n  P: {Type: Strin}\nResources:\n  Q: {Type: AWS::SQS::Queue}\n":                                                                          "Template format error: Unrecognized parameter type: Strin (/Parameters/P, line 2, column 3)",
		"Resources: {}": "Template format error: At least one Resources member must be defined.",
	} {
		_, err := gate.Parse([]byte(src))
		var e *gate.Error
		if !errors.As(err, &e) || err.Error() != "ValidationError: "+want {
			t.Errorf("error:\ngot  %v\nwant ValidationError: %s", err, want)
		}
	}
}
