package audit

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/awsconfig"
	"countersign/deploy/internal/testtools"
	"countersign/handle"
	"countersign/handle/dynamo"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	account = "111122223333"
	region  = "eu-central-1"
	secret  = "https://cloudformation-waitcondition-eu-central-1.s3.eu-central-1.amazonaws.com/arn%3Aaws%3Acloudformation/S/H?X-Amz-Signature=0123456789abcdef"
)

var (
	day = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)
	now = day.Add(10 * 24 * time.Hour)

	ann = handle.Person{Team: "T0EXAMPLE", ID: "U0ANN", Name: "Ann Approver"}
	bob = handle.Person{Team: "T0EXAMPLE", ID: "U0BOB", Name: "Bob Approver"}
	rob = handle.Person{Team: "T0EXAMPLE", ID: "U0ROB", Name: "Ann Approver (U0ANN), Rob"}
)

// asked is a request as the notifier creates it.
func asked(stack string, at time.Time, approvals int) handle.Request {
	name := "SC-" + account + "-pp-" + stack
	id := "arn:aws:cloudformation:" + region + ":" + account + ":stack/" + name + "/5f0c2c40-1600-11f1-9d8e-0e1example01"
	return handle.Request{
		ID:        handle.NewID(id, "ApprovalRequest", "5f0c2c40"),
		CreatedAt: at,
		Stack:     handle.Stack{ID: id, Name: name, Account: account, Region: region, Gate: "ApprovalRequest"},
		Product:   handle.Product{Name: "Message queue", ID: "prod-4a7bexample1", Version: "pa-6e8fexample1", Portfolio: "port-2c5dexample1", Provisioned: "orders", ProvisionedID: "pp-" + stack},
		Requester: handle.Requester{Principal: "arn:aws:sts::" + account + ":assumed-role/Requesters/rita@example.com"},
		Purpose:   "Orders wait here",
		Terms:     handle.Terms{Channel: "C0APPROVALS", Approvers: []string{"U0ANN", "U0BOB"}, Approvals: approvals, Deadline: at.Add(11 * time.Hour)},
		WaitURL:   handle.StoredWaitURL(secret),
	}.IdentifyRequester("U0RITA", []string{"U0RITA"}, true).RecordCreation()
}

// vote adds an approver's vote.
func vote(t *testing.T, r handle.Request, who handle.Person, verdict handle.Verdict, reason string, at time.Time) handle.Request {
	t.Helper()
	r, err := r.VoteBySlack(handle.Voter{Person: who, Home: true}, verdict, reason, at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// archive holds requests in every state, each reached through handle's methods.
func archive(t *testing.T) handle.Store {
	t.Helper()
	after := func(hours int) time.Time { return day.Add(time.Duration(hours) * time.Hour) }

	good := asked("good", after(0), 2).
		RecordRefusal(rob, handle.RefusedNotApprover, after(0).Add(time.Minute)).
		RecordRefusal(rob, handle.RefusedNotApprover, after(0).Add(2*time.Minute))
	good = vote(t, good, ann, handle.Approve, "", after(0).Add(5*time.Minute))
	good = vote(t, good, bob, handle.Approve, "", after(1))
	good = good.MarkSignalled("", after(1).Add(time.Second)).RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: after(2)})

	bad := asked("bad", after(24), 2)
	bad.Purpose = "see " + secret + "\nand \u202Eevil \x1b[31mred"
	bad.Requester = handle.Requester{Email: "@SUM(1+1)*cmd|' /C calc'!A0", LookedUp: true}
	bad = vote(t, bad, ann, handle.Approve, "", after(25))
	bad = vote(t, bad, bob, handle.Reject, "-2+3: no,\n\"never\"", after(26))

	bypassed := asked("bypassed", after(48), 1).RecordBypass("the wait was released while the request was pending", after(49)).
		RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: after(50)})

	mailed, err := asked("mailed", after(72), 1).VoteByMail("Mia Mail", handle.Approve, "fine", after(73))
	if err != nil {
		t.Fatal(err)
	}
	expired := asked("expired", after(96), 1)
	expired = expired.Expire(expired.Terms.Deadline)
	gone := asked("gone", after(120), 1).Withdraw("the stack was deleted", after(121))

	var m handle.Memory
	for _, r := range []handle.Request{good, bad, bypassed, mailed, expired, gone, asked("new", after(144), 1)} {
		if _, err := m.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return &m
}

// relaunches holds an expired launch, the launch that used its grant, and an update.
func relaunches(t *testing.T) handle.Store {
	t.Helper()
	after := func(hours int) time.Time { return day.Add(time.Duration(hours) * time.Hour) }

	late := asked("late", after(0), 1)
	late.Terms.GrantForSeconds = 72 * 3600
	late.Content = handle.Content{
		Product: late.Product.ID, Version: late.Product.Version, Template: handle.TemplateDigest("Resources: {}"),
		Parameters: handle.ParametersDigest([]handle.Field{{Name: "Environment", Value: "test"}}),
		Account:    account, Region: region, Principal: late.Requester.Principal,
		GateParameters: handle.GateDigest([]byte("a key"), []handle.Field{{Name: "Environment", Value: "test"}}), GateTemplate: "54b5e7c42d348d72",
	}
	late = vote(t, late.Expire(late.Terms.Deadline), ann, handle.Approve, "", after(48))
	again := asked("again", after(50), 1)
	again.Content, again.GrantFrom = late.Content, late.ID
	late, used := late.UseGrant(again.ID, after(50))
	if !used {
		t.Fatal("the grant can't be used")
	}
	again = again.ApproveByGrant(late, after(50))

	update := asked("again", after(70), 2)
	update.ID, update.Stack.Updating = handle.NewID(update.Stack.ID, update.Stack.Gate, "update"), true
	update.Requester.Launcher, update.Requester.Principal, update.Requester.Proven = update.Requester.Principal, "", false
	update.Update = &handle.Update{Approved: again.ID, RequestID: "update", PhysicalID: again.ID, Unshown: true, Changes: []handle.Change{
		{Name: "Environment", Old: "test", New: "production"}, {Name: "Note", New: "=1+1"},
	}}

	var m handle.Memory
	for _, r := range []handle.Request{late, again, update} {
		if _, err := m.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return &m
}

// questions holds a request that was asked about, reassigned and escalated.
func questions(t *testing.T) handle.Store {
	t.Helper()
	ok := func(r handle.Request, err error) handle.Request {
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	after := func(minutes int) time.Time { return day.Add(time.Duration(minutes) * time.Minute) }
	approver := func(p handle.Person) handle.Voter { return handle.Voter{Person: p, Home: true} }
	rita := approver(handle.Person{Team: "T0EXAMPLE", ID: "U0RITA", Name: "Rita"})

	r := asked("asked", day, 1)
	r.Terms.ReassignTo, r.Terms.EscalateTo, r.Terms.EscalateAt = []string{"U0CAT", "S0SECURITY"}, []string{"S0SECURITY"}, after(120)
	r, _, err := r.Ask(approver(ann), "=HYPERLINK(\"x\"); how long?\nSee "+secret, after(10))
	r = ok(r, err)
	r = ok(r.AnswerQuestion("q1", rita, "Until May,\n\"at most\"", after(20)))
	r, _, err = r.Ask(approver(bob), "Who pays?", after(30))
	r = ok(r, err)
	r = ok(r.StartReview(approver(bob), after(40)))
	r = ok(r.Nudge(rita, after(50)))
	r = ok(r.Reassign(approver(ann), []string{"U0CAT"}, after(60))).Escalate(after(120))
	var m handle.Memory
	if _, err := m.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return &m
}

// The audit shows what people did besides deciding.
func TestQuestionsAreShown(t *testing.T) {
	id := ""
	for r, err := range questions(t).Since(t.Context(), day) {
		if err != nil {
			t.Fatal(err)
		}
		id = r.ID
	}
	for name, o := range map[string]Command{
		"questions.csv":       {Format: "csv"},
		"questions.json":      {Format: "json"},
		"questions.txt":       {},
		"questions-whole.txt": {Named: []string{id}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := audit(t, questions(t), o)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
}

// The audit shows what an approval binds, what an update changes, and who gave and
// used a grant.
func TestContentAndGrantsAreShown(t *testing.T) {
	var ids []string
	for r, err := range relaunches(t).Since(t.Context(), day) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	for name, o := range map[string]Command{
		"content.csv":       {Format: "csv"},
		"content.txt":       {},
		"content-whole.txt": {Named: ids},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := audit(t, relaunches(t), o)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
}

// golden compares got with a golden file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// audit runs the command on a store.
func audit(t *testing.T, store handle.Store, o Command) (string, error) {
	t.Helper()
	if o.Since == "" {
		o.Since = "30d"
	}
	s, err := o.selection(now)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = write(&b, o.Format, s.requests(t.Context(), store), s)
	out := b.String()
	for _, what := range []string{"X-Amz-", "cloudformation-waitcondition", "\x1b", "\u202E"} {
		if strings.Contains(out, what) {
			t.Errorf("it prints %q:\n%s", what, out)
		}
	}
	return out, err
}

func TestOutputIsGolden(t *testing.T) {
	good, bad := asked("good", day, 2), asked("bad", day, 2)
	for name, o := range map[string]Command{
		"list.txt":    {},
		"list.csv":    {Format: "csv"},
		"none.txt":    {Since: "2026-03-09"},
		"whole.txt":   {Named: []string{good.ID, bad.Stack.ID}},
		"record.json": {Named: []string{good.ID}, Format: "json"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := audit(t, archive(t), o)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
}

// Examples of a list in the documentation are lines of the golden list.
func TestDocumentedListIsGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/list.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, block := range testtools.CodeBlocks(t) {
		if !strings.Contains(block, "    requester ") {
			continue
		}
		for line := range strings.Lines(block) {
			if line == "...\n" {
				continue
			}
			if lines++; !strings.Contains(string(golden), line) {
				t.Errorf("a list has no line %q", line)
			}
		}
	}
	if lines < 3 {
		t.Errorf("the documentation shows %d lines of a list", lines)
	}
}

// The printed policy allows every call that the audit makes, and nothing else.
func TestPolicyAllowsWhatTheAuditCalls(t *testing.T) {
	calls := map[string]bool{"kms:Decrypt": true} // by DynamoDB, if the table's key is the customer's
	r := asked("good", day, 1)
	record, err := handle.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	stackKey, gateKey, _ := handle.SplitID(r.ID)
	item := fmt.Sprintf(`{"StackKey":{"S":%q},"GateKey":{"S":%q},"Record":{"S":%q}}`, stackKey, gateKey, record)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if action := r.FormValue("Action"); action != "" {
			calls["cloudformation:"+action] = true
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, oursXML)
			return
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		calls["dynamodb:"+operation] = true
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, map[string]string{
			"Query": "{\"Count\":1,\"Items\":[" + item + "]}", "GetItem": "{\"Item\":" + item + "}",
			"BatchGetItem": "{\"Responses\":{\"t\":[" + item + "]},\"UnprocessedKeys\":{}}",
		}[operation])
	}))
	defer server.Close()
	config := aws.Config{Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	if _, err := readStack(t.Context(), cloudformation.NewFromConfig(config), "countersign"); err != nil {
		t.Fatal(err)
	}
	for _, named := range [][]string{nil, {r.ID}, {r.Stack.ID}} {
		if _, err := audit(t, dynamo.New(config, server.Client(), "t"), Command{Named: named}); err != nil {
			t.Fatal(named, err)
		}
	}
	p := policy(awsconfig.Scope{Region: "eu-central-1", Account: "111122223333"}, "countersign", "countersign-Table-1ABC")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(calls)), slices.Sorted(slices.Values(p.Actions()))); diff != "" {
		t.Errorf("actions: calls (-), policy (+):\n%s", diff)
	}
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"arn:aws:cloudformation:eu-central-1:111122223333:stack/countersign/*",
		"arn:aws:dynamodb:eu-central-1:111122223333:table/countersign-Table-1ABC/index/*",
		`"Version": "2012-10-17"`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the policy has no %s:\n%s", want, b.String())
		}
	}
}

func TestSelectionOfRequests(t *testing.T) {
	for _, test := range []struct {
		name string
		o    Command
		want string // the stacks, in order
	}{
		{"all", Command{}, "good bad bypassed mailed expired gone new"},
		{"since a day", Command{Since: "2026-03-07"}, "gone new"},
		{"since a time", Command{Since: "2026-03-07T10:00:00+01:00"}, "gone new"},
		{"since an age in days", Command{Since: "6d"}, "expired gone new"},
		{"since an age in hours", Command{Since: "120h"}, "gone new"},
		{"until", Command{Until: "2026-03-04"}, "good bad"},
		{"until is exclusive", Command{Until: "2026-03-04T09:00:00Z"}, "good bad"},
		{"approved", Command{State: []string{"approved"}}, "good mailed"},
		{"expired or withdrawn", Command{State: []string{"expired", "withdrawn"}}, "bypassed expired gone"},
		{"pending", Command{State: []string{"pending"}}, "new"},
		{"bypassed", Command{Bypassed: true}, "bypassed"},
		{"named, in the order given", Command{Named: []string{asked("gone", day, 1).ID, asked("bad", day, 1).Stack.ID}}, "gone bad"},
		{"named, regardless of --since", Command{Named: []string{asked("good", day, 1).ID}, Since: "1h"}, "good"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.o.Format = "csv"
			out, err := audit(t, archive(t), test.o)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range rows[1:] {
				stack := row[indexOf(t, rows[0], "stack")]
				got = append(got, strings.TrimPrefix(strings.Split(stack, "/")[1], "SC-"+account+"-pp-"))
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func indexOf(t *testing.T, names []string, name string) int {
	t.Helper()
	for i, n := range names {
		if n == name {
			return i
		}
	}
	t.Fatalf("no column %q", name)
	return -1
}

func TestInvalidFlags(t *testing.T) {
	for _, test := range []struct {
		o    Command
		want string
	}{
		{Command{Named: []string{"SC-good"}}, "neither a request ID"},
		{Command{Named: []string{"arn:aws:s3:::bucket"}}, "neither a request ID"},
		{Command{Since: "yesterday"}, `--since: "yesterday" is not a date`},
		{Command{Since: "-5h"}, "is not a date"},
		{Command{Since: "99999999999999999999d"}, "is not a date"},
		{Command{Until: "2026-13-01"}, `--until: "2026-13-01" is not a date`},
		{Command{Since: "2026-03-02", Until: "2026-03-01"}, "--until must be later than --since"},
		{Command{Named: []string{handle.NewID("arn", "R", "1")}}, "no such request"},
		{Command{Named: []string{"arn:aws:cloudformation:eu-central-1:111122223333:stack/SC-other/1"}}, "no such request"},
	} {
		if _, err := audit(t, archive(t), test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want …%s…", test.o, err, test.want)
		}
	}
}

// A request with a wait URL in one of its texts is not printed as JSON, where
// redaction is not certain.
func TestNoWaitURLInJSON(t *testing.T) {
	out, err := audit(t, archive(t), Command{Format: "json"})
	if !errors.Is(err, errSecret) {
		t.Errorf("%v, want %v", err, errSecret)
	}
	if n := strings.Count(out, "\n"); n != 6 {
		t.Errorf("%d lines, want those of the other 6:\n%s", n, out)
	}
	out, _, _ = strings.Cut(out, "\n")
	var r struct {
		State string
		Votes []handle.Vote
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.State != "approved" || len(r.Votes) != 2 {
		t.Errorf("%v, %+v", err, r)
	}
}

// failing fails after two requests.
type failing struct{ handle.Store }

var errRead = errors.New("the table is gone")

func (s failing) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return func(yield func(handle.Request, error) bool) {
		n := 0
		for r, err := range s.Store.Since(ctx, t) {
			if n++; n > 2 {
				yield(handle.Request{}, errRead)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func TestRequestsReadBeforeAnErrorArePrinted(t *testing.T) {
	for format, lines := range map[string]int{"text": 12, "csv": 3} {
		out, err := audit(t, failing{archive(t)}, Command{Format: format})
		if !errors.Is(err, errRead) {
			t.Errorf("%s: %v, want %v", format, err, errRead)
		}
		if n := strings.Count(out, "\n"); n != lines {
			t.Errorf("%s: %d lines, want %d:\n%s", format, n, lines, out)
		}
		if strings.Contains(out, "2 requests") {
			t.Errorf("%s: an incomplete list has totals:\n%s", format, out)
		}
	}
}

// oursXML is Countersign's stack, as in the example of
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
const oursXML = `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>` +
	`<StackName>countersign</StackName><Outputs><member><OutputKey>BotUrl</OutputKey><OutputValue>https://bot.example.com</OutputValue></member>` +
	`<member><OutputKey>TableName</OutputKey><OutputValue>countersign-Table-1ABC</OutputValue></member></Outputs>` +
	`</member></Stacks></DescribeStacksResult></DescribeStacksResponse>`

func TestTableOfStack(t *testing.T) {
	const missing = `<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>ValidationError</Code>` +
		`<Message>Stack with id countersign does not exist</Message></Error><RequestId>b9b4b068-3a41-11e5-94eb-example</RequestId></ErrorResponse>`
	for _, test := range []struct {
		name   string
		status int
		answer string
		table  string
		advice string
	}{
		{"ours", http.StatusOK, oursXML, "countersign-Table-1ABC", ""},
		{"another", http.StatusOK, strings.ReplaceAll(oursXML, "TableName", "Other"), "", "has no output TableName"},
		{"none", http.StatusBadRequest, missing, "", "does not exist. Name Countersign's stack with --stack"},
		{"denied", http.StatusForbidden, strings.ReplaceAll(missing, "ValidationError", "AccessDenied"), "", "countersign audit --print-policy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.FormValue("StackName"); got != "countersign" {
					t.Errorf("asked for %q", got)
				}
				w.Header().Set("Content-Type", "text/xml")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.answer))
			}))
			defer server.Close()
			client := cloudformation.NewFromConfig(aws.Config{
				Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
			})
			got, err := readStack(t.Context(), client, "countersign")
			if got.table != test.table || (err == nil) != (test.advice == "") {
				t.Fatalf("%q, %v", got.table, err)
			}
			if err != nil && !strings.Contains(explain(err), test.advice) {
				t.Errorf("%q, want …%s…", explain(err), test.advice)
			}
		})
	}
}
