package fakecfn_test

import (
	"countersign/deploy/internal/fakecfn"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// refusalMessage returns the message of an *Error.
func refusalMessage(t testing.TB, err error) string {
	t.Helper()
	var refused *fakecfn.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error: got %T %v, want *fakecfn.Error", err, err)
	}
	return refused.Message
}

// Of duplicate properties the last counts, as on AWS. Some public templates have them.
func TestLastDuplicatePropertyCounts(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties: {QueueName: one, QueueName: two}")})
	if got := w.stack(id).Events[1].Properties; got != `{"QueueName":"two"}` {
		t.Errorf("properties: got %s", got)
	}
}

// TestSamples runs templates similar to public ones.
func TestSamples(t *testing.T) {
	tests := []struct {
		file       string
		parameters map[string]string
		resources  []string // in addition to those of every case
		outputs    map[string]string
	}{
		{
			file:      "network.yaml",
			resources: []string{"Vpc", "Gateway", "Attachment", "PublicA", "PublicB", "Routes", "Default"},
			outputs:   map[string]string{"VpcId": "vpc-*", "Subnets": "subnet-*,subnet-*"},
		},
		{
			file:       "network.yaml",
			parameters: map[string]string{"Environment": "prod", "NatGateways": "true"},
			resources:  []string{"Vpc", "Gateway", "Attachment", "PublicA", "PublicB", "PublicC", "Address", "Nat", "Routes", "Default"},
			outputs:    map[string]string{"VpcId": "vpc-*", "Subnets": "subnet-*,subnet-*,subnet-*", "NatAddress": "203.0.113.*"},
		},
		{
			file:       "database.json",
			parameters: map[string]string{"Password": "correct1horse", "Subnets": "subnet-1,subnet-2", "Replica": "yes"},
			resources:  []string{"Group", "Database", "ReadReplica", "Login"},
			outputs:    map[string]string{"Url": "jdbc:mysql://*.rds.us-east-1.amazonaws.com:3306", "ReplicaId": "stack-ReadReplica-*"},
		},
		{
			file:      "loops.yaml",
			resources: []string{"Topicalpha", "QueuealphaInbox", "QueuealphaOutbox", "Topicbeta", "QueuebetaInbox", "QueuebetaOutbox"},
			outputs: map[string]string{
				"Namealpha": "stack-alpha", "Namebeta": "stack-beta", "HowMany": "2",
				"AsJson": `{"teams":["alpha","beta"],"many":2,"open":true}`,
			},
		},
		{
			file:       "loops.yaml",
			parameters: map[string]string{"Teams": "gamma,delta"},
			resources:  []string{"QueuegammaInbox", "QueuegammaOutbox", "Topicdelta", "QueuedeltaInbox", "QueuedeltaOutbox"},
			outputs:    nil, // NameGamma refers to a topic that a condition leaves out
		},
		{
			file:      "pipeline.yaml",
			resources: []string{"Store", "Role", "Build"},
			outputs:   map[string]string{"Environment": "arn:aws:iam::111122223333:role/stack-Role-*"},
		},
		{
			file:      "serverless.yaml",
			resources: []string{"Hello", "Table", "Alarm"},
			outputs: map[string]string{
				"Url":      "https://stack-ServerlessRestApi-*.execute-api.us-east-1.amazonaws.com/Prod/",
				"Function": "arn:aws:lambda:us-east-1:111122223333:function:stack-Hello-*", "Role": "arn:aws:iam::111122223333:role/stack-HelloRole-*",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			w := newFixture(t)
			id, err := w.engine.CreateStack(fakecfn.CreateStackInput{Name: "stack", Template: load(t, tt.file), Parameters: tt.parameters})
			if tt.outputs == nil {
				want := "Template format error: Unresolved resource dependencies [Topicgamma] in the Outputs block of the template"
				if got := refusalMessage(t, err); got != want {
					t.Errorf("CreateStack: got %q, want %q", got, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			st := w.stack(id)
			if st.Status != fakecfn.CreateComplete {
				t.Fatalf("status: got %s %q, want CREATE_COMPLETE", st.Status, st.StatusReason)
			}
			var names []string
			for _, r := range st.Resources {
				names = append(names, r.LogicalID)
			}
			if diff := cmp.Diff(tt.resources, names); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
			for _, o := range st.Outputs {
				if want, ok := tt.outputs[o.Key]; !ok || !matches(want, o.Value) {
					t.Errorf("output %s: got %q, want %q", o.Key, o.Value, want)
				}
			}
			if got, want := len(st.Outputs), len(tt.outputs); got != want {
				t.Errorf("outputs: got %d, want %d", got, want)
			}
		})
	}
}

// matches reports whether s matches a pattern, in which * is any text without commas and slashes.
func matches(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, part := range parts[1:] {
		i := strings.Index(s, part)
		if part == "" {
			i = len(s)
		}
		if i < 1 || strings.ContainsAny(s[:i], ",/") {
			return false
		}
		s = s[i+len(part):]
	}
	return s == ""
}

// TestNestedSubstitution checks the value of the nested functions in pipeline.yaml.
func TestNestedSubstitution(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: load(t, "pipeline.yaml")})
	for _, ev := range w.stack(id).Events {
		if ev.LogicalID != "Build" || ev.Status != fakecfn.CreateComplete {
			continue
		}
		want := `"Value":"https://ledger-build.example.com/ledger?from=arn:aws:s3:::ledger-1-111122223333&account=111122223333&raw=${raw}"`
		if !strings.Contains(ev.Properties, want) {
			t.Errorf("properties: got %s, want %s in it", ev.Properties, want)
		}
	}
}
