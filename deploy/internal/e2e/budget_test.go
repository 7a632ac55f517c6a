package e2e_test

import (
	"maps"
	"slices"
	"testing"
)

// The budget of an approval, from the launch until the decision is signalled and
// shown. Look-ups of people are not counted, because both functions cache them.
const (
	maxWrites     = 5 // DynamoDB
	maxReads      = 5
	maxSlackCalls = 6
	maxDescribes  = 3 // CloudFormation
)

// lookupMethods are the Slack API methods that look people up.
var lookupMethods = []string{"users.info", "users.lookupByEmail", "usergroups.list", "usergroups.users.list"}

// usage counts the calls since startUsage. It counts all calls of the deployment, so
// nothing else may run at the same time.
type usage struct {
	deployment      *deployment
	dynamoDB, slack map[string]int
	cloudFormation  map[string]int
}

func (d *deployment) startUsage() usage {
	return usage{d, d.calls.read(), d.slack.Counts(), d.cloudFormation.read()}
}

// checkBudget compares the calls so far with the budget of an approval.
func (b usage) checkBudget(t *testing.T) {
	t.Helper()
	writes, reads, calls := b.read(t, "until the decision was shown")
	if writes > maxWrites || reads > maxReads || calls > maxSlackCalls {
		t.Errorf("over budget: at most %d writes, %d reads and %d calls", maxWrites, maxReads, maxSlackCalls)
	}
	describes := 0
	of := increase(b.cloudFormation, b.deployment.cloudFormation.read())
	for _, n := range of {
		describes += n
	}
	if describes == 0 || describes > maxDescribes {
		t.Errorf("%d reads of CloudFormation %v, want from 1 to %d", describes, of, maxDescribes)
	}
}

// read logs and returns the number of calls so far.
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
	lookups := 0
	for method, n := range slack {
		if slices.Contains(lookupMethods, method) {
			lookups += n
		} else {
			calls += n
		}
	}
	t.Logf("%s: %d writes and %d reads of DynamoDB %v, %d calls of Slack and %d look-ups %v", when, writes, reads, dynamoDB, calls, lookups, slack)
	return writes, reads, calls
}

// increase returns the increase of every count.
func increase(before, after map[string]int) map[string]int {
	more := map[string]int{}
	for key, n := range after {
		more[key] = n - before[key]
	}
	maps.DeleteFunc(more, func(_ string, n int) bool { return n == 0 })
	return more
}
