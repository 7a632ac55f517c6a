package fakecfn_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

func TestParameterValues(t *testing.T) {
	tests := []struct {
		name, definition string
		value            string // "-": not given
		want             string // the error; empty if the value is valid
	}{
		{"text", "{Type: String}", "abc", ""},
		{"missing", "{Type: String}", "-", "Parameters: [P] must have values"},
		{"empty is a value", "{Type: String}", "", ""},
		{"default", "{Type: String, Default: a}", "-", ""},
		{"bad default", "{Type: String, Default: a, AllowedValues: [b]}", "-", "Parameter 'P' must be one of AllowedValues"},
		{"allowed", "{Type: String, AllowedValues: [true, 2]}", "true", ""},
		{"not allowed", "{Type: String, AllowedValues: [a, b]}", "c", "Parameter 'P' must be one of AllowedValues"},
		{"not allowed, explained", "{Type: String, AllowedValues: [a], ConstraintDescription: must be a}", "c", "Parameter P failed to satisfy constraint: must be a"},
		{"pattern", "{Type: String, AllowedPattern: '[a-z]+'}", "abc", ""},
		{"pattern of the whole value", "{Type: String, AllowedPattern: '[a-z]+|x'}", "abc1", "Parameter 'P' must match pattern [a-z]+|x"},
		{"pattern that only Java reads", "{Type: String, AllowedPattern: '(?=a)[a-z]+'}", "bcd", ""},
		{"too short", "{Type: String, MinLength: 3}", "äö", "Parameter 'P' must contain at least 3 characters"},
		{"just long enough", "{Type: String, MinLength: 3}", "äöü", ""},
		{"too long", "{Type: String, MaxLength: '3'}", "abcd", "Parameter 'P' must contain at most 3 characters"},
		{"number", "{Type: Number}", "-1.5", ""},
		{"no number", "{Type: Number}", "1x", "Parameter 'P' must be a number"},
		{"no number either", "{Type: Number}", "NaN", "Parameter 'P' must be a number"},
		{"too small", "{Type: Number, MinValue: 5}", "4.9", "Parameter 'P' must be a number not less than 5"},
		{"too large", "{Type: Number, MaxValue: 10}", "11", "Parameter 'P' must be a number not greater than 10"},
		{"number list", "{Type: List<Number>}", "80, 443", ""},
		{"no number list", "{Type: List<Number>, MaxValue: 1024}", "80,8080", "Parameter 'P' must be a number not greater than 1024"},
		{"list", "{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a, b", ""},
		{"list with another value", "{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,c", "Parameter 'P' must be one of AllowedValues"},
		{"list pattern", "{Type: CommaDelimitedList, AllowedPattern: '\\w+'}", "a,b-", "Parameter 'P' must match pattern \\w+"},
		{"VPC", "{Type: 'AWS::EC2::VPC::Id'}", "vpc-1", ""},
		{"no VPC", "{Type: 'AWS::EC2::VPC::Id'}", "", "Parameter validation failed: parameter value  for parameter name P does not exist"},
		{"subnets", "{Type: 'List<AWS::EC2::Subnet::Id>'}", "subnet-1,subnet-2", ""},
		{"no subnet", "{Type: 'List<AWS::EC2::Subnet::Id>'}", "subnet-1,", "Parameter validation failed: parameter value  for parameter name P does not exist"},
		{"stored", "{Type: 'AWS::SSM::Parameter::Value<String>'}", "/known", ""},
		{"not stored", "{Type: 'AWS::SSM::Parameter::Value<List<String>>'}", "/unknown", "Unable to fetch parameters [/unknown] from parameter store for this account."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(t, func(c *fakecfn.Config) {
				c.SSM = func(name string) (string, bool) { return "value of " + name, name == "/known" }
			})
			in := fakecfn.CreateStackInput{
				Name:     "stack",
				Template: mustParse(t, "Parameters: {P: "+tt.definition+"}\nResources: {Q: {Type: AWS::SQS::Queue}}"),
			}
			if tt.value != "-" {
				in.Parameters = map[string]string{"P": tt.value}
			}
			_, err := w.engine.CreateStack(in)
			got := ""
			if err != nil {
				got = refusalMessage(t, err)
			}
			if got != tt.want {
				t.Errorf("refusal: got  %q\nwant %q", got, tt.want)
			}
			if _, there := w.engine.Stack("stack"); there != (tt.want == "") {
				t.Errorf("stack there: got %t", there)
			}
		})
	}
}

func TestParameterNames(t *testing.T) {
	w := newFixture(t)
	_, err := w.engine.CreateStack(fakecfn.CreateStackInput{
		Name:       "stack",
		Template:   mustParse(t, "Parameters: {P: {Type: String}}\nResources: {Q: {Type: AWS::SQS::Queue}}"),
		Parameters: map[string]string{"Zed": "1", "Abc": "2"},
	})
	if got, want := refusalMessage(t, err), "Parameters: [Abc, Zed] do not exist in the template"; got != want {
		t.Errorf("refusal: got %q, want %q", got, want)
	}
}

func TestRules(t *testing.T) {
	tests := []struct {
		name, rules string
		want        string
	}{
		{"holds", "R: {Assertions: [{Assert: !Contains [[a, b], !Ref One], AssertDescription: no}]}", ""},
		{"fails", "R: {Assertions: [{Assert: !Equals [!Ref One, z], AssertDescription: One must be z}]}", "One must be z"},
		{"fails without description", "R: {Assertions: [{Assert: !Equals [!Ref One, z]}]}", "Template error: an assertion of rule R failed."},
		{"does not apply", "R: {RuleCondition: !Equals [!Ref One, z], Assertions: [{Assert: !Equals [a, b]}]}", ""},
		{"applies", "R: {RuleCondition: !Equals [!Ref One, a], Assertions: [{Assert: !Equals [a, b], AssertDescription: never}]}", "never"},
		{"EachMemberIn", "R: {Assertions: [{Assert: !EachMemberIn [!Ref Many, [x, y, z]]}]}", ""},
		{"EachMemberIn fails", "R: {Assertions: [{Assert: !EachMemberIn [!Ref Many, [x]], AssertDescription: only x}]}", "only x"},
		{"EachMemberEquals", "R: {Assertions: [{Assert: !EachMemberEquals [!Ref Many, x], AssertDescription: all x}]}", "all x"},
		{"RefAll", "R: {Assertions: [{Assert: !Contains [!RefAll 'AWS::EC2::VPC::Id', vpc-2]}]}", ""},
		{"RefAll fails", "R: {Assertions: [{Assert: !Contains [!RefAll 'AWS::EC2::VPC::Id', vpc-3], AssertDescription: no such VPC}]}", "no such VPC"},
		{"asks the account", "R: {Assertions: [{Assert: !EachMemberIn [!ValueOfAll ['AWS::EC2::VPC::Id', Tags.Team], [a]]}]}", ""},
		{"of a resource", "R: {Assertions: [{Assert: !Equals [!Ref Q, a]}]}", "Template format error: Unresolved dependencies [Q]. Cannot reference resources in the Rules block of the template"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := newFixture(t).refusal(`
Parameters:
  One: {Type: String, Default: a}
  Many: {Type: CommaDelimitedList, Default: 'x,y'}
  V1: {Type: 'AWS::EC2::VPC::Id', Default: vpc-1}
  V2: {Type: 'AWS::EC2::VPC::Id', Default: vpc-2}
Rules:
  ` + tt.rules + `
Resources: {Q: {Type: AWS::SQS::Queue}}
`)
			if got != tt.want {
				t.Errorf("refusal: got %q, want %q", got, tt.want)
			}
		})
	}
}

// A NoEcho value reaches the provider of a custom resource, and is otherwise shown in outputs only.
func TestNoEcho(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{
		Template: mustParse(t, `
Parameters:
  Password: {Type: String, NoEcho: true}
  Image: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: /images/a}
Resources:
  C:
    Type: Custom::Login
    Properties:
      ServiceToken: arn:aws:lambda:us-east-1:111122223333:function:f
      Whole: !Ref Password
      Part: !Sub 'p=${Password};'
      Image: !Ref Image
  D:
    Type: AWS::SSM::Parameter
    Properties: {Value: !GetAtt C.Token}
Outputs:
  Shown: {Value: !Ref Password}
`),
		Parameters: map[string]string{"Password": "correct horse"},
	})
	req := w.last("C")
	if got, want := req.ResourceProperties["Part"], "p=correct horse;"; got != want {
		t.Errorf("property sent: got %v, want %v", got, want)
	}
	w.mustPut(req.ResponseURL, `{"Status":"SUCCESS","PhysicalResourceId":"c","StackId":"`+req.StackId+`","RequestId":"`+req.RequestId+
		`","LogicalResourceId":"C","NoEcho":true,"Data":{"Token":"t0ken"}}`)
	st := w.stack(id)
	image := st.Parameters[1].ResolvedValue
	if len(image) != len("ami-")+17 {
		t.Errorf("resolved image: got %q", image)
	}
	want := map[string]string{
		"C": `{"ServiceToken":"arn:aws:lambda:us-east-1:111122223333:function:f","Whole":"****","Part":"p=****;","Image":"` + image + `"}`,
		"D": `{"Value":"****"}`,
	}
	for _, ev := range st.Events {
		if ev.Properties != want[ev.LogicalID] {
			t.Errorf("event of %s: got properties %s, want %s", ev.LogicalID, ev.Properties, want[ev.LogicalID])
		}
	}
	if diff := cmp.Diff(gate.ParameterValue{Key: "Password", Value: "****"}, st.Parameters[0]); diff != "" {
		t.Errorf("parameter (-want +got):\n%s", diff)
	}
	if got := st.Output("Shown"); got != "correct horse" {
		t.Errorf("output: got %q, and AWS does not mask outputs", got)
	}
}
