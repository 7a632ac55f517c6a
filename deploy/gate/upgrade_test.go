package gate_test

import (
	"errors"
	"strings"
	"testing"

	"countersign/deploy"
	"countersign/deploy/gate"
)

func upgrade(t testing.TB, src string, keepIDs bool) string {
	t.Helper()
	out, err := parse(t, []byte(src)).Upgrade(keepIDs)
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	again, err := parse(t, out).Upgrade(keepIDs)
	if err != nil || string(again) != string(out) {
		t.Errorf("a second run changes the template: %v\n%s", err, again)
	}
	for _, f := range parse(t, out).Lint() {
		t.Errorf("%s: %s\n%s", f.ID, f.Message, out)
	}
	return string(out)
}

func digestOf(t testing.TB, src string) string {
	t.Helper()
	digest, err := gate.Digest([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestUpgradeRenewsTheSample(t *testing.T) {
	src := string(deploy.Product)
	if got := upgrade(t, src, false); got != src {
		t.Errorf("a current gate was changed:\n%s", got)
	}
	changed := edit(t, src, "    Default: 5\n", "    Default: 6\n", "Parameters:\n  UserEmail:", "Parameters:\n  Team: {Type: String}\n  UserEmail:")
	got := upgrade(t, changed, false)
	renewed := strings.NewReplacer("ApprovalHandle", "ApprovalHandle2", "ApprovalRequest", "ApprovalRequest2", "ApprovalWait", "ApprovalWait2", "ApprovalVerdict", "ApprovalVerdict2",
		"Custom::ApprovalRequest", "Custom::ApprovalRequest", "Custom::ApprovalVerdict", "Custom::ApprovalVerdict").Replace(changed)
	renewed = edit(t, renewed, "      Parameters:  # all of them\n", "      Parameters:  # all of them\n        Team: !Ref Team\n")
	old := src[strings.Index(src, "      Template: '")+len("      Template: '"):][:16]
	want := strings.Replace(renewed, old, digestOf(t, renewed), 1)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if kept := upgrade(t, changed, true); strings.Contains(kept, "Approval2") || strings.Contains(kept, "ApprovalHandle2") || !strings.Contains(kept, "        Team: !Ref Team\n") {
		t.Errorf("with the logical IDs kept:\n%s", kept)
	}
	third := upgrade(t, edit(t, got, "    Default: 6\n", "    Default: 7\n"), false)
	if !strings.Contains(third, "  ApprovalVerdict3:\n") || strings.Contains(third, "ApprovalVerdict2") {
		t.Errorf("the third version:\n%s", third)
	}
}

func TestUpgradeKeepsEveryLayout(t *testing.T) {
	tests := []struct {
		name  string
		edits []string
		want  string
	}{
		{"short forms", nil, "WaitUrl: !Ref Handle2\n"},
		{"long forms", []string{"RequestId: !Ref Request", "RequestId: {Ref: \"Request\"}"}, "RequestId: {Ref: \"Request2\"}"},
		{"an attribute", []string{"    DependsOn: Verdict\n", "    Properties: {Tags: [{Key: Verdict, Value: !GetAtt 'Verdict.ApprovedBy'}, {Key: a, Value: {Fn::GetAtt: [Verdict, ApprovedAt]}}]}\n"},
			"{Key: Verdict, Value: !GetAtt 'Verdict2.ApprovedBy'}, {Key: a, Value: {Fn::GetAtt: [Verdict2, ApprovedAt]}}"},
		{"a list", []string{"    DependsOn: Verdict\n", "    DependsOn: [ Verdict ,  # Verdict\n      Wait]\n"}, "    DependsOn: [ Verdict2 ,  # Verdict\n      Wait2]\n"},
		{"a pattern", []string{"    DependsOn: Verdict\n", "    Properties:\n      Name: !Sub |\n        ${!Verdict} ${ Verdict.ApprovedBy } ${Request}\n        ${Verdict.ApprovedAt} Verdict\n      Other: !Sub ['${Verdict}${Wait}', {Wait: x}]\n"},
			"        ${!Verdict} ${ Verdict2.ApprovedBy } ${Request2}\n        ${Verdict2.ApprovedAt} Verdict\n      Other: !Sub ['${Verdict2}${Wait}', {Wait: x}]\n"},
		{"a name that contains the other", []string{"  Queue:\n", "  VerdictQueue:\n", "Id: {Value: !Ref Request}", "Id: {Value: !Join ['', [!Ref VerdictQueue, !Ref Request]]}"}, "[!Ref VerdictQueue, !Ref Request2]"},
		{"a list of resources in a policy", []string{"    DependsOn: Verdict\n", "    DependsOn: Verdict\n    Metadata: {Resources: [a, b], DependsOnX: {Ref: Verdict}}\n"}, "{Resources: [a, b], DependsOnX: {Ref: Verdict2}}"},
		{"carriage returns", []string{"\r", ""}, "Handle2:\r\n"},
		{"no Parameters", []string{"      Parameters: {Mail: !Ref Mail, Env: !Ref Env}\n", ""}, "    Properties:\n      Parameters:\n        Mail: !Ref Mail\n        Env: !Ref Env\n"},
		{"a parameter in braces", []string{"{Mail: !Ref Mail, Env: !Ref Env}", "{ Mail: !Ref Mail }"}, `{ "Env": {"Ref": "Env"}, Mail: !Ref Mail }`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := cleanGate
			if test.name == "carriage returns" {
				src = strings.ReplaceAll(src, "\n", "\r\n")
			} else {
				src = edit(t, src, test.edits...)
			}
			if got := upgrade(t, src, false); !strings.Contains(got, test.want) {
				t.Errorf("got\n%s\nwant it to contain\n%s", got, test.want)
			}
		})
	}
	json := `{"Resources": {"H": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
		"R": {"Type": "Custom::R", "Properties": {"ServiceToken": {"Fn::Sub": "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:n"}, "ServiceTimeout": "60", "WaitUrl": {"Ref": "H"}, "Timeout": "3600"}},
		"W": {"Type": "AWS::CloudFormation::WaitCondition", "DependsOn": ["R"], "Properties": {"Handle": {"Ref": "H"}, "Timeout": "3600"}},
		"V": {"Type": "Custom::V", "DependsOn": "W", "Properties": {"ServiceToken": {"Fn::Sub": "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:n"}, "ServiceTimeout": "60", "RequestId": {"Ref": "R"}}},
		"Q": {"Type": "AWS::SQS::Queue", "Properties": {"N": {"Fn::Sub": "${V.ApprovedBy}"}}}}}`
	if got := upgrade(t, json, false); !strings.Contains(got, `"W2": {"Type": "AWS::CloudFormation::WaitCondition", "DependsOn": ["R2"], "Properties": {"Handle": {"Ref": "H2"}`) || !strings.Contains(got, `"${V2.ApprovedBy}"`) {
		t.Errorf("got\n%s", got)
	}
}

func TestUpgradeRefusesWhatItCannotDoSafely(t *testing.T) {
	second := "  Wait2: {Type: AWS::CloudFormation::WaitCondition, DependsOn: Request, Properties: {Handle: !Ref Handle, Timeout: 28800}}\n"
	for _, test := range []struct{ name, src, want string }{
		{"no gate", "Resources: {Q: {Type: AWS::SQS::Queue}}", "no request resource"},
		{"no verdict", edit(t, cleanGate, "      RequestId: !Ref Request\n", ""), "incomplete"},
		{"two waits", edit(t, cleanGate, "  Queue:\n", second+"  Queue:\n"), "more than one gate"},
		{"a leak", edit(t, cleanGate, "    DependsOn: Verdict\n", ""), "Queue can start before the verdict [leak]"},
		{"a macro", "Transform: Macro\n" + cleanGate, "Macro"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if out, err := parse(t, []byte(test.src)).Upgrade(false); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q\n%s", err, test.want, out)
			}
		})
	}
	if _, err := parse(t, []byte("Resources: {Q: {Type: AWS::SQS::Queue}}")).Upgrade(false); !errors.Is(err, gate.ErrNoRequest) {
		t.Errorf("error %v is not ErrNoRequest", err)
	}
}
