package sim_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var mutants = flag.Int("mutants", 0, "play so many schedules against each mutant of the code; 0: none, for it takes minutes")

// mutant is one text edit that breaks a law.
type mutant struct {
	breaks   string // what
	file     string // from the root of the module
	old, new string // old occurs exactly once
}

var lawless = []mutant{
	{"the store replaces whatever is stored", "handle/memory.go",
		"if old.Rev != r.Rev {", "if old.Rev > r.Rev+1000 {"},
	{"the signal is marked before it is sent", "notifier/steps.go",
		"	outcome, err := handle.Send(ctx, p.n.Client, p.r.WaitURL, body)",
		"	p.mark(func(r handle.Request) handle.Request { return r.Signalled(\"\", p.n.Now()) })\n	if err := p.write(ctx, p.kept); err != nil {\n		return\n	}\n	outcome, err := handle.Send(ctx, p.n.Client, p.r.WaitURL, body)"},
	{"there is no lease", "handle/lease.go",
		`if r.Lease.Holder != "" && r.Lease.Holder != holder && now.Before(r.Lease.Until) {`, "if false {"},
	{"the verdict trusts the signal", "handle/vote.go",
		"r.Stack.ID == stackID && r.State() == Approved", "r.Stack.ID == stackID && r.Decision != nil"},
	{"what is decided expires", "handle/vote.go",
		"if r.Decision != nil || now.Before(r.Terms.Deadline) {", "if now.Before(r.Terms.Deadline) {"},
	{"no approvers means all", "handle/vote.go",
		"named := slices.Contains(r.Terms.Approvers, v.ID)", "named := len(r.Terms.Approvers) == 0 || slices.Contains(r.Terms.Approvers, v.ID)"},
	{"people approve their own", "handle/vote.go",
		"case !r.Terms.SelfApproval && slices.Contains(r.Requester.SlackIDs, v.ID):", "case false:"},
	{"votes count past the deadline", "handle/vote.go",
		"case !v.At.Before(r.Terms.Deadline):", "case false:"},
	{"guests vote", "handle/vote.go",
		"v.Guest || v.Bot", "v.Bot"},
	{"one person counts twice", "handle/vote.go",
		"return max(0, r.Terms.Approvals-len(r.ApprovedBy()))", "return max(0, r.Terms.Approvals-2*len(r.ApprovedBy()))"},
	{"failures are signalled as success", "handle/signal.go",
		"SignalBody{Status: SignalFailure,", "SignalBody{Status: SignalSuccess,"},
	{"saying it again counts again", "handle/vote.go",
		"if r.said(v) {", "if false {"},
	{"the deadline is not ours", "handle/due.go",
		"owe(Step{Kind: StepExpire, At: r.Terms.Deadline})", "_ = owe"},
	{"what could not be written counts as said", "bot/decide.go",
		"case must: //", "case must && errors.Is(err, handle.ErrConflict): //"},
	{"who cannot be told that nothing was recorded hears nothing", "bot/button.go",
		"	return failed\n}", "	return fine\n}"},
	{"patience outlasts the lease", "notifier/steps.go",
		"if p.r.Lease.Until.Sub(p.n.Now()) < slack.Wait+callTimeout+writeTime {", "if false {"},
	{"a stack that goes on alone is no alarm", "handle/mark.go",
		"if r.State() != Approved && !e.Superseded {", "if false {"},
	{"marks are forgotten on conflict", "notifier/settle.go",
		"fresh = f(fresh)", "_ = f"},
	{"marked is what is true, not what was shown", "notifier/steps.go",
		"return r.Refreshed(s.Message, face)", "_ = face; return r.Refreshed(s.Message, r.Face())"},
	{"Delete fails", "notifier/respond.go",
		`return ev.succeeded("", nil), n.gone(ctx, ev)`, `return ev.failed("no"), n.gone(ctx, ev)`},
	{"the wait URL is shown", "notifier/view.go",
		`return "Request " + code(r.ID, 40)`, `return "Request " + code(r.WaitURL.Expose(), 2000)`},
	{"outside text is not escaped", "notifier/mrkdwn.go",
		"func escape(s string) string { return controls.Replace(s) }", "func escape(s string) string { return s }"},
	{"approve and reject race, and the later one wins", "handle/vote.go",
		"case r.Decision != nil:", "case false:"},
	{"an approval opens once it is marked as signalled", "handle/vote.go",
		"r.Stack.ID == stackID && r.State() == Approved", "r.Stack.ID == stackID && r.State() == Approved && r.Signal != nil"},
	{"an approval opens every stack", "handle/vote.go",
		"r.Stack.ID == stackID && r.State() == Approved", "r.State() == Approved"},
	{"nothing is ever due", "handle/memory.go",
		"if w.at.After(now) || len(ids) == limit {", "if true {"},
	{"a decided message keeps its buttons", "notifier/view.go",
		"	if r.State() == handle.Pending {\n		v.Blocks", "	if r.State() != handle.Withdrawn {\n		v.Blocks"},
	{"who gives up overrules who decided", "handle/vote.go",
		"	if r.Decision != nil {\n		return r\n	}\n	return r.Clone().decide(Decision{State: Withdrawn", "	return r.Clone().decide(Decision{State: Withdrawn"},
	{"a copy that nobody knows stays as it is", "bot/decide.go",
		"g.change(r, now).Adopt(v.message.Channel, v.message.TS)", "g.change(r, now)"},
	{"what has expired is left to CloudFormation", "handle/signal.go",
		"	case Expired:\n", "	case Expired:\n		return SignalBody{}, false\n"},
	{"direct messages are not marked", "handle/mark.go",
		"	r.Told[key] = Told{At: now, Channel: channel, TS: ts}", "	if !strings.HasPrefix(key, \"direct/\") {\n		r.Told[key] = Told{At: now, Channel: channel, TS: ts}\n	}"},
	{"a dead store is no reason to answer", "notifier/request.go",
		`return ev.response("FAILED", "the request could not be put on record, so nobody was asked; launch again", id, nil), err`,
		`return ev.response("SUCCESS", "", id, map[string]string{"RequestId": id}), err`},
}

// unwired are edits of what the simulation has no use for, the store in DynamoDB:
// its own tests must catch them.
var unwired = []mutant{
	{"the verdict is read without consistency", "handle/dynamo/dynamo.go",
		"		ConsistentRead: aws.Bool(true),", "		ConsistentRead: aws.Bool(false),"},
	{"the write has no condition", "handle/dynamo/dynamo.go",
		"		ConditionExpression:                 expr.Condition(),\n", ""},
	{"a request is created over another", "handle/dynamo/dynamo.go",
		"expression.AttributeNotExists(expression.Name(stackKey))", "expression.Name(rev).NotEqual(expression.Value(r.Rev+1))"},
}

// The simulation is worth something: it catches every mutant.
//
//	go test ./deploy/sim -run TestMutants -mutants 10000
func TestMutants(t *testing.T) {
	if *mutants == 0 {
		t.Skip("it takes minutes: go test ./deploy/sim -run TestMutants -mutants 10000 -timeout 1h")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	catch := func(list []mutant, by string, test ...string) {
		failed := regexp.MustCompile(by)
		for _, m := range list {
			t.Run(m.breaks, func(t *testing.T) {
				out, err := m.test(t, root, test...)
				if err == nil {
					t.Fatalf("not caught by %s", strings.Join(test, " "))
				}
				found := failed.FindSubmatch(out)
				if found == nil {
					t.Fatalf("it does not run: %v\n%s", err, out)
				}
				t.Logf("caught by %s: %s", found[1], found[2])
			})
		}
	}
	catch(lawless, `(seed \d+): \[([^:\]]+)`, "countersign/deploy/sim", "-run", "^TestSchedules$", "-schedules", strconv.Itoa(*mutants))
	catch(unwired, `--- FAIL: (Test\w+).*\s+(.*)`, "countersign/handle/dynamo")
}

// Playing the mutants takes minutes; that each edit still fits the code is seen
// at once.
func TestMutantsFitTheCode(t *testing.T) {
	for _, m := range slices.Concat(lawless, unwired) {
		t.Run(m.breaks, func(t *testing.T) { m.edit(t, "../..") })
	}
}

// edit is the mutant's file, edited.
func (m mutant) edit(t *testing.T, root string) string {
	source, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Fatalf("%s has the text to edit %d times, want once: %q", m.file, n, m.old)
	}
	return strings.Replace(string(source), m.old, m.new, 1)
}

// test runs go test on the mutant.
func (m mutant) test(t *testing.T, root string, args ...string) ([]byte, error) {
	path := filepath.Join(root, m.file)
	edited := filepath.Join(t.TempDir(), filepath.Base(m.file))
	if err := os.WriteFile(edited, []byte(m.edit(t, root)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: edited}})
	if err != nil {
		t.Fatal(err)
	}
	file := edited + ".json"
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command("go", append([]string{"test", "-count", "1", "-overlay", file}, args...)...).CombinedOutput()
}
