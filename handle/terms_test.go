package handle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

// signedUntil returns a wait URL that expires d after at, or never if d is zero.
func signedUntil(d time.Duration) handle.WaitURL {
	if d == 0 {
		return handle.StoredWaitURL("https://wait.example.com/")
	}
	return handle.StoredWaitURL(fmt.Sprintf("https://wait.example.com/?X-Amz-Date=%s&X-Amz-Expires=%d",
		at.Format("20060102T150405Z"), int(d.Seconds())))
}

func TestDecisionDeadline(t *testing.T) {
	for _, tt := range []struct {
		name            string
		timeout, margin time.Duration
		url             time.Duration // expiry after at; zero: the URL does not say
		want            time.Duration // after at; zero: an error
		says            string
	}{
		{name: "the timeout is sooner", timeout: 11 * time.Hour, margin: 5 * time.Minute, url: 12*time.Hour - time.Second, want: 11*time.Hour - 5*time.Minute},
		{name: "the URL expires sooner", timeout: 12 * time.Hour, margin: 5 * time.Minute, url: 12*time.Hour - time.Second, want: 12*time.Hour - 5*time.Minute - time.Second},
		{name: "a URL of a day", timeout: 12 * time.Hour, margin: 2 * time.Minute, url: 24 * time.Hour, want: 12*time.Hour - 2*time.Minute},
		{name: "the URL does not say", timeout: time.Hour, margin: 2 * time.Minute, want: 58 * time.Minute},
		{name: "no margin", timeout: time.Hour, want: 58 * time.Minute},
		{name: "a margin below the least", timeout: time.Hour, margin: time.Second, want: 58 * time.Minute},
		{name: "a negative margin", timeout: time.Hour, margin: -time.Hour, want: 58 * time.Minute},
		{name: "the shortest wait", timeout: 180 * time.Second, want: time.Minute},
		{name: "too short by a second", timeout: 179 * time.Second, says: "at least 180 seconds"},
		{name: "too short for the margin", timeout: 5 * time.Minute, margin: 10 * time.Minute, says: "at least 660 seconds"},
		{name: "the URL is about to expire", timeout: 12 * time.Hour, url: 2 * time.Minute, says: "too short"},
		{name: "nothing", timeout: 0, says: "from 180 to 43200 seconds"},
		{name: "negative", timeout: -time.Hour, says: "from 180 to 43200 seconds"},
		{name: "the longest wait", timeout: handle.MaxWait, want: 12*time.Hour - 2*time.Minute},
		{name: "longer than any", timeout: handle.MaxWait + time.Second, says: "from 180 to 43200 seconds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := handle.DecisionDeadline(at, tt.timeout, tt.margin, signedUntil(tt.url))
			switch {
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %s, %v, want an error that says %q", got, err, tt.says)
			case tt.says == "" && err != nil:
				t.Error(err)
			case tt.says == "" && !got.Equal(at.Add(tt.want)):
				t.Errorf("got %s after the launch, want %s", got.Sub(at), tt.want)
			}
		})
	}
}

func TestTermsCheck(t *testing.T) {
	ids := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("U%07d", i))
		}
		return list
	}
	for _, tt := range []struct {
		name string
		edit func(*handle.Terms)
		says string // empty: no error
	}{
		{"valid", func(*handle.Terms) {}, ""},
		{"no approvers", func(x *handle.Terms) { x.Approvers = nil }, handle.ErrNoApprovers.Error()},
		{"empty approvers", func(x *handle.Terms) { x.Approvers = []string{} }, handle.ErrNoApprovers.Error()},
		{"no approvers, by mail alone", func(x *handle.Terms) { x.Channel, x.Approvers = "", nil }, ""},
		{"as many approvers as there may be", func(x *handle.Terms) { x.Approvers = ids(50) }, ""},
		{"one more", func(x *handle.Terms) { x.Approvers = ids(51) }, "51 users and groups, but at most 50"},
		{"a name for an approver", func(x *handle.Terms) { x.Approvers = []string{ann, "@ben"} }, `"@ben"`},
		{"an e-mail for an approver", func(x *handle.Terms) { x.Approvers = []string{"ben@example.com"} }, `"ben@example.com"`},
		{"an empty approver", func(x *handle.Terms) { x.Approvers = []string{""} }, `""`},
		{"a hostile approver", func(x *handle.Terms) { x.Approvers = []string{"<!channel>\n" + strings.Repeat("x", 5000)} }, "<!channel> xxx"},
		{"no approvals", func(x *handle.Terms) { x.Approvals = 0 }, "from 1 to 20"},
		{"negative approvals", func(x *handle.Terms) { x.Approvals = -1 }, "from 1 to 20"},
		{"twenty must", func(x *handle.Terms) { x.Approvals = 20 }, ""},
		{"twenty-one must", func(x *handle.Terms) { x.Approvals = 21 }, "from 1 to 20"},
		{"two by mail alone", func(x *handle.Terms) { x.Channel, x.Approvals = "", 2 }, "only Slack can tell people apart"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			terms := handle.Terms{Channel: "C0APPROVALS", Approvers: []string{ann, guards}, Approvals: 1}
			tt.edit(&terms)
			err := terms.Check()
			switch {
			case tt.says == "" && err != nil:
				t.Error(err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			case err != nil && (len(err.Error()) > 300 || strings.Contains(err.Error(), "\n")):
				t.Errorf("the error is no sentence: %q", err)
			}
		})
	}
	if err := (handle.Terms{Channel: "C0"}).Check(); !errors.Is(err, handle.ErrNoApprovers) {
		t.Errorf("the zero terms in Slack: got %v, want ErrNoApprovers", err)
	}
}

func TestCheckApprovers(t *testing.T) {
	for _, tt := range []struct {
		name         string
		approvers    []string
		approvals    int
		selfApproval bool
		says         string
	}{
		{"one other", []string{ann}, 1, false, ""},
		{"two of two others", []string{ann, ben}, 2, false, ""},
		{"a group counts as enough", []string{guards}, 20, false, ""},
		{"the requester and a group", []string{rob, guards}, 2, false, ""},
		{"only the requester", []string{rob}, 1, false, "only the requester"},
		{"only the requester, who may", []string{rob}, 1, true, ""},
		{"no approvers", nil, 1, true, "no one may approve"},
		{"the requester does not count", []string{ann, rob}, 2, false, "needs 2 approvers, but only 1"},
		{"the requester counts where they may", []string{ann, rob}, 2, true, ""},
		{"named twice is one person", []string{ann, ann}, 2, false, "only 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := launch(approvals(tt.approvals))
			r.Terms.Approvers, r.Terms.SelfApproval = tt.approvers, tt.selfApproval
			err := r.CheckApprovers()
			switch {
			case tt.says == "" && err != nil:
				t.Error(err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
		})
	}
}

// TestCheckApproversCountsThoseOfTheEscalation: a launch whose approvers are too few until
// it is escalated can still be approved.
func TestCheckApproversCountsThoseOfTheEscalation(t *testing.T) {
	r := launch(approvals(2))
	r.Terms.Approvers, r.Terms.EscalateTo = []string{ann}, []string{ben}
	if err := r.CheckApprovers(); err == nil {
		t.Error("without an escalation: got no error")
	}
	r.Terms.EscalateAt = r.CreatedAt.Add(time.Hour)
	if err := r.CheckApprovers(); err != nil {
		t.Error(err)
	}
}

func TestTermsGroups(t *testing.T) {
	terms := handle.Terms{Approvers: []string{ann, guards, "W0EVE", "S0OTHERS"}}
	if diff := cmp.Diff([]string{guards, "S0OTHERS"}, terms.Groups()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (handle.Terms{Approvers: []string{ann}}).Groups(); len(got) != 0 {
		t.Errorf("without groups: got %q, want none", got)
	}
}
