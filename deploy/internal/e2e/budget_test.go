package e2e_test

import (
	"maps"
	"slices"
	"testing"
)

// What an approval may cost: from the launch until the decision is signalled and
// shown, without the look-ups of people, which both functions keep for a while.
const (
	maxWrites     = 5 // of DynamoDB
	maxReads      = 5
	maxSlackCalls = 6
)

// lookUps are the calls to Slack that ask who somebody is.
var lookupMethods = []string{"users.info", "users.lookupByEmail", "usergroups.users.list"}

// bill is what was called since it was opened. It counts all that the deployment
// does, so nothing else may happen meanwhile.
type usage struct {
	deployment      *deployment
	dynamoDB, slack map[string]int
}

func (d *deployment) startUsage() usage { return usage{d, d.calls.read(), d.slack.Counts()} }

// within says what was called so far, and holds it against what an approval may
// cost.
func (b usage) checkBudget(t *testing.T) {
	t.Helper()
	writes, reads, calls := b.read(t, "until the decision was shown")
	if writes > maxWrites || reads > maxReads || calls > maxSlackCalls {
		t.Errorf("it may take %d writes, %d reads and %d calls", maxWrites, maxReads, maxSlackCalls)
	}
}

// read says what was called so far.
func (b usage) read(t *testing.T, when string) (writes, reads, calls int) {
	t.Helper()
	dynamoDB, slack := increase(b.dynamoDB, b.deployment.calls.read()), increase(b.slack, b.deployment.slack.Counts())
	for operation, n := range dynamoDB {
		if operation == "PutItem" {
			writes += n
		} else {
			reads += n
		}
	}
	asked := 0
	for method, n := range slack {
		if slices.Contains(lookupMethods, method) {
			asked += n
		} else {
			calls += n
		}
	}
	t.Logf("%s: %d writes and %d reads of DynamoDB %v, %d calls of Slack and %d look-ups %v", when, writes, reads, dynamoDB, calls, asked, slack)
	return writes, reads, calls
}

// since is how much more there is of everything.
func increase(before, after map[string]int) map[string]int {
	more := map[string]int{}
	for key, n := range after {
		more[key] = n - before[key]
	}
	maps.DeleteFunc(more, func(_ string, n int) bool { return n == 0 })
	return more
}
