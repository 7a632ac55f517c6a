package install

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const headBucket = "s3:HEAD /countersign-111122223333-eu-west-1"

func expectError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one that says %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestUnusableBucketIsRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		head answer
		want string
	}{
		{"in another Region", answer{status: 301, header: http.Header{"X-Amz-Bucket-Region": {"us-east-1"}}}, "is in us-east-1, but Lambda takes code only from a bucket in the stack's Region, eu-west-1"},
		{"in another Region, and readable", answer{header: http.Header{"X-Amz-Bucket-Region": {"us-east-1"}}}, "is in us-east-1"},
		{"of another account", answer{status: 403}, "belongs to another account"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newAWS(t, map[string][]answer{headBucket: {test.head}})
			i, _ := newTest(t)
			_, err := i.upload(t.Context())
			expectError(t, err, test.want)
			if changed := f.changes(); len(changed) > 0 {
				t.Errorf("calls after the refusal: %v", changed)
			}
		})
	}
}

func TestMissingPermissionIsNamed(t *testing.T) {
	denied := `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`
	newAWS(t, map[string][]answer{
		headBucket: {{status: 404}},
		"s3:PUT /countersign-111122223333-eu-west-1": {{status: 403, body: denied}},
	})
	i, _ := newTest(t)
	_, err := i.upload(t.Context())
	expectError(t, err, identity, "is not allowed s3:CreateBucket")
}

// A file under the right key with other content is replaced, not deployed.
func TestOnlyDifferentFilesAreUploaded(t *testing.T) {
	f := newAWS(t, map[string][]answer{headBucket: {{}}})
	i, _ := newTest(t)
	objects := append(i.release.objects, i.release.templateObject())
	for n, o := range objects {
		sum := sha256.Sum256(o.content)
		if n == 0 {
			sum[0]++
		}
		f.answers[headBucket+"/"+o.key] = []answer{{header: http.Header{"X-Amz-Checksum-Sha256": {base64.StdEncoding.EncodeToString(sum[:])}}}}
	}
	put := strings.Replace(headBucket, "HEAD", "PUT", 1) + "/" + objects[0].key
	f.answers[put] = []answer{{}}
	url, err := i.upload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if made := f.changes(); !slices.Equal(made, []string{put}) || !strings.HasSuffix(url, ".amazonaws.com/countersign-111122223333-eu-west-1/"+i.release.templateObject().key) {
		t.Errorf("calls %v, the template is at %s", made, url)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	f := newAWS(t, map[string][]answer{
		"cloudformation:DescribeStacks": {noStack},
		headBucket:                      {{status: 404}},
		"secretsmanager:DescribeSecret": {{status: 400, body: `{"__type": "ResourceNotFoundException"}`}},
	})
	var out bytes.Buffer
	c := Install{flags: flags{Stack: "countersign", Plan: true}, source: source{Release: releaseFolder(t)}, Workspace: "T0EXAMPLE"}
	if err := c.Run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"create the bucket countersign-111122223333-eu-west-1", "create the secret countersign", "create the stack countersign", "SlackTeam to T0EXAMPLE"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the plan does not say %q:\n%s", want, out.String())
		}
	}
	if changed := f.changes(); len(changed) > 0 {
		t.Errorf("--plan called %v", changed)
	}
}

// A pipeline that leaves out values gets all of them named, before anything is changed.
func TestMissingValuesAreNamedTogether(t *testing.T) {
	f := newAWS(t, map[string][]answer{"cloudformation:DescribeStacks": {noStack}})
	err := Install{flags: flags{Stack: "countersign", Yes: true}, source: source{Release: releaseFolder(t)}}.Run(t.Context(), &bytes.Buffer{})
	expectError(t, err, "--workspace", "--channel", "--approvers")
	if changed := f.changes(); len(changed) > 0 {
		t.Errorf("calls: %v", changed)
	}
}

func TestWrongValuesAreNamedTogether(t *testing.T) {
	newAWS(t, map[string][]answer{"cloudformation:DescribeStacks": {noStack}})
	file := filepath.Join(t.TempDir(), "parameters.yaml")
	write(t, file, []byte("Channel: Approvals!\nTimeout: 13h\nNope: x\n"))
	err := Install{flags: flags{Stack: "countersign", Yes: true}, source: source{Release: releaseFolder(t), File: file}}.Run(t.Context(), &bytes.Buffer{})
	expectError(t, err, "Channel must be a channel ID", "Timeout must be from 1h", "no parameter Nope")
}

func TestChangedReleaseIsRefused(t *testing.T) {
	folder := releaseFolder(t)
	write(t, filepath.Join(folder, "bot-arm64.zip"), []byte("other content"))
	_, err := openRelease(folder)
	expectError(t, err, "bot-arm64.zip", "unpack the release again")
	_, err = openRelease(t.TempDir())
	expectError(t, err, "is not an unpacked release", "--release")
}

const (
	resources = `<DescribeStackResourcesResponse><DescribeStackResourcesResult><StackResources><member><LogicalResourceId>Table</LogicalResourceId>` +
		`<PhysicalResourceId>countersign-Table-1</PhysicalResourceId></member></StackResources></DescribeStackResourcesResult></DescribeStackResourcesResponse>`
	oneEvent = `<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents><member><EventId>1</EventId><StackId>x</StackId><StackName>countersign</StackName>` +
		`<LogicalResourceId>countersign</LogicalResourceId><ResourceStatus>DELETE_COMPLETE</ResourceStatus></member></StackEvents></DescribeStackEventsResult></DescribeStackEventsResponse>`
	noEvent = `<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents/></DescribeStackEventsResult></DescribeStackEventsResponse>`
)

// failedStack answers for a stack in ROLLBACK_COMPLETE that can be deleted, and for its
// table, of which scan is the content.
func failedStack(scan string) map[string][]answer {
	return map[string][]answer{
		"cloudformation:DescribeStacks":         {stackIn("ROLLBACK_COMPLETE"), stackIn("DELETE_COMPLETE")},
		"cloudformation:DescribeStackResources": {{body: resources}},
		"cloudformation:DescribeStackEvents":    {{body: noEvent}, {body: oneEvent}},
		"cloudformation:DeleteStack":            {{body: `<DeleteStackResponse/>`}},
		"dynamodb:Scan":                         {{body: scan}},
		"dynamodb:UpdateTable":                  {{body: `{}`}},
		"dynamodb:DescribeTable":                {{body: `{"Table": {"TableStatus": "ACTIVE"}}`}},
		"dynamodb:DeleteTable":                  {{body: `{}`}},
	}
}

func TestFailedStackIsDeletedOnlyWithConsent(t *testing.T) {
	for _, test := range []struct {
		name    string
		lines   []string
		consent bool
		scan    string
		want    []string // calls
		err     string
	}{
		{"not asked", nil, false, "", nil, "--delete-failed"},
		{"refused", []string{"maybe", "n"}, false, "", nil, "--delete-failed"},
		{"agreed, empty table", []string{"y"}, false, `{"Count": 0}`, []string{"cloudformation:DeleteStack", "dynamodb:UpdateTable", "dynamodb:DeleteTable"}, ""},
		{"by flag, table with decisions", nil, true, `{"Count": 1, "Items": [{"StackKey": {"S": "x"}}]}`, []string{"cloudformation:DeleteStack"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newAWS(t, failedStack(test.scan))
			i, out := newTest(t, test.lines...)
			i.deleteFailed = test.consent
			if err := i.awaitStack(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := i.deleteFailedStack(t.Context())
			if test.err != "" {
				expectError(t, err, test.err)
			} else if err != nil {
				t.Fatal(err)
			}
			if made := f.changes(); !slices.Equal(made, test.want) {
				t.Errorf("calls %v, not %v", made, test.want)
			}
			if strings.Contains(test.scan, "Items") && !strings.Contains(out.String(), "countersign-Table-1 holds decisions. It stays.") {
				t.Errorf("the table is not mentioned:\n%s", out)
			}
		})
	}
}

func TestTokenOfOtherWorkspaceIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"ok": true, "team": "Elsewhere", "team_id": "T0ELSEWHERE", "bot_id": "B1"}`))
	}))
	t.Cleanup(server.Close)
	newAWS(t, map[string][]answer{})
	i, _ := newTest(t)
	i.values = map[string]string{"SlackApi": server.URL + "/", "SlackTeam": "T0EXAMPLE"}
	_, err := i.checkToken(t.Context(), "xoxb-x")
	expectError(t, err, "Elsewhere (T0ELSEWHERE)", "members of T0EXAMPLE", "--workspace")
	i.values["SlackEnterprise"] = "E0EXAMPLE"
	_, err = i.checkToken(t.Context(), "xoxb-x")
	expectError(t, err, "E0EXAMPLE")
	_, err = i.checkToken(t.Context(), "xoxp-x")
	expectError(t, err, "begins with xoxb-")
}

// Six questions at most have no default: the Region, these three, and the app's two
// secrets.
func TestAtMostSixQuestions(t *testing.T) {
	if n := 1 + len(questions) + 2; n > 6 {
		t.Errorf("%d questions", n)
	}
}

func TestWrongAnswersAreAskedAgain(t *testing.T) {
	newAWS(t, map[string][]answer{"cloudformation:DescribeStacks": {noStack}})
	i, out := newTest(t, "my team", "https://app.slack.com/client/T0EXAMPLE/C01", "Approvals!", "", "ann@example.com", "U0ANN, S0PLATFORM")
	if err := i.resolveParameters(t.Context(), Install{}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if i.value("SlackTeam") != "T0EXAMPLE" || i.value("Channel") != "#approvals" || i.value("Approvers") != "U0ANN,S0PLATFORM" {
		t.Errorf("the values are %v", i.values)
	}
	for _, want := range []string{"must be a workspace ID", "must be a channel ID", "must be IDs of users"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	i, _ = newTest(t, "T0EXAMPLE")
	expectError(t, i.resolveParameters(t.Context(), Install{}), "run the command again")
}

func event(id, resource, status, reason string) string {
	return `<member><EventId>` + id + `</EventId><StackId>x</StackId><StackName>countersign</StackName><LogicalResourceId>` + resource +
		`</LogicalResourceId><ResourceStatus>` + status + `</ResourceStatus><ResourceStatusReason>` + reason + `</ResourceStatusReason></member>`
}

func eventList(events ...string) answer {
	return answer{body: `<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>` + strings.Join(events, "") + `</StackEvents></DescribeStackEventsResult></DescribeStackEventsResponse>`}
}

// The error names what failed by itself, with CloudFormation's reason: often a missing
// permission. It leaves out what was cancelled, and what an earlier attempt reported.
func TestFailedResourcesAreNamed(t *testing.T) {
	old := event("1", "Old", "CREATE_FAILED", "an earlier attempt")
	newAWS(t, map[string][]answer{
		"cloudformation:CreateChangeSet":   {{body: `<CreateChangeSetResponse><CreateChangeSetResult><Id>arn:set</Id><StackId>` + stackID + `</StackId></CreateChangeSetResult></CreateChangeSetResponse>`}},
		"cloudformation:DescribeChangeSet": {{body: `<DescribeChangeSetResponse><DescribeChangeSetResult><Status>CREATE_COMPLETE</Status><Changes><member/><member/></Changes></DescribeChangeSetResult></DescribeChangeSetResponse>`}},
		"cloudformation:ExecuteChangeSet":  {{body: `<ExecuteChangeSetResponse><ExecuteChangeSetResult/></ExecuteChangeSetResponse>`}},
		"cloudformation:DescribeStacks":    {stackIn("ROLLBACK_COMPLETE")},
		"cloudformation:DescribeStackEvents": {
			eventList(old),
			eventList(event("3", "BotLog", "CREATE_FAILED", "Resource creation cancelled"), event("2", "BotRole", "CREATE_FAILED", "not authorized to perform: iam:CreateRole"), old),
		},
	})
	i, out := newTest(t)
	err := i.apply(t.Context(), "https://example.com/template.yaml")
	expectError(t, err, "ended in ROLLBACK_COMPLETE", "BotRole: not authorized to perform: iam:CreateRole")
	if strings.Contains(err.Error(), "BotLog") || strings.Contains(err.Error(), "Old") {
		t.Errorf("too much: %v", err)
	}
	if !strings.Contains(out.String(), "BotRole ") || strings.Contains(out.String(), "Old ") {
		t.Errorf("the progress is wrong:\n%s", out)
	}
}

// An interrupted command waits for what it had started.
func TestRunningOperationIsAwaited(t *testing.T) {
	newAWS(t, map[string][]answer{
		"cloudformation:DescribeStacks":      {stackIn("CREATE_IN_PROGRESS"), stackIn("CREATE_IN_PROGRESS"), stackIn("CREATE_COMPLETE", "Channel", "#launches")},
		"cloudformation:DescribeStackEvents": {eventList(), eventList(event("1", "Table", "CREATE_COMPLETE", ""))},
	})
	i, out := newTest(t)
	if err := i.awaitStack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if i.stack.status != "CREATE_COMPLETE" || i.value("Channel") != "#launches" || strings.Count(out.String(), "Table ") != 1 {
		t.Errorf("the stack is %+v\n%s", i.stack, out)
	}
}

// A stack that has to be created again keeps its parameters, except for those that are
// given anew.
func TestFailedStackKeepsItsParameters(t *testing.T) {
	newAWS(t, map[string][]answer{"cloudformation:DescribeStacks": {
		stackIn("ROLLBACK_COMPLETE", "SlackTeam", "T0EXAMPLE", "Channel", "#launches", "Approvers", "U0ANN", "Unknown", "x"),
	}})
	i, _ := newTest(t)
	if err := i.awaitStack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := i.resolveParameters(t.Context(), Install{Channel: "#others"}); err != nil {
		t.Fatal(err)
	}
	i.stack = stack{}
	given := map[string]string{}
	for _, p := range i.stackParameters() {
		given[*p.ParameterKey] = *p.ParameterValue
	}
	want := map[string]string{"SlackTeam": "T0EXAMPLE", "Channel": "#others", "Approvers": "U0ANN"}
	if !maps.Equal(given, want) {
		t.Errorf("parameters %v, not %v", given, want)
	}
}

// An upgrade keeps the parameters that it does not set, also those of a deployment made
// with SAM.
func TestUpgradeKeepsParameters(t *testing.T) {
	newAWS(t, map[string][]answer{"cloudformation:DescribeStacks": {stackIn("UPDATE_COMPLETE", "Channel", "#launches", "Gone", "x")}})
	i, _ := newTest(t)
	if err := i.awaitStack(t.Context()); err != nil {
		t.Fatal(err)
	}
	i.values["CodeBucket"] = "b-x"
	list := i.stackParameters()
	if len(list) != 2 || *list[0].ParameterKey != "Channel" || !*list[0].UsePreviousValue || *list[1].ParameterValue != "b-x" {
		t.Errorf("parameters %+v", list)
	}
}
