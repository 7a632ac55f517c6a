package sandbox

import (
	"fmt"
	"testing"

	"countersign/deploy/gate"
)

// Only the notifier's own token, and a gate's resources behind a renamed one, reach the notifier.
func TestServes(t *testing.T) {
	request, other := &gate.Object{}, &gate.Object{}
	request.Set("WaitUrl", "https://example.com/")
	other.Set("Action", "tag")
	const lambda, topic = "arn:aws:lambda:us-east-1:111122223333:function:", "arn:aws:sns:us-east-1:111122223333:"
	for _, tt := range []struct {
		token       string
		gate, other bool
	}{
		{lambda + "countersign-notifier", true, true},
		{lambda + "countersign-notifier:live", true, true},
		{lambda + "approvals-notifier", true, false},
		{lambda + "countersgin-notifeir", false, false},
		{lambda + "sc-resource-compliance", false, false},
		{topic + "countersign-launches", true, false},
	} {
		if got := serves(tt.token, request); got != tt.gate {
			t.Errorf("%s of a gate: got %t", tt.token, got)
		}
		if got := serves(tt.token, other); got != tt.other {
			t.Errorf("%s of another resource: got %t", tt.token, got)
		}
	}
}

// Only a gate's topic means that a product is launched from another account.
func TestUsesTopic(t *testing.T) {
	const gateOf = "Parameters:\n  T: {Type: String, Default: 'arn:aws:sns:us-east-1:111122223333:t'}\nResources:\n  H: {Type: AWS::CloudFormation::WaitConditionHandle}\n" +
		"  R: {Type: Custom::R, Properties: {ServiceToken: %s, WaitUrl: !Ref H}}\n  Other: {Type: Custom::O, Properties: {ServiceToken: %s}}\n"
	const lambda, topic = "'arn:aws:lambda:us-east-1:111122223333:function:countersign-notifier'", "'arn:aws:sns:us-east-1:111122223333:t'"
	for _, tt := range []struct {
		gate, other string
		want        bool
	}{
		{lambda, lambda, false}, {lambda, topic, false}, {lambda, "!Ref T", false}, {topic, lambda, true}, {"!Ref T", lambda, true},
	} {
		template, err := gate.Parse(fmt.Appendf(nil, gateOf, tt.gate, tt.other))
		if err != nil {
			t.Fatal(err)
		}
		if got := usesTopic(Launch{Template: template}); got != tt.want {
			t.Errorf("gate %s, other resource %s: got %t", tt.gate, tt.other, got)
		}
	}
}
