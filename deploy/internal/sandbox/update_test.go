package sandbox_test

import (
	"context"
	"testing"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// tagsOf returns a stack's tags by key.
func tagsOf(t *testing.T, w *sandbox.Sandbox, stackID string) map[string]string {
	t.Helper()
	tags := map[string]string{}
	for _, tag := range stackOf(t, w, stackID).Tags {
		tags[tag.Key] = tag.Value
	}
	return tags
}

func stackOf(t *testing.T, w *sandbox.Sandbox, stackID string) fakecfn.Stack {
	t.Helper()
	st, ok := w.CloudFormation.Stack(stackID)
	if !ok {
		t.Fatalf("no stack %s", stackID)
	}
	return st
}

func TestUpdateProduct(t *testing.T) {
	w, err := sandbox.New(sandbox.Config{Store: &handle.Memory{}, Clock: sandbox.ManualClock(start), InProcess: true, Delay: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	template, err := gate.Parse([]byte(`
Parameters: {A: {Type: String, Default: a}, B: {Type: String, Default: b}}
Resources: {Q: {Type: AWS::SQS::Queue, Properties: {AB: !Sub '${A}${B}'}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	advance := func() {
		t.Helper()
		if err := w.Advance(context.Background(), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	launch := sandbox.Launch{Template: template, Name: "q", Parameters: map[string]string{"A": "1"}}
	stack, err := w.Launch(launch)
	if err != nil {
		t.Fatal(err)
	}
	advance()
	const principal, version = "aws:servicecatalog:provisioningPrincipalArn", "aws:servicecatalog:provisioningArtifactIdentifier"
	launched := tagsOf(t, w, stack)

	if err := w.UpdateProduct(stack, sandbox.Update{Version: "pa-2", Parameters: map[string]string{"B": "2"}}); err != nil {
		t.Fatal(err)
	}
	advance()
	st, tags := stackOf(t, w, stack), tagsOf(t, w, stack)
	if st.Status != fakecfn.UpdateComplete || st.Parameters[0].Value != "1" || st.Parameters[1].Value != "2" {
		t.Errorf("updated: %s with %v", st.Status, st.Parameters)
	}
	if tags[version] != "pa-2" || tags[principal] != launched[principal] {
		t.Errorf("tags: got %v", tags)
	}

	if err := w.UpdateProduct(stack, sandbox.Update{Parameters: map[string]string{"B": "3"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.CancelUpdate(stack); err != nil {
		t.Fatal(err)
	}
	advance()
	if st := stackOf(t, w, stack); st.Status != fakecfn.UpdateRollbackComplete || st.Parameters[1].Value != "2" {
		t.Errorf("cancelled: %s with %v", st.Status, st.Parameters)
	}

	// A relaunch has the same requester, product and version.
	again, err := w.Launch(launch)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range tagsOf(t, w, again) {
		if key != "aws:servicecatalog:provisionedProductArn" && value != launched[key] {
			t.Errorf("relaunch: %s is %s, want %s", key, value, launched[key])
		}
	}
}
