package page

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

func TestLabel(t *testing.T) {
	for _, test := range []struct{ key, want string }{
		{"Purpose", "Purpose"},
		{"RetentionDays", "Retention days"},
		{"DBName", "DB name"},
		{"VpcCIDR", "Vpc CIDR"},
		{"x", "x"},
		{"", ""},
	} {
		if got := label(test.key); got != test.want {
			t.Errorf("label(%q): got %q, want %q", test.key, got, test.want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Hour, "less than a minute"},
		{59 * time.Second, "less than a minute"},
		{time.Minute, "1 min"},
		{10*time.Hour + 57*time.Minute + 59*time.Second, "10 h 57 min"},
		{24 * time.Hour, "1 d"},
		{49*time.Hour + time.Minute, "2 d 1 h 1 min"},
	} {
		if got := formatDuration(test.d); got != test.want {
			t.Errorf("formatDuration(%v): got %q, want %q", test.d, got, test.want)
		}
	}
}

func TestInitials(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"Ann Approver", "AA"}, {"rita", "R"}, {"Élodie de la Cour", "ÉD"}, {"", ""}, {"  ", ""},
	} {
		if got := initials(test.name); got != test.want {
			t.Errorf("initials(%q): got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestSplitLinks(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       []textPart
	}{
		{"no link", "Nothing here.", []textPart{{Text: "Nothing here."}}},
		{"empty", "", nil},
		{"only a link", "http://127.0.0.1:1/a", []textPart{{"http://127.0.0.1:1/a", "http://127.0.0.1:1/a"}}},
		{"full stop after it", "See https://a.example/x.\n", []textPart{{Text: "See "}, {"https://a.example/x", "https://a.example/x"}, {Text: ".\n"}}},
		{"in brackets", "(https://a.example/x)", []textPart{{Text: "("}, {"https://a.example/x", "https://a.example/x"}, {Text: ")"}}},
		{"two", "http://a\nhttp://b", []textPart{{"http://a", "http://a"}, {Text: "\n"}, {"http://b", "http://b"}}},
		{"no other scheme", "javascript:alert(1) ftp://x", []textPart{{Text: "javascript:alert(1) ftp://x"}}},
		{"no quote in it", `http://a"onclick=x`, []textPart{{"http://a", "http://a"}, {Text: `"onclick=x`}}},
	} {
		if diff := cmp.Diff(test.want, splitLinks(test.body)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}

func TestFieldsNamedIn(t *testing.T) {
	declared := []*gate.Parameter{{Name: "Name"}, {Name: "MaxReceives"}, {Name: "Max"}}
	for _, test := range []struct {
		refusal string
		want    []string
	}{
		{"Parameter 'MaxReceives' must be a number not greater than 100", []string{"MaxReceives"}},
		{"Parameters: [Name, Max] must have values", []string{"Name", "Max"}},
		{"Names are not Named", nil},
	} {
		if diff := cmp.Diff(test.want, fieldsNamedIn(test.refusal, declared)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.refusal, diff)
		}
	}
}

func TestFieldsOf(t *testing.T) {
	declared := []*gate.Parameter{
		{Name: "UserEmail", Type: "String"},
		{Name: "Size", Type: "Number", Default: "3", HasDefault: true, Description: "In GB"},
		{Name: "Stage", Type: "String", AllowedValues: []string{"test", "live"}},
		{Name: "Password", Type: "String", NoEcho: true},
		{Name: "Purpose", Type: "String"},
	}
	want := []field{
		{ID: "f-UserEmail", Key: "UserEmail", Label: "User email", Type: "text", Value: "rita@example.com", Required: true},
		{ID: "f-Size", Key: "Size", Label: "Size", Help: "In GB", Type: "number", Value: "3"},
		{ID: "f-Stage", Key: "Stage", Label: "Stage", Type: "select", Value: "test", Options: []string{"test", "live"}, Required: true},
		{ID: "f-Password", Key: "Password", Label: "Password", Type: "password", Required: true},
		{ID: "f-Purpose", Key: "Purpose", Label: "Purpose", Type: "text", Value: "Orders wait here while the warehouse is offline", Required: true, Wide: true},
	}
	if diff := cmp.Diff(want, fieldsOf(declared, person{Email: "rita@example.com"})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	launched := fakecfn.Stack{Parameters: []gate.ParameterValue{{Key: "Size", Value: "7"}, {Key: "Stage", Value: "live"}, {Key: "Password", Value: "****"}}}
	got := updateFields(declared, launched)
	if size, stage, password := got[1], got[2], got[3]; size.Value != "7" || stage.Value != "live" || password.Value != "" || password.Required {
		t.Errorf("the fields of an update: %+v, %+v, %+v", size, stage, password)
	}
}

func TestNextSteps(t *testing.T) {
	rita, bob := people[0], people[2]
	pending, voted := pending(1), approved(pending(2), ann)
	running := []fakecfn.Stack{{ID: voted.Stack.ID, Status: fakecfn.CreateInProgress}}
	ended := []fakecfn.Stack{{ID: voted.Stack.ID, Status: fakecfn.RollbackComplete}}
	older := voted.Clone()
	older.Stack.ID = "arn:of-an-earlier-run"
	for _, test := range []struct {
		name     string
		stacks   []fakecfn.Stack
		requests []handle.Request
		viewer   person
		want     []int
		switchTo string
	}{
		{"initially", nil, nil, rita, []int{1, 2, 3}, ""},
		{"initially, as another person", nil, nil, bob, []int{1, 2, 3}, sandbox.Rita},
		{"initially, with requests of an earlier run", nil, []handle.Request{older}, rita, []int{1, 2, 3}, ""},
		{"launched, with requests of an earlier run", running, []handle.Request{pending, older}, rita, []int{2, 3}, sandbox.Ann},
		{"launched", running, []handle.Request{pending}, rita, []int{2, 3}, sandbox.Ann},
		{"voted", running, []handle.Request{voted}, rita, []int{3}, ""},
		{"ended", ended, []handle.Request{voted}, rita, nil, ""},
		{"canceled before a decision", ended, []handle.Request{pending}, rita, nil, ""},
	} {
		var numbers []int
		switchTo := ""
		for _, h := range nextSteps(test.stacks, test.requests, test.viewer) {
			numbers = append(numbers, h.Number)
			switchTo += h.SwitchTo.ID
		}
		if diff := cmp.Diff(test.want, numbers); diff != "" || switchTo != test.switchTo {
			t.Errorf("%s: switch to %q, want %q; hints (-want +got)\n%s", test.name, switchTo, test.switchTo, diff)
		}
	}
}

func TestAbbreviatedURLIsNotUsable(t *testing.T) {
	const raw = "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/arn%3Aaws%3Acloudformation%3Aus-east-1%3A1%3Astack/S/1/ApprovalHandle" +
		"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0123456789abcdef"
	got := abbreviateURL(raw)
	if want := "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/…/ApprovalHandle?…X-Amz-Signature=012345…"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := abbreviateURL("%"); got != "…" {
		t.Errorf("of an invalid URL: got %s, want …", got)
	}
}

// Only the requester sees the abbreviated wait URL. No one sees all of it, not even
// in a resource's failure reason.
func TestStackHidesItsWaitURL(t *testing.T) {
	const secret = "http://127.0.0.1:1/arn/S/1/H?X-Amz-Signature=0123456789abcdef"
	s := fakecfn.Stack{
		ID: "arn", Name: "S", Status: fakecfn.CreateInProgress,
		Tags: []fakecfn.Tag{{Key: "aws:servicecatalog:provisioningPrincipalArn", Value: "arn:aws:sts::1:assumed-role/R/rita@example.com"}},
		Resources: []fakecfn.Resource{
			{LogicalID: "H", Type: "AWS::CloudFormation::WaitConditionHandle", PhysicalID: secret, Status: fakecfn.CreateComplete},
			{LogicalID: "W", Type: "AWS::CloudFormation::WaitCondition", Status: fakecfn.CreateInProgress},
		},
		Events: []fakecfn.Event{{LogicalID: "X", PhysicalID: secret, Status: fakecfn.CreateFailed, Reason: "cannot reach " + secret}},
	}
	for _, test := range []struct {
		viewer person
		shown  bool
	}{
		{person{ID: sandbox.Rita, Email: "rita@example.com", AWS: true}, true},
		{person{ID: sandbox.Ann, Email: "ann@example.com", AWS: true}, false},
		{person{ID: sandbox.Dan, AWS: true}, false},
	} {
		html, err := render("stacks", stacksFor([]fakecfn.Stack{s}, names{}, nil, test.viewer, ""))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(html, "0123456789abcdef") {
			t.Errorf("%s sees the wait URL", test.viewer.ID)
		}
		if got := strings.Contains(html, "X-Amz-Signature=012345…"); got != test.shown {
			t.Errorf("%s sees the abbreviated URL: got %v, want %v", test.viewer.ID, got, test.shown)
		}
		if !strings.Contains(html, "cannot reach [wait URL]") {
			t.Errorf("%s does not see the failure reason", test.viewer.ID)
		}
	}
}

func TestSelectedStack(t *testing.T) {
	all := []fakecfn.Stack{{ID: "1", Name: "one"}, {ID: "2", Name: "two"}}
	for _, test := range []struct{ chosen, want string }{{"", "two"}, {"1", "one"}, {"gone", "two"}} {
		got := stacksFor(all, names{}, nil, person{AWS: true}, test.chosen)
		if got.Chosen.Name != test.want {
			t.Errorf("chosen %q: got %s, want %s", test.chosen, got.Chosen.Name, test.want)
		}
		for _, l := range got.List {
			if l.Current != (l.Name == test.want) {
				t.Errorf("chosen %q: %s is current: %v", test.chosen, l.Name, l.Current)
			}
		}
	}
	if got := stacksFor(all, names{}, nil, person{}, "1"); got.List != nil || got.Chosen != nil {
		t.Errorf("without access to AWS: got %+v, want nothing", got)
	}
}

// Every state has a word and a symbol, so that color never carries meaning alone.
func TestStatesHaveWordAndSymbol(t *testing.T) {
	for status, s := range statuses {
		if s.Kind == "" || s.Symbol == "" || s.Word == "" {
			t.Errorf("%s is shown as %+v", status, s)
		}
	}
	for _, s := range samples() {
		if got := stateOfRequest(s.Request); got.Kind == "" || got.Symbol == "" || got.Word == "" {
			t.Errorf("%s is shown as %+v", s.Name, got)
		}
	}
}

// The record shows states, decisions and voters, and never the wait URL.
func TestRecordPane(t *testing.T) {
	const secret = "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/arn/S/1/H?X-Amz-Signature=0123456789abcdef"
	for _, s := range samples() {
		r := s.Request
		r.WaitURL = handle.StoredWaitURL(secret)
		html, err := render("record", newRecordPane([]handle.Request{r}, sampleNames()))
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if strings.Contains(html, "X-Amz") || strings.Contains(html, "cloudformation-waitcondition") {
			t.Errorf("%s: the record shows the wait URL", s.Name)
		}
		wants := []string{r.ID, "created", "no self-approval"}
		if d := r.Decision; d != nil {
			wants = append(wants, string(d.State))
		}
		for _, v := range r.Votes {
			wants = append(wants, v.By.Name)
		}
		for _, want := range wants {
			if !strings.Contains(html, want) {
				t.Errorf("%s: the record does not say %q", s.Name, want)
			}
		}
	}
}
