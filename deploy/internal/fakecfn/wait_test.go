package fakecfn_test

import (
	"fmt"
	"testing"
	"time"

	"countersign/deploy/internal/fakecfn"
)

// waitTemplate has a handle, and a wait condition that starts after a custom resource.
func waitTemplate(properties string) string {
	return `
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  First: {Type: AWS::SQS::Queue}
  Wait:
    Type: AWS::CloudFormation::WaitCondition
    DependsOn: First
    Properties: {Handle: !Ref Handle, ` + properties + `}
Outputs:
  Data: {Value: !GetAtt Wait.Data}
`
}

func TestSignals(t *testing.T) {
	const timeout = "Timeout: '600'"
	ok1, ok2 := signal("SUCCESS", "one", "first", "fine"), signal("SUCCESS", "two", `say "hi"`, "fine")
	no2 := signal("FAILURE", "two", "", "Rejected by @ada: too big")
	tests := []struct {
		name, properties string
		early            []string // signals sent before the wait starts
		signals          []string
		status           fakecfn.Status
		reason           string // in the wait's last event
		data             string
	}{
		{"success", timeout, nil, []string{ok1}, "CREATE_COMPLETE", "", `{"one":"first"}`},
		{"no data", timeout, nil, []string{`{"Status":"SUCCESS","UniqueId":"u"}`}, "CREATE_COMPLETE", "", `{"u":""}`},
		{"failure", timeout, nil, []string{no2}, "CREATE_FAILED", "WaitCondition received failed message: 'Rejected by @ada: too big' for uniqueId: two", ""},
		{"none", timeout, nil, nil, "CREATE_IN_PROGRESS", initiated, ""},
		{"second after the end", timeout, nil, []string{ok1, no2}, "CREATE_COMPLETE", "", `{"one":"first"}`},
		{"early", timeout, []string{ok1}, nil, "CREATE_COMPLETE", "", `{"one":"first"}`},
		{"early failure", timeout, []string{no2}, nil, "CREATE_FAILED", "WaitCondition received failed message: 'Rejected by @ada: too big' for uniqueId: two", ""},
		{"early and late", timeout + ", Count: 2", []string{ok1}, []string{ok2}, "CREATE_COMPLETE", "", `{"one":"first","two":"say \"hi\""}`},
		{"one of two", timeout + ", Count: 2", nil, []string{ok1}, "CREATE_IN_PROGRESS", initiated, ""},
		{"the same twice", timeout + ", Count: 2", nil, []string{ok1, ok1}, "CREATE_IN_PROGRESS", initiated, ""},
		{"failure with a used UniqueId", timeout + ", Count: 2", nil, []string{ok1, signal("FAILURE", "one", "", "no")}, "CREATE_IN_PROGRESS", initiated, ""},
		{"failure fails at once", timeout + ", Count: 5", nil, []string{ok1, no2}, "CREATE_FAILED", "WaitCondition received failed message: 'Rejected by @ada: too big' for uniqueId: two", ""},
		{"no JSON", timeout, nil, []string{"SUCCESS"}, "CREATE_FAILED", "Unparsable WaitCondition data", ""},
		{"empty", timeout, nil, []string{""}, "CREATE_FAILED", "Unparsable WaitCondition data", ""},
		{"unknown status", timeout, nil, []string{signal("APPROVED", "u", "", "")}, "CREATE_FAILED", "Unparsable WaitCondition data", ""},
		{"names in lower case", timeout, nil, []string{`{"status":"SUCCESS","uniqueId":"u"}`}, "CREATE_FAILED", "Unparsable WaitCondition data", ""},
		{"data no text", timeout, nil, []string{`{"Status":"SUCCESS","UniqueId":"u","Data":{"a":1}}`}, "CREATE_FAILED", "Unparsable WaitCondition data", ""},
		{"timeout too long", "Timeout: '43201'", nil, nil, "CREATE_FAILED", "Timeout must be a number of seconds between 0 and 43200", ""},
		{"no timeout", "Count: 1", nil, nil, "CREATE_FAILED", "Timeout must be a number of seconds between 0 and 43200", ""},
		{"no signal needed", timeout + ", Count: 0", nil, nil, "CREATE_COMPLETE", "", `{}`},
		{"negative count", timeout + ", Count: -1", nil, nil, "CREATE_FAILED", "Count must be a number of at least 0", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(t, func(c *fakecfn.Config) { c.Delay = time.Minute })
			id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, waitTemplate(tt.properties)), DisableRollback: true})
			url := w.handleURL(id, "Handle")
			for _, s := range tt.early {
				w.mustPut(url, s)
			}
			w.advance(time.Minute)
			for _, s := range tt.signals {
				w.mustPut(url, s)
			}
			st := w.stack(id)
			if got := st.Resource("Wait"); got.Status != tt.status || got.StatusReason != tt.reason {
				t.Errorf("wait: got %s %q, want %s %q", got.Status, got.StatusReason, tt.status, tt.reason)
			}
			if got := st.Output("Data"); got != tt.data {
				t.Errorf("data: got %s, want %s", got, tt.data)
			}
			if got, want := len(st.Signals), len(tt.early)+len(tt.signals); got != want {
				t.Errorf("signals kept: got %d, want %d", got, want)
			}
		})
	}
}

// The timeout starts when the wait condition does.
func TestWaitTimeout(t *testing.T) {
	for _, received := range []int{0, 1} {
		t.Run(fmt.Sprint(received), func(t *testing.T) {
			w := newFixture(t, func(c *fakecfn.Config) { c.Delay = time.Hour })
			id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, waitTemplate("Timeout: 43200, Count: 2"))})
			w.advance(time.Hour)
			started := w.now
			for range received {
				w.mustPut(w.handleURL(id, "Handle"), signal("SUCCESS", "u", "", ""))
			}
			if next, ok := w.engine.Next(); !ok || !next.Equal(started.Add(12*time.Hour)) {
				t.Errorf("Next: got %v %t, want 12 hours from %v", next, ok, started)
			}
			w.advance(12*time.Hour - time.Second)
			if got := w.stack(id).Resource("Wait").Status; got != fakecfn.CreateInProgress {
				t.Errorf("a second before: got %s", got)
			}
			w.advance(time.Second)
			want := line{"Wait", "CREATE_FAILED", fmt.Sprintf("WaitCondition timed out. Received %d conditions when expecting 2", received)}
			before(t, w.log(id), want, line{"stack", "ROLLBACK_COMPLETE", ""})
		})
	}
}

// Every wait condition with a handle receives its signals, even in another stack.
func TestWaitsShareHandle(t *testing.T) {
	w := newFixture(t)
	owner := w.create(fakecfn.CreateStackInput{Name: "owner", Template: mustParse(t, `
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  One: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle, Timeout: 60}}
  Two: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle, Timeout: 60, Count: 2}}
`)})
	guest := w.create(fakecfn.CreateStackInput{
		Name:       "guest",
		Template:   mustParse(t, "Parameters: {Url: {Type: String}}\nResources: {W: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Url, Timeout: 60}}}"),
		Parameters: map[string]string{"Url": w.handleURL(owner, "Handle")},
	})
	w.mustPut(w.handleURL(owner, "Handle"), signal("SUCCESS", "a", "", ""))
	if got := w.stack(guest).Status; got != fakecfn.CreateComplete {
		t.Errorf("guest: got %s", got)
	}
	if got := w.stack(owner); got.Resource("One").Status != fakecfn.CreateComplete || got.Resource("Two").Status != fakecfn.CreateInProgress {
		t.Errorf("owner: got %v", got.Resources)
	}
	w.mustPut(w.handleURL(owner, "Handle"), signal("SUCCESS", "b", "", ""))
	if got := w.stack(owner).Status; got != fakecfn.CreateComplete {
		t.Errorf("owner: got %s", got)
	}
}

func TestInvalidHandle(t *testing.T) {
	w := newFixture(t)
	got := w.refusal("Resources: {W: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: 'https://s3.example.com/x', Timeout: 60}}}")
	if want := "Invalid wait condition handle"; got != want {
		t.Errorf("refusal: got %q, want %q", got, want)
	}
}

// TestWaitPhysicalID checks physical IDs, as observed on AWS.
func TestWaitPhysicalID(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, waitTemplate("Timeout: 60"))})
	got := w.stack(id).Resource("Wait").PhysicalID
	if want := id + "/00000005-0000-4000-8000-000000000000/Handle"; got != want {
		t.Errorf("physical ID: got %q, want %q", got, want)
	}
}

// A wait condition with a CreationPolicy instead of a handle is taken as fulfilled.
func TestCreationPolicyWait(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, "Resources: {W: {Type: AWS::CloudFormation::WaitCondition, CreationPolicy: {ResourceSignal: {Timeout: PT1H}}}}\nOutputs: {D: {Value: !GetAtt W.Data}}")})
	if got := w.stack(id); got.Status != fakecfn.CreateComplete || got.Output("D") != "{}" {
		t.Errorf("stack: got %s, data %q", got.Status, got.Output("D"))
	}
}

// TestCountOfTwoSignals runs lamp.yaml, whose wait condition counts two signals of cfn-signal.
func TestCountOfTwoSignals(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{
		Template: load(t, "lamp.yaml"), Parameters: map[string]string{"KeyName": "key", "DBPassword": "correct1horse"},
	})
	url := w.handleURL(id, "Ready")
	w.mustPut(url, signal("SUCCESS", "httpd", "up", "configured"))
	w.mustPut(url, signal("SUCCESS", "mysqld", "up", "configured"))
	if got, want := w.stack(id).Output("Reports"), `{"httpd":"up","mysqld":"up"}`; got != want {
		t.Errorf("reports: got %s, want %s", got, want)
	}
}
