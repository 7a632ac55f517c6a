package handle_test

import (
	"strings"
	"testing"

	"countersign/handle"
)

func TestNewIDIsUniquePerEvent(t *testing.T) {
	stack := stackARN("aws", "us-west-2")
	id := handle.NewID(stack, "ApprovalRequest", "3c2e8a1f")
	if again := handle.NewID(stack, "ApprovalRequest", "3c2e8a1f"); again != id {
		t.Errorf("a redelivered event: got %s, want %s", again, id)
	}
	key, gate, ok := handle.SplitID(id)
	if !ok || key != handle.StackKey(stack) || len(key) != 16 || key+"-"+gate != id {
		t.Errorf("SplitID(%q): got %q, %q, %t", id, key, gate, ok)
	}
	for what, other := range map[string]string{
		"another event":      handle.NewID(stack, "ApprovalRequest", "3c2e8a20"),
		"another gate":       handle.NewID(stack, "SecondRequest", "3c2e8a1f"),
		"a shifted boundary": handle.NewID(stack, "ApprovalRequest3", "c2e8a1f"),
	} {
		if other == id {
			t.Errorf("%s has the same ID", what)
		}
		if otherKey, _, _ := handle.SplitID(other); otherKey != key {
			t.Errorf("%s of the stack: got stack key %s, want %s", what, otherKey, key)
		}
	}
	if elsewhere := handle.NewID(stack+"x", "ApprovalRequest", "3c2e8a1f"); strings.HasPrefix(elsewhere, key) {
		t.Error("another stack has the same stack key")
	}
}

func TestIDsOfEarlierReleases(t *testing.T) {
	// A release with other IDs would ask twice for a redelivered event.
	const want = "vm2yyvcf8znfqyt9-c75nrw9a"
	if got := handle.NewID("arn:aws:cloudformation:us-east-1:111122223333:stack/SC-x/1", "ApprovalRequest", "r1"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSplitIDRefusesOtherText(t *testing.T) {
	good := handle.NewID("s", "g", "r")
	for _, id := range []string{
		"", "-", good[1:], good[:24], good + "a", good + "\n", " " + good, strings.ToUpper(good), strings.Replace(good, "-", "", 1),
		strings.Replace(good, "-", "_", 1), strings.Repeat("a", 16) + "-" + strings.Repeat("l", 8), strings.Repeat("0", 16) + "-" + strings.Repeat("a", 8),
		strings.Repeat("1", 16) + "-" + strings.Repeat("a", 8), strings.Repeat("o", 16) + "-" + strings.Repeat("a", 8), strings.Repeat("ä", 8) + "-" + strings.Repeat("a", 8),
		"../../../../../x-aaaaaaaa", good + "-verdict",
	} {
		if key, gate, ok := handle.SplitID(id); ok || key != "" || gate != "" {
			t.Errorf("SplitID(%q): got %q, %q, %t, want that it is not an ID", id, key, gate, ok)
		}
	}
}
