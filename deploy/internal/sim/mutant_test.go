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

var mutants = flag.Int("mutants", 0, "run up to this many schedules against each mutant of the code; 0 skips the mutants, which take minutes")

// mutant is one text edit of the product that breaks a law. The edit names a
// package, not a file, so that code can move within its package.
type mutant struct {
	name     string
	pkg      string // directory, from the root of the module
	old, new string // a regular expression that matches exactly once in pkg; its replacement, as for [regexp.Regexp.ReplaceAll]
}

// simMutants are the mutants that TestSchedules must catch.
var simMutants = []mutant{
	{"the store replaces without comparing revisions", "handle",
		`if old\.Rev != r\.Rev \{`, "if old.Rev > r.Rev+1000 {"},
	{"a signal is marked before it is sent", "notifier/reconcile",
		`\n(.*handle\.SendSignal\(ctx, u\.c\.Client, u\.r\.WaitURL, body\))`,
		"\n\tu.mark(signalled{\"\", u.c.Now()})\n\tif err := u.write(ctx, renew); err != nil {\n\t\treturn\n\t}\n$1"},
	{"the reaction of an earlier state stays", "notifier/reconcile",
		`for _, other := range others \{`, "for _, other := range others[:0] {"},
	{"the requester's direct message keeps its buttons", "bot/blocks",
		`case r\.Decision == nil:\n(\t\tl\.actions\("requester")`, "case r.Decision == nil || true:\n$1"},
	{"messages leave before the signal", "notifier/reconcile",
		`if steps := u\.independent\(due\); `,
		"messages := slices.DeleteFunc(slices.Clone(due), func(s handle.Step) bool { return !isMessage(s) })\n\tif steps := u.independent(messages); "},
	{"of messages that left side by side one is marked", "notifier/reconcile",
		`\tu\.mark\(marks\[i\]\)\n`, "\tif i == 0 {\n\t\t\t\tu.mark(marks[i])\n\t\t\t}\n"},
	{"the marks of messages that left side by side are mixed up", "notifier/reconcile",
		`marks\[i\], err = m\.send\(ctx\)`, "marks[len(marks)-1-i], err = m.send(ctx)"},
	{"a message that failed among others is marked", "notifier/reconcile",
		`if errs\[i\] == nil \{`, "if marks[i] != nil {"},
	{"the lease excludes no other process", "handle",
		`if r\.Lease\.Holder != "" && r\.Lease\.Holder != holder && now\.Before\(r\.Lease\.Until\) \{`, "if false {"},
	{"any decision opens the verdict", "handle",
		`r\.Stack\.ID == stackID && r\.State\(\) == Approved`, "r.Stack.ID == stackID && r.Decision != nil"},
	{"a decided request expires", "handle",
		`if r\.Decision != nil \|\| now\.Before\(r\.Terms\.Deadline\) \{`, "if now.Before(r.Terms.Deadline) {"},
	{"requesters approve their own requests", "handle",
		`case !r\.Terms\.SelfApproval && v\.Has\(r\.Requester\.SlackIDs\.\.\.\):`, "case false:"},
	{"votes count past the deadline", "handle",
		`case !now\.Before\(r\.Terms\.Deadline\):`, "case false:"},
	{"guests vote", "handle",
		`v\.Guest \|\| v\.Bot`, "v.Bot"},
	{"one person counts twice", "handle",
		`return max\(0, r\.ApprovalsNeeded\(\)-len\(r\.ApprovedBy\(\)\)\)`, "return max(0, r.ApprovalsNeeded()-2*len(r.ApprovedBy()))"},
	{"failures are signalled as success", "handle",
		`SignalBody\{Status: SignalFailure,`, "SignalBody{Status: SignalSuccess,"},
	{"a repeated vote counts again", "handle",
		`if r\.\w+\(v\) \{\n\t\treturn r, nil\n`, "if false {\n\t\treturn r, nil\n"},
	{"requests do not expire", "handle",
		`add\(Step\{Kind: StepExpire, At: r\.Terms\.Deadline\}\)`, "_ = add"},
	{"a vote that could not be written counts", "bot",
		`case required:`, "case required && errors.Is(err, handle.ErrConflict):"},
	{"a failed click is answered as if it had succeeded", "bot",
		`\treturn failed\n\}`, "\treturn ok\n}"},
	{"a rate-limited call waits past the end of the lease", "notifier/reconcile",
		`if u\.r\.Lease\.Until\.Sub\(u\.c\.Now\(\)\) < slack\.RetryAfter\+callTimeout\+writeTime \{`, "if false {"},
	{"a bypassed gate raises no alarm", "handle",
		`if r\.State\(\) != Approved && !e\.Superseded \{`, "if false {"},
	{"marks are forgotten on conflict", "notifier/reconcile",
		`fresh = m\.Apply\(fresh\)`, "_ = m"},
	{"a refresh marks the present view, not the view shown", "notifier/reconcile",
		`return r\.MarkRefreshed\(m\.message, m\.viewHash\)`, "return r.MarkRefreshed(m.message, r.ViewHash())"},
	{"Delete fails", "notifier",
		`response: ev\.succeeded\("", nil\),\n`, "response: ev.failed(\"no\"),\n"},
	{"the wait URL is shown", "bot/blocks",
		`code\(r\.ID, 40\)`, `code(r.WaitURL.Expose(), 2000)`},
	{"outside text is not escaped", "bot/blocks",
		`func escape\(s string\) string \{ return .* \}`, "func escape(s string) string { return s }"},
	{"approve and reject race, and the later one wins", "handle",
		`case r\.Decision != nil:\n(\t\treturn RefusedDecided)`, "case false:\n$1"},
	{"an approval opens the verdict only once it is marked as signalled", "handle",
		`r\.Stack\.ID == stackID && r\.State\(\) == Approved`, "r.Stack.ID == stackID && r.State() == Approved && r.Signal != nil"},
	{"an approval opens the verdict of any stack", "handle",
		`r\.Stack\.ID == stackID && r\.State\(\) == Approved`, "r.State() == Approved"},
	{"nothing is ever due", "handle",
		`if e\.at\.After\(now\) \|\| len\(ids\) == limit \{`, "if true {"},
	{"a decided message keeps its buttons", "bot/blocks",
		`case r\.State\(\) == handle\.Pending:(\n\t\tmore := )`, "case r.State() != handle.Withdrawn:$1"},
	{"a withdrawal overrules a decision", "handle",
		`\tif r\.Decision != nil \{\n\t\treturn r\n\t\}\n(\treturn r\.Clone\(\)\.decide\(Decision\{State: Withdrawn)`, "$1"},
	{"a clicked copy of the message is not adopted", "bot",
		`\.AdoptMessage\(a\.message\.Channel, a\.message\.TS\)`, ""},
	{"an expired request is not signalled", "handle",
		`\tcase Expired:\n(\t\tbody\.Reason)`, "\tcase Expired:\n\t\treturn SignalBody{}, false\n$1"},
	{"direct messages are not marked", "handle",
		`\tr\.Delivered\[key\] = (.*)\n`, "\tif !strings.HasPrefix(key, \"direct/\") {\n\t\tr.Delivered[key] = $1\n\t}\n"},
	{"a request that could not be stored is answered with SUCCESS", "notifier",
		`return fail\("the request could not be recorded.*"\), err\n`,
		"return reply{response: ev.response(\"SUCCESS\", \"\", id, map[string]string{\"RequestId\": id})}, err\n"},
	{"a person's other IDs do not count in their own request", "handle",
		`v\.Has\(r\.Requester\.SlackIDs\.\.\.\):`, "slices.Contains(r.Requester.SlackIDs, v.ID):"},
	{"a person's other IDs do not count in repetition", "handle",
		`func \(p Person\) Is\(q Person\) bool \{ return p\.Has\(q\.IDs\(\)\.\.\.\) \}`,
		"func (p Person) Is(q Person) bool { return p.ID != \"\" && p.ID == q.ID }"},
	{"a person's other IDs do not count among named approvers", "handle",
		`named := v\.Has\(r\.Terms\.Approvers\.\.\.\)`, "named := slices.Contains(r.Terms.Approvers, v.ID)"},
	{"a person's other IDs do not count in groups", "bot",
		`slices\.ContainsFunc\(users, func\(u string\) bool \{ return slices\.Contains\(ids, u\) \}\)`, "slices.Contains(users, ids[0])"},
	{"members of sister workspaces vote", "bot",
		`return h\.Team != "" && slices\.Contains\(m\.Teams, h\.Team\)`, "return slices.Contains(m.Teams, m.Teams[0])"},
	{"an unproven requester needs no second approver", "handle",
		`if unproven && r\.Terms\.UnprovenRequester == UnprovenTwoApprovers`, "if unproven && r.Terms.UnprovenRequester == UnprovenRefuse"},
	{"a claim proves the requester", "notifier/reconcile",
		`found\.main, found\.proven = user\.ID, i == 0`, "found.main, found.proven = user.ID, i >= 0"},
	{"votes count before Slack was asked about the requester", "handle",
		`case r\.Stack\.Unverified, .*:`, "case r.Stack.Unverified:"},
	{"a launch that could not be verified counts as verified", "notifier",
		`r\.Stack\.Unverified = true`, "_ = r"},
	{"Slack is asked once about the requester", "notifier/reconcile",
		`(found, err := u\.findRequester\(ctx\)\n\tif) err != nil \{`, "$1 err != nil && false {"},
	{"CloudFormation is asked once after the launch", "notifier/reconcile",
		`case err != nil && !errors\.Is\(err, ErrDenied\):`, "case false:"},
	{"a Delete withdraws before its answer is accepted", "notifier",
		`(case ev\.RequestType == "Delete":\n)`, "$1\t\t_ = n.deleted(ctx, ev)\n"},
	{"an answer goes to any place in CloudFormation's bucket", "handle",
		`if u\.Path != "/"\+key && !path \{`, "if u.Path != key && !path && false {"},
	{"any handle of the stack's Region will do", "notifier/reconcile",
		`case g\.Handle == HandleDiffers && r\.Update == nil:`, "case false:"},
	{"two requests share a handle", "notifier",
		`if other\.ID != r\.ID && other\.WaitURL\.Same\(r\.WaitURL\) \{`, "if false {"},
	{"the topic takes requests of the own account", "notifier",
		`case n\.Account != "" && account == n\.Account:`, "case false:"},
	{"the topic takes schedules and stack events", "notifier",
		`case ev\.ResponseURL == "" && ev\.RequestType == "":\n.*\n`, "case ev.ResponseURL == \"\" && ev.RequestType == \"\":\n\t\treturn n.Handle(ctx, message)\n"},
	{"an unverified launch is recorded before its answer is accepted", "notifier",
		`if !verified \{`, "if !verified && false {"},
	{"an answered launch is not recorded when its event comes again", "notifier",
		`case !answered && errors\.Is\(loadErr, handle\.ErrNotFound\):`, "case false:"},
	{"a bypass is recorded before the verdict's answer is accepted", "notifier",
		`(\trefused\.then = func\(ctx context\.Context\) error \{\n\t\tn\.logBypass\(ctx, ev, id\)\n\t\tif !n\.recordBypass\((?:.*\n)+?\t\}\n)\treturn refused, nil\n`,
		"$1\treturn reply{response: refused.response}, refused.then(ctx)\n"},
	{"a stack event withdraws a request", "notifier/reconcile",
		`handle\.FinalStatus\(u\.r\.Stack\.Status\) && u\.r\.Decision != nil && !u\.bypassReported\(\):`, "handle.FinalStatus(u.r.Stack.Status):"},
	{"a stack event raises an alarm", "notifier/reconcile",
		`u\.r\.Decision != nil && !u\.bypassReported\(\):`, "u.r.Decision != nil:"},
	{"an update with other content succeeds at once", "notifier",
		`if approved && last\.Content\.SameGate\(r\.Content\) \{`, "if approved {"},
	{"an update's content ignores parameters", "handle",
		`return c\.GateParameters == d\.GateParameters && `, "return "},
	{"an update's content ignores the template", "handle",
		` && c\.GateTemplate == d\.GateTemplate\n`, "\n"},
	{"a held answer is SUCCESS on rejection", "handle",
		`if signal\.Status == SignalSuccess \{`, "if true {"},
	{"an approved update keeps its physical ID", "handle",
		`= "SUCCESS", "", r\.ID\n`, "= \"SUCCESS\", \"\", r.Update.PhysicalID\n"},
	{"the rollback of an update fails", "notifier",
		`return result\{n\.succeedInstead\(ctx, ev, r, err\), err\}`, "return result{r, err}"},
	{"the time of a held answer runs from the event's arrival", "handle",
		`if signed, ok := url\.SignedAt\(\); ok && `, "if signed, ok := url.SignedAt(); false && ok && "},
	{"an update that bypasses its gate is not looked at", "notifier",
		`if updated && r\.ID == newest && r\.Ended != nil \{`, "if false && updated && r.ID == newest {"},
	{"a bypass is told before it is on record", "notifier/reconcile",
		`sent = u\.check\(ctx, s\)`, "u.check(ctx, s)"},
	{"a used grant is not recorded", "notifier/reconcile",
		`if stored, err := u\.c\.Store\.Replace\(ctx, next\); err == nil \{\n\t\t\treturn stored`, "if err := ctx.Err(); err == nil {\n\t\t\treturn next"},
	{"a revoked grant is used", "handle",
		`g\.UsedBy == "" && g\.RevokedAt\.IsZero\(\) && !g\.Lapsed`, "g.UsedBy == \"\" && !g.Lapsed"},
	{"a grant is for everyone", "notifier/reconcile",
		`Region: r\.Stack\.Region, Principal: f\.Principal,`, "Region: r.Stack.Region, Principal: \"x\","},
	{"an unproven requester gets a grant", "handle",
		`r\.Update != nil \|\| !r\.Requester\.Proven \|\| `, "r.Update != nil || "},
	{"a reply outside its thread does not become the question", "notifier/reconcile",
		`case err == nil && p\.AtRoot:`, "case false:"},
	{"a late reply does not look whether its thread is still there", "notifier/reconcile",
		`return replies && !same\(u\.seenRoot, root\)`, "return false"},
	{"an approver whom Slack could not be asked about counts as missing", "notifier/reconcile",
		`case len\(s\.errs\) > 0:`, "case false:"},
	{"a launch that too few people can approve waits", "notifier/reconcile",
		`if missing == "" \{`, "if true {"},
	{"anyone approves late", "handle",
		`(VoteBySlack\(v Voter.*\n\tif err := r\.Authorize\(v\); err != nil) \{`, "$1 && r.Grant == nil {"},
	{"anyone answers, nudges and withdraws", "handle",
		`case !r\.Requester\.Addressable\(\) \|\| !v\.Has\(r\.Requester\.SlackID\):`, "case false:"},
	{"a withdrawal by the requester signals success", "handle",
		`if r\.WithdrawnByRequester\(\) \{\n\t\t\tbody\.Reason = `, "if r.WithdrawnByRequester() {\n\t\t\tbody.Status = SignalSuccess\n\t\t\tbody.Reason = "},
	{"a withdrawal by the requester signals no reason", "handle",
		`body\.Reason = "Withdrawn by " \+ r\.Decider\(\) \+ ": " \+ OneLine\(d\.Reason, maxSignalReason\)`, "body.Reason = \"Withdrawn\""},
	{"the requester withdraws after an approval", "handle",
		`if reason := r\.closedReason\(now\); reason != "" \{\n\t\treturn r, &Refusal\{Reason: reason\}\n\t\}\n(\treason = )`, "$1"},
	{"nudges need no interval", "handle",
		`case now\.Before\(next\):`, "case false:"},
	{"a reminder notifies those who have voted", "handle",
		`return slices\.ContainsFunc\(r\.Votes, func\(v Vote\) bool \{ return v\.By\.Has\(id\) \}\) \|\|\n`, "return false ||\n"},
	{"a reminder notifies those who wait for an answer", "handle",
		`slices\.ContainsFunc\(excused, func\(p Person\) bool \{ return p\.Has\(id\) \}\)`, "false"},
	{"a request is escalated again and again", "handle",
		`\tr\.EscalatedAt = now\n`, "\tr.EscalatedAt = time.Time{}\n"},
	{"those who were reassigned away still count", "handle",
		`next\.setApprovers\(approvers\)`, "next.setApprovers(union(approvers, next.Terms.Approvers))"},
	{"those who were asked at first may vote after a reassignment", "handle",
		`named := v\.Has\(r\.Terms\.Approvers\.\.\.\)`, "named := v.Has(r.Terms.Approvers...) || v.Has(r.FirstApprovers...)"},
	{"several approvals include one that the list does not show", "bot",
		`\t\t\tlist = append\(list, c\.Request\)\n`, "\t\t\tif n%2 == 0 {\n\t\t\t\tlist = append(list, c.Request)\n\t\t\t}\n"},
	{"a review keeps others from voting", "handle",
		`\tcase !named:\n`, "\tcase !named, len(r.Reviews) > 0 && r.reviewOf(v.Person) < 0:\n"},
	{"people act after the decision", "handle",
		`if reason := r\.closedReason\(now\); reason != "" \{\n\t\treturn &Refusal\{Reason: reason\}\n\t\}\n`, ""},
	{"approvers are reminded after the decision", "handle",
		`\t\tlist = append\(list, Notification\{Name: NotifyDecided, At: r\.Decision\.At\}\)\n`,
		"\t\tlist = append(list, Notification{Name: NotifyDecided, At: r.Decision.At})\n\t\tfor i, at := range r.Terms.Reminders {\n\t\t\tlist = append(list, Notification{Name: NotifyReminder + \"-\" + strconv.Itoa(i), At: at, Index: i})\n\t\t}\n"},
	{"a question is posted after the decision", "handle",
		`\t\tlist = append\(list, Notification\{Name: NotifyDecided, At: r\.Decision\.At\}\)\n`,
		"\t\tlist = append(list, Notification{Name: NotifyDecided, At: r.Decision.At})\n\t\tfor i, q := range r.Questions {\n\t\t\tlist = append(list, Notification{Name: NotifyQuestion + \"-\" + q.ID, At: r.Decision.At.Add(time.Hour), Index: i})\n\t\t}\n"},
	{"a review outlives the decision", "handle",
		`r\.Decision, r\.Reviews = &d, nil`, "r.Decision = &d"},
	{"the requester is not told of questions", "handle",
		`case NotifyReasked, NotifyReminder, `, "case NotifyQuestion, NotifyReasked, NotifyReminder, "},
	{"the requester's direct message becomes that of the channel", "notifier/reconcile",
		`view = blocks\.Direct\(u\.r\)`, "view = blocks.Message(u.r)"},
	{"an earlier reaction stays", "notifier/reconcile",
		`reaction, u\.r\.EarlierReactions\(\)\)`, "reaction, nil)"},
	{"a failed launch has the reaction of an approved one", "handle",
		`case r\.State\(\) == Approved && r\.Ended != nil && !r\.Ended\.Succeeded\(\):`, "case false:"},
	{"the Home tab offers people their own requests", "handle",
		` && \(s\.SelfApproval \|\| !v\.Has\(s\.RequesterIDs\.\.\.\)\)`, ""},
}

// dynamoMutants are mutants of the DynamoDB store, which the simulation does not
// use: the store's own tests must catch them.
var dynamoMutants = []mutant{
	{"the verdict reads without consistency", "handle/dynamo",
		`ConsistentRead: aws\.Bool\(true\),\n`, "ConsistentRead: aws.Bool(false),\n"},
	{"a write has no condition", "handle/dynamo",
		`\t\tConditionExpression: .*\n`, ""},
	{"a new request overwrites an old one", "handle/dynamo",
		`expression\.AttributeNotExists\(expression\.Name\(stackKey\)\)`, "expression.Name(rev).NotEqual(expression.Value(r.Rev+1))"},
}

// notifierMutants are mutants whose guard a second one backs up, so that only the
// notifier's own tests can tell.
var notifierMutants = []mutant{
	{"a rollback that has ended opens the gate", "notifier/reconcile",
		` && status != "UPDATE_ROLLBACK_COMPLETE"`, ""},
	{"a thread that is never found fills the channel", "notifier/reconcile",
		` && u\.lostThreads < maxLostThreads`, ""},
	{"a Delete ignores the stack's status", "notifier",
		`\} else if !gaveUp \{`, "} else if !gaveUp && false {"},
	{"the second of two requests for a handle is recorded", "notifier",
		`if other\.ID != r\.ID && other\.WaitURL\.Same\(r\.WaitURL\) \{`, "if false {"},
	{"a new gate of an update counts as a launch", "notifier/reconcile",
		`r\.Stack\.Updating \|\| f\.Updating`, "r.Stack.Updating"},
	{"a cancelled update's request waits for the stack's event", "notifier",
		`if err == nil && gaveUp \{`, "if err == nil && gaveUp && false {"},
	{"the rollback of an update whose event could not be decoded fails", "notifier",
		`n\.finish\(ctx, salvaged, n\.succeedInstead\(ctx, salvaged, refused, nil\), nil\)`, "n.finish(ctx, salvaged, refused, nil)"},
	{"with a broken configuration, an update of a parameter succeeds", "notifier",
		`\{"WaitUrl", "Parameters", "Template", "RequestId"\}`, "{\"WaitUrl\", \"Template\", \"RequestId\"}"},
	{"a verdict that keeps its request succeeds, whatever the record says", "notifier",
		`\(undone != nil \|\| r\.unread\) && keepsContent\(ev\)`, "keepsContent(ev)"},
	{"in another account, an update to approved content but another handle succeeds", "notifier",
		`id == "" && !n\.otherAccount\(ev\)`, "id == \"\""},
	{"a 429 without a readable Retry-After is an error like others", "notifier/reconcile",
		`if res\.StatusCode == http\.StatusTooManyRequests \{`, "if false {"},
	{"that Slack refuses to look people up is an answer", "notifier/reconcile",
		`f\.Refused, f\.Permanent = false, false`, "_ = f"},
	{"what a later update changed counts as approved", "notifier/reconcile",
		`e\.Succeeded\(\) && err == nil && !later \{`, "e.Succeeded() && err == nil {"},
}

// reconcileMutants are the same for the reconciler's own tests.
var reconcileMutants = []mutant{
	{"what fails in the rollback hides its cause", "notifier/reconcile",
		`f\.resource, f\.gate = cause\{\}, cause\{\}`, "_ = f"},
	{"a nested stack is not read", "notifier/reconcile",
		`if cause\.nested == "" \|\| `, "if true || "},
	{"a cancelled resource is the cause", "notifier/reconcile",
		` \|\| strings\.HasSuffix\(strings\.TrimRight\(reason, "\. "\), "cancelled"\)`, ""},
}

// handleMutants are the same for the record's own tests.
var handleMutants = []mutant{
	{"an empty list of approvers means everyone", "handle",
		`named := v\.Has\(r\.Terms\.Approvers\.\.\.\)`, "named := len(r.Terms.Approvers) == 0 || v.Has(r.Terms.Approvers...)"},
	{"Authorize ignores that a launch is not verified", "handle",
		`case r\.Stack\.Unverified, `, "case "},
	{"mail ignores that a launch is not verified", "handle",
		`(return r, &Refusal\{Reason: RefusedNoName\}\n\t\}\n\tif) r\.Stack\.Unverified`, "$1 r.Stack.Unverified && false"},
	{"of two relaunches both use the grant", "handle",
		`if !r\.GrantUsable\(now\) \{\n\t\treturn r, false`, "if r.Grant == nil {\n\t\treturn r, false"},
	{"a grant is used after its end", "handle",
		`!r\.Grant\.At\.IsZero\(\) && now\.Before\(r\.Grant\.Until\)`, "!r.Grant.At.IsZero()"},
	{"an unknown refusal is repeated for a day", "handle",
		`failed\.Refusals >= maxRefusals \|\| `, ""},
	{"approvers who could not be mentioned are not mailed", "handle",
		`return n\.At, r\.unmentioned\(\)`, "return n.At, false"},
	{"approvers who could not be mentioned or mailed are not told", "handle",
		`!r\.Attempts\[mail\.Key\(\)\]\.Abandoned \|\| !r\.unmentioned\(\)`, `mail.Key() != ""`},
	{"a question waits for Slack past its deadline", "handle",
		` && posting\.NotBefore\.Before\(r\.Terms\.Deadline\)`, ""},
	{"a grant opens each gate of the stack", "handle",
		`r\.Stack\.Gate == given\.Stack\.Gate && `, ""},
}

const moduleRoot = "../../.."

// TestMutants checks the simulation itself: it must catch every mutant.
//
//	go test ./deploy/internal/sim -run TestMutants -mutants 10000 -timeout 1h
func TestMutants(t *testing.T) {
	if *mutants == 0 {
		t.Skip("takes minutes: go test ./deploy/internal/sim -run TestMutants -mutants 10000 -timeout 1h")
	}
	catch := func(list []mutant, failure string, args ...string) {
		failed := regexp.MustCompile(failure)
		for _, m := range list {
			t.Run(m.name, func(t *testing.T) {
				out, err := m.test(t, args...)
				if err == nil {
					t.Fatalf("not caught by go test %s", strings.Join(args, " "))
				}
				found := failed.FindSubmatch(out)
				if found == nil {
					t.Fatalf("go test failed for another reason: %v\n%s", err, out)
				}
				t.Logf("caught by %s: %s", found[1], found[2])
			})
		}
	}
	catch(simMutants, `(seed \d+): \[([^:\]]+)`, "countersign/deploy/internal/sim", "-run", "^TestSchedules$", "-shrink=false", "-schedules", strconv.Itoa(*mutants))
	catch(notifierMutants, `--- FAIL: (Test\w+).*\s+(.*)`, "countersign/notifier", "-skip", "TestThousand", "-failfast") // those take long
	catch(reconcileMutants, `--- FAIL: (Test\w+).*\s+(.*)`, "countersign/notifier/reconcile")
	catch(handleMutants, `--- FAIL: (Test\w+).*\s+(.*)`, "countersign/handle")
	catch(dynamoMutants, `--- FAIL: (Test\w+).*\s+(.*)`, "countersign/handle/dynamo")
}

// TestMutantsApply checks quickly that each edit still applies to the code.
func TestMutantsApply(t *testing.T) {
	for _, m := range slices.Concat(simMutants, notifierMutants, reconcileMutants, handleMutants, dynamoMutants) {
		t.Run(m.name, func(t *testing.T) { m.edit(t) })
	}
}

// edit returns the file that the mutant changes and its changed text. It fails
// the test unless the edit applies exactly once.
func (m mutant) edit(t *testing.T) (file, text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(moduleRoot, m.pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	old, matches := regexp.MustCompile(m.old), 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(old.FindAllIndex(source, -1)); n > 0 {
			matches += n
			file, text = f, string(old.ReplaceAll(source, []byte(m.new)))
		}
	}
	if matches != 1 {
		t.Fatalf("package %s matches %d times, want once: %s", m.pkg, matches, m.old)
	}
	return file, text
}

// test runs go test with args on the mutant.
func (m mutant) test(t *testing.T, args ...string) ([]byte, error) {
	file, text := m.edit(t)
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(edited, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: edited}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := edited + ".json"
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command("go", append([]string{"test", "-count", "1", "-overlay", overlayFile}, args...)...).CombinedOutput()
}
