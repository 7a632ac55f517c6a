package sandbox

import (
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
