package report_test

import (
	"strings"
	"testing"
	"time"

	"countersign/deploy/internal/report"
	"countersign/handle"
)

// Where nothing proves the requester, the report shows the higher number of approvals.
func TestTermsShowApprovalsNeeded(t *testing.T) {
	r := handle.Request{CreatedAt: time.Unix(1, 0), Terms: handle.Terms{
		Channel: "C0APPROVALS", Approvers: []string{"S0PLATFORM"}, Approvals: 1, UnprovenRequester: handle.UnprovenTwoApprovers,
	}}
	for proven, want := range map[bool]string{true: "1 of S0PLATFORM in C0APPROVALS", false: "2 of S0PLATFORM in C0APPROVALS"} {
		got := ""
		for _, f := range report.Facts(r.IdentifyRequester("U0RITA", []string{"U0RITA"}, proven), nil) {
			if f.Name == "Terms" {
				got = f.Text
			}
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("proven %t: terms %q, want %q", proven, got, want)
		}
	}
}
