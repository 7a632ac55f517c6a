package fakecfn_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/fakecfn"
)

const initiated = "Resource creation Initiated"

// diamondTemplate creates A, then B and C concurrently, then D. E is independent.
const diamondTemplate = `
Resources:
  D: {Type: AWS::SQS::Queue, DependsOn: [B, C]}
  B: {Type: AWS::SQS::Queue, Properties: {KmsMasterKeyId: !Ref A}}
  C: {Type: AWS::SQS::Queue, Properties: {KmsMasterKeyId: !Sub '${A.Arn}'}}
  A: {Type: AWS::KMS::Key}
  E: {Type: AWS::SNS::Topic}
`

func TestParallelOrder(t *testing.T) {
	w := newFixture(t, func(c *fakecfn.Config) { c.Delay = time.Minute })
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate)})
	for i := range 3 {
		if next, ok := w.engine.Next(); !ok || !next.Equal(w.now.Add(time.Minute)) {
			t.Errorf("Next after %d minutes: got %v %t", i, next, ok)
		}
		w.advance(time.Minute)
	}
	if _, ok := w.engine.Next(); ok {
		t.Error("Next: got an instant after all was done")
	}
	want := []line{
		{"stack", "CREATE_IN_PROGRESS", "User Initiated"},
		{"A", "CREATE_IN_PROGRESS", ""}, {"E", "CREATE_IN_PROGRESS", ""},
		{"A", "CREATE_IN_PROGRESS", initiated}, {"E", "CREATE_IN_PROGRESS", initiated},
		{"A", "CREATE_COMPLETE", ""},
		{"B", "CREATE_IN_PROGRESS", ""}, {"C", "CREATE_IN_PROGRESS", ""},
		{"B", "CREATE_IN_PROGRESS", initiated}, {"C", "CREATE_IN_PROGRESS", initiated},
		{"E", "CREATE_COMPLETE", ""},
		{"B", "CREATE_COMPLETE", ""},
		{"C", "CREATE_COMPLETE", ""},
		{"D", "CREATE_IN_PROGRESS", ""}, {"D", "CREATE_IN_PROGRESS", initiated},
		{"D", "CREATE_COMPLETE", ""},
		{"stack", "CREATE_COMPLETE", ""},
	}
	if diff := cmp.Diff(want, w.log(id)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if got, want := w.stack(id).Resource("D").Timestamp, w.now; !got.Equal(want) {
		t.Errorf("D complete at: got %v, want %v", got, want)
	}
}

// TestRollback checks the complete log of a failed creation: what is cancelled, and the order of deletion.
func TestRollback(t *testing.T) {
	w := newFixture(t, func(c *fakecfn.Config) { c.Delay = time.Minute })
	id := w.create(fakecfn.CreateStackInput{
		Template: mustParse(t, diamondTemplate),
		Fail:     map[string]string{"B": "The security token included in the request is expired"},
	})
	for range 3 {
		w.advance(time.Minute)
	}
	want := []line{
		{"stack", "CREATE_IN_PROGRESS", "User Initiated"},
		{"A", "CREATE_IN_PROGRESS", ""}, {"E", "CREATE_IN_PROGRESS", ""},
		{"A", "CREATE_IN_PROGRESS", initiated}, {"E", "CREATE_IN_PROGRESS", initiated},
		{"A", "CREATE_COMPLETE", ""},
		{"B", "CREATE_IN_PROGRESS", ""}, {"C", "CREATE_IN_PROGRESS", ""},
		{"C", "CREATE_IN_PROGRESS", initiated},
		{"E", "CREATE_COMPLETE", ""},
		{"B", "CREATE_FAILED", "The security token included in the request is expired"},
		{"C", "CREATE_FAILED", "Resource creation cancelled"},
		{"stack", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [B, C]. Rollback requested by user."},
		{"E", "DELETE_IN_PROGRESS", ""}, {"C", "DELETE_IN_PROGRESS", ""},
		{"B", "DELETE_COMPLETE", ""}, // it has no physical ID
		{"E", "DELETE_COMPLETE", ""}, {"C", "DELETE_COMPLETE", ""},
		{"A", "DELETE_IN_PROGRESS", ""}, {"A", "DELETE_COMPLETE", ""},
		{"stack", "ROLLBACK_COMPLETE", ""},
	}
	got := w.log(id)
	if diff := cmp.Diff(sortDeletes(want), sortDeletes(got)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	before(t, got, line{"C", "DELETE_COMPLETE", ""}, line{"A", "DELETE_IN_PROGRESS", ""})
	before(t, got, line{"B", "DELETE_COMPLETE", ""}, line{"A", "DELETE_IN_PROGRESS", ""})
	st := w.stack(id)
	if st.Status != fakecfn.RollbackComplete || !st.Deleted.Equal(w.now.Add(-time.Minute)) {
		t.Errorf("stack: got %s, deleted %v", st.Status, st.Deleted)
	}
	if len(st.Outputs) != 0 {
		t.Errorf("outputs: got %v", st.Outputs)
	}
}

// sortDeletes sorts the events after ROLLBACK_IN_PROGRESS, where the order of concurrent deletions does not matter.
func sortDeletes(log []line) []line {
	out := append([]line(nil), log...)
	for i := range out {
		for j := i + 1; j < len(out); j++ {
			if strings.HasPrefix(string(out[i].Status), "DELETE") && strings.HasPrefix(string(out[j].Status), "DELETE") &&
				out[j].LogicalID+string(out[j].Status) < out[i].LogicalID+string(out[i].Status) {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out
}

// before checks the order of two events.
func before(t *testing.T, log []line, first, second line) {
	t.Helper()
	at := map[line]int{}
	for i, l := range log {
		at[l] = i + 1
	}
	if at[first] == 0 || at[second] == 0 || at[first] > at[second] {
		t.Errorf("%v does not come before %v in %v", first, second, log)
	}
}

func TestDisableRollback(t *testing.T) {
	w := newFixture(t)
	id := w.create(fakecfn.CreateStackInput{
		Template: mustParse(t, diamondTemplate), DisableRollback: true, Fail: map[string]string{"C": "no"},
	})
	st := w.stack(id)
	if want := "The following resource(s) failed to create: [B, C]. "; st.Status != fakecfn.CreateFailed || st.StatusReason != want {
		t.Errorf("stack: got %s %q, want CREATE_FAILED %q", st.Status, st.StatusReason, want)
	}
	if got := st.Resource("A").Status; got != fakecfn.CreateComplete {
		t.Errorf("A: got %s, want it left alone", got)
	}
	if got := st.Resource("D").Status; got != "" {
		t.Errorf("D: got %s, want it never begun", got)
	}
}

func TestCreateStackErrors(t *testing.T) {
	tpl := mustParse(t, diamondTemplate)
	const pattern = "' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
	tests := []struct {
		name string
		in   fakecfn.CreateStackInput
		want fakecfn.Error
	}{
		{"taken", fakecfn.CreateStackInput{Name: "taken", Template: tpl}, fakecfn.Error{Code: "AlreadyExistsException", Message: "Stack [taken] already exists"}},
		{"no name", fakecfn.CreateStackInput{Template: tpl}, fakecfn.Error{Code: "ValidationError", Message: "1 validation error detected: Value '" + pattern}},
		{"bad name", fakecfn.CreateStackInput{Name: "1st", Template: tpl}, fakecfn.Error{Code: "ValidationError", Message: "1 validation error detected: Value '1st" + pattern}},
		{"no template", fakecfn.CreateStackInput{Name: "x"}, fakecfn.Error{Code: "ValidationError", Message: "Either Template URL or Template Body must be specified."}},
		{"fails nothing", fakecfn.CreateStackInput{Name: "x", Template: tpl, Fail: map[string]string{"Z": "no"}}, fakecfn.Error{Code: "ValidationError", Message: "Fail names Z, which is not a plain resource of the stack"}},
	}
	w := newFixture(t)
	w.create(fakecfn.CreateStackInput{Name: "taken", Template: tpl})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.engine.CreateStack(tt.in)
			var got *fakecfn.Error
			if !errors.As(err, &got) {
				t.Fatalf("error: got %v", err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
	if got := len(w.engine.Stacks()); got != 1 {
		t.Errorf("stacks: got %d, want the first one only", got)
	}
}

// The branch of Fn::If that is not taken adds no dependency and cannot fail a resource; the other branch does.
func TestOtherBranchAddsNoDependency(t *testing.T) {
	const src = `
Parameters: {Env: {Type: String}}
Conditions: {Prod: !Equals [!Ref Env, prod]}
Resources:
  Key: {Type: AWS::KMS::Key, Condition: Prod}
  Queue: {Type: AWS::SQS::Queue, DependsOn: Key, Properties: {KmsMasterKeyId: !If [Prod, !Ref Key, none]}}
`
	for env, want := range map[string][]string{"prod": {"Key", "Queue"}, "test": {"Queue"}} {
		t.Run(env, func(t *testing.T) {
			w := newFixture(t)
			id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, src), Parameters: map[string]string{"Env": env}})
			var got []string
			for _, l := range w.log(id) {
				if l.Status == fakecfn.CreateComplete && l.LogicalID != "stack" {
					got = append(got, l.LogicalID)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("completed (-want +got):\n%s", diff)
			}
		})
	}
	w := newFixture(t)
	_, err := w.engine.CreateStack(fakecfn.CreateStackInput{
		Name: "stack", Template: mustParse(t, src), Parameters: map[string]string{"Env": "test"}, Fail: map[string]string{"Key": "no"},
	})
	if got, want := refusalMessage(t, err), "Fail names Key, which is not a plain resource of the stack"; got != want {
		t.Errorf("failing what is left out: got %q, want %q", got, want)
	}
	_, err = w.engine.CreateStack(fakecfn.CreateStackInput{
		Name:       "stack",
		Template:   mustParse(t, strings.Replace(src, "!If [Prod, !Ref Key, none]", "!Ref Key", 1)),
		Parameters: map[string]string{"Env": "test"},
	})
	want := "Template format error: Unresolved resource dependencies [Key] in the Resources block of the template"
	if got := refusalMessage(t, err); got != want {
		t.Errorf("reference to what is left out: got %q, want %q", got, want)
	}
}

func TestPhysicalIDsAndAttributes(t *testing.T) {
	w := newFixture(t, func(c *fakecfn.Config) { c.Region = "cn-north-1" })
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, `
Resources:
  Vpc: {Type: AWS::EC2::VPC}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}
  Table: {Type: AWS::DynamoDB::Table}
  Nested: {Type: AWS::CloudFormation::Stack}
  Unheard: {Type: Acme::Rocket::Engine}
Outputs:
  Vpc: {Value: !Ref Vpc}
  Group: {Value: !GetAtt Vpc.DefaultSecurityGroup}
  Topic: {Value: !Ref Topic}
  TopicName: {Value: !GetAtt Topic.TopicName}
  Table: {Value: !GetAtt Table.Arn}
  Stream: {Value: !GetAtt Table.StreamArn}
  Nested: {Value: !GetAtt Nested.Outputs.Door}
  Unheard: {Value: !GetAtt Unheard.Thrust}
`)})
	want := map[string]string{
		"Vpc": "vpc-0*", "Group": "sg-0*", "Topic": "arn:aws-cn:sns:cn-north-1:111122223333:news", "TopicName": "news",
		"Table":  "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/stack-Table-*",
		"Stream": "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/stack-Table-*/stream",
		"Nested": "stack-nested-*-door", "Unheard": "stack-unheard-*-thrust",
	}
	for _, o := range w.stack(id).Outputs {
		if !matches(want[o.Key], o.Value) {
			t.Errorf("%s: got %q, want %q", o.Key, o.Value, want[o.Key])
		}
	}
}
