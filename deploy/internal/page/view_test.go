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

func TestSpan(t *testing.T) {
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
		if got := span(test.d); got != test.want {
			t.Errorf("span(%v): got %q, want %q", test.d, got, test.want)
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

func TestLinked(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       []piece
	}{
		{"no link", "Nothing here.", []piece{{Text: "Nothing here."}}},
		{"nothing", "", nil},
		{"alone", "http://127.0.0.1:1/a", []piece{{"http://127.0.0.1:1/a", "http://127.0.0.1:1/a"}}},
		{"full stop after it", "See https://a.example/x.\n", []piece{{Text: "See "}, {"https://a.example/x", "https://a.example/x"}, {Text: ".\n"}}},
		{"in brackets", "(https://a.example/x)", []piece{{Text: "("}, {"https://a.example/x", "https://a.example/x"}, {Text: ")"}}},
		{"two", "http://a\nhttp://b", []piece{{"http://a", "http://a"}, {Text: "\n"}, {"http://b", "http://b"}}},
		{"no other scheme", "javascript:alert(1) ftp://x", []piece{{Text: "javascript:alert(1) ftp://x"}}},
		{"no quote in it", `http://a"onclick=x`, []piece{{"http://a", "http://a"}, {Text: `"onclick=x`}}},
	} {
		if diff := cmp.Diff(test.want, linked(test.body)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}

func TestAccused(t *testing.T) {
	declared := []*gate.Parameter{{Name: "Name"}, {Name: "MaxReceives"}, {Name: "Max"}}
	for _, test := range []struct {
		refusal string
		want    []string
	}{
		{"Parameter 'MaxReceives' must be a number not greater than 100", []string{"MaxReceives"}},
		{"Parameters: [Name, Max] must have values", []string{"Name", "Max"}},
		{"Names are not Named", nil},
	} {
		if diff := cmp.Diff(test.want, accused(test.refusal, declared)); diff != "" {
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
		{Key: "UserEmail", Label: "User email", Type: "text", Value: "rita@example.com", Required: true},
		{Key: "Size", Label: "Size", Help: "In GB", Type: "number", Value: "3"},
		{Key: "Stage", Label: "Stage", Type: "select", Value: "test", Options: []string{"test", "live"}, Required: true},
		{Key: "Password", Label: "Password", Type: "password", Required: true},
		{Key: "Purpose", Label: "Purpose", Type: "text", Value: "Orders wait here while the warehouse is offline", Required: true, Wide: true},
	}
	if diff := cmp.Diff(want, fieldsOf(declared, person{Email: "rita@example.com"})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestHints(t *testing.T) {
	rita, bob := cast[0], cast[2]
	pending, voted := asked(1), approved(asked(2), ann)
	running := []fakecfn.Stack{{ID: voted.Stack.ID, Status: fakecfn.CreateInProgress}}
	ended := []fakecfn.Stack{{ID: voted.Stack.ID, Status: fakecfn.RollbackComplete}}
	older := voted.Clone()
	older.Stack.ID = "arn:of-another-run"
	for _, test := range []struct {
		name     string
		stacks   []fakecfn.Stack
		requests []handle.Request
		viewer   person
		want     []int
		become   string
	}{
		{"at first", nil, nil, rita, []int{1, 2, 3}, ""},
		{"at first, as somebody else", nil, nil, bob, []int{1, 2, 3}, sandbox.Rita},
		{"at first, with a record of another run", nil, []handle.Request{older}, rita, []int{1, 2, 3}, ""},
		{"launched, with a record of another run", running, []handle.Request{pending, older}, rita, []int{2, 3}, sandbox.Ann},
		{"launched", running, []handle.Request{pending}, rita, []int{2, 3}, sandbox.Ann},
		{"voted", running, []handle.Request{voted}, rita, []int{3}, ""},
		{"ended", ended, []handle.Request{voted}, rita, nil, ""},
		{"cancelled before anybody decided", ended, []handle.Request{pending}, rita, nil, ""},
	} {
		var numbers []int
		become := ""
		for _, h := range hintsFor(test.stacks, test.requests, test.viewer) {
			numbers = append(numbers, h.Number)
			become += h.Become.ID
		}
		if diff := cmp.Diff(test.want, numbers); diff != "" || become != test.become {
			t.Errorf("%s: become %q, want %q; hints (-want +got)\n%s", test.name, become, test.become, diff)
		}
	}
}

func TestShortenGivesNoURLAway(t *testing.T) {
	const raw = "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/arn%3Aaws%3Acloudformation%3Aus-east-1%3A1%3Astack/S/1/ApprovalHandle" +
		"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0123456789abcdef"
	got := shorten(raw)
	if want := "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/…/ApprovalHandle?…X-Amz-Signature=012345…"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := shorten("%"); got != "…" {
		t.Errorf("of no URL: got %s, want …", got)
	}
}

// Who did not launch does not see the wait URL, not even short; and nobody sees
// it whole, whatever quotes it.
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
		html, err := render("stacks", stacksFor([]fakecfn.Stack{s}, names{}, test.viewer, ""))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(html, "0123456789abcdef") {
			t.Errorf("%s sees the wait URL", test.viewer.ID)
		}
		if got := strings.Contains(html, "X-Amz-Signature=012345…"); got != test.shown {
			t.Errorf("%s sees the short URL: got %v, want %v", test.viewer.ID, got, test.shown)
		}
		if !strings.Contains(html, "cannot reach [wait URL]") {
			t.Errorf("%s does not see the reason of the failure", test.viewer.ID)
		}
	}
}

func TestStacksChoose(t *testing.T) {
	all := []fakecfn.Stack{{ID: "1", Name: "one"}, {ID: "2", Name: "two"}}
	for _, test := range []struct{ chosen, want string }{{"", "two"}, {"1", "one"}, {"gone", "two"}} {
		got := stacksFor(all, names{}, person{AWS: true}, test.chosen)
		if got.Chosen.Name != test.want {
			t.Errorf("chosen %q: got %s, want %s", test.chosen, got.Chosen.Name, test.want)
		}
		for _, l := range got.List {
			if l.Current != (l.Name == test.want) {
				t.Errorf("chosen %q: %s is current: %v", test.chosen, l.Name, l.Current)
			}
		}
	}
	if got := stacksFor(all, names{}, person{}, "1"); got.List != nil || got.Chosen != nil {
		t.Errorf("without access to AWS: got %+v, want nothing", got)
	}
}

// Every status that CloudFormation has here is worded, and no state is told by
// its colour alone.
func TestStatesAreWorded(t *testing.T) {
	for status, s := range statuses {
		if s.Kind == "" || s.Sign == "" || s.Word == "" {
			t.Errorf("%s is told by %+v", status, s)
		}
	}
	for _, s := range samples() {
		if got := stateOfRequest(s.Request); got.Kind == "" || got.Sign == "" || got.Word == "" {
			t.Errorf("%s is told by %+v", s.Name, got)
		}
	}
}

// The record tells all that auditors ask, and never the wait URL.
func TestRecordTellsWhatHappened(t *testing.T) {
	const secret = "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/arn/S/1/H?X-Amz-Signature=0123456789abcdef"
	for _, s := range samples() {
		r := s.Request
		r.WaitURL = handle.StoredWaitURL(secret)
		html, err := render("record", recordOf([]handle.Request{r}, sampleNames()))
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if strings.Contains(html, "X-Amz") || strings.Contains(html, "cloudformation-waitcondition") {
			t.Errorf("%s: the record shows the wait URL", s.Name)
		}
		wants := []string{r.ID, "created", "nobody approves their own"}
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
