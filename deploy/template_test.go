package deploy

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"countersign/deploy/internal/function"
	"countersign/handle"
	"countersign/handle/dynamo"
)

// read parses a template. A tag becomes a map with one member, such as
// {"Ref": "Table"}.
func read(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return plain(root.Content[0]).(map[string]any)
}

func plain(n *yaml.Node) any {
	var v any
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		v = m
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, plain(c))
		}
		v = list
	default:
		v = n.Value
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return map[string]any{n.Tag[1:]: v}
	}
	return v
}

// walk calls f for every map below v.
func walk(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		f(v)
		for _, c := range v {
			walk(c, f)
		}
	case []any:
		for _, c := range v {
			walk(c, f)
		}
	}
}

func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

var substituted = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

func TestReferencesResolve(t *testing.T) {
	for _, name := range templates(t) {
		template := read(t, name)
		known := func(id string, local map[string]any) bool {
			id, _, _ = strings.Cut(id, ".")
			return strings.HasPrefix(id, "AWS::") || at(template, "Parameters", id) != nil ||
				at(template, "Resources", id) != nil || local[id] != nil
		}
		walk(template, func(m map[string]any) {
			for _, tag := range []string{"Ref", "GetAtt"} {
				if id, ok := m[tag].(string); ok && !known(id, nil) {
					t.Errorf("%s: !%s %s does not resolve", name, tag, id)
				}
			}
			for _, tag := range []string{"Condition", "If"} {
				id, ok := m[tag].(string)
				if list, is := m[tag].([]any); is {
					id, ok = list[0].(string)
				}
				if ok && at(template, "Conditions", id) == nil {
					t.Errorf("%s: condition %s does not exist", name, id)
				}
			}
			text, local := "", map[string]any(nil)
			switch sub := m["Sub"].(type) {
			case string:
				text = sub
			case []any:
				text, local = sub[0].(string), sub[1].(map[string]any)
			}
			for _, found := range substituted.FindAllStringSubmatch(text, -1) {
				if !known(found[1], local) {
					t.Errorf("%s: %s in !Sub does not resolve", name, found[0])
				}
			}
		})
	}
}

func templates(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, name := range []string{"template.yaml", "product.yaml", "catalog.yaml"} {
		if _, err := os.Stat(name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func TestTableMatchesTheStore(t *testing.T) {
	properties := at(read(t, "template.yaml"), "Resources", "Table", "Properties")
	keys := func(v any) (out []string) {
		for _, k := range v.([]any) {
			out = append(out, at(k, "AttributeName").(string)+" "+at(k, "KeyType").(string))
		}
		return out
	}
	want := dynamo.Table("x")
	got := map[string][]string{"": keys(at(properties, "KeySchema"))}
	for _, i := range at(properties, "GlobalSecondaryIndexes").([]any) {
		got[at(i, "IndexName").(string)] = append(keys(at(i, "KeySchema")), at(i, "Projection", "ProjectionType").(string))
	}
	wanted := map[string][]string{}
	for _, k := range want.KeySchema {
		wanted[""] = append(wanted[""], *k.AttributeName+" "+string(k.KeyType))
	}
	for _, i := range want.GlobalSecondaryIndexes {
		for _, k := range i.KeySchema {
			wanted[*i.IndexName] = append(wanted[*i.IndexName], *k.AttributeName+" "+string(k.KeyType))
		}
		wanted[*i.IndexName] = append(wanted[*i.IndexName], string(i.Projection.ProjectionType))
	}
	if d := cmp.Diff(wanted, got); d != "" {
		t.Errorf("keys (-store +template):\n%s", d)
	}
	var attributes []string
	for _, a := range at(properties, "AttributeDefinitions").([]any) {
		attributes = append(attributes, at(a, "AttributeName").(string)+" "+at(a, "AttributeType").(string))
	}
	var stores []string
	for _, a := range want.AttributeDefinitions {
		stores = append(stores, *a.AttributeName+" "+string(a.AttributeType))
	}
	if d := cmp.Diff(stores, attributes); d != "" {
		t.Errorf("attributes (-store +template):\n%s", d)
	}
	if got := at(properties, "BillingMode"); got != string(want.BillingMode) {
		t.Errorf("BillingMode is %v", got)
	}
}

func TestTableOutlivesTheStack(t *testing.T) {
	table := at(read(t, "template.yaml"), "Resources", "Table")
	if at(table, "DeletionPolicy") != "Retain" || at(table, "UpdateReplacePolicy") != "Retain" ||
		at(table, "Properties", "DeletionProtectionEnabled") != "true" ||
		at(table, "Properties", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != "true" {
		t.Error("the table must be retained, protected and recoverable")
	}
}

// maxOutput is CloudFormation's limit for outputs. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const maxOutput = 4096 // bytes

func TestSlackManifestOutputIsSlackYAML(t *testing.T) {
	text := at(read(t, "template.yaml"), "Outputs", "SlackManifest", "Value", "Sub").([]any)[0].(string)
	if len(text)+200 > maxOutput {
		t.Errorf("the output SlackManifest has %d bytes", len(text))
	}
	var got, want any
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "${Address}", "https://countersign.example")), &got); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("slack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(file, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-slack.yaml +SlackManifest:\n%s", d)
	}
}

func TestPoliciesHaveNoWildcards(t *testing.T) {
	for _, name := range []string{"template.yaml", "catalog.yaml"} {
		walk(read(t, name), func(m map[string]any) {
			if m["Effect"] != "Allow" || m["Sid"] == "Templates" || m["Sid"] == "DescribeAlarms" || m["Sid"] == "Names" { // of stacks that do not exist yet; of all alarms; of any account's products
				return
			}
			for _, part := range []string{"Action", "Resource"} {
				walked, ok := m[part].([]any)
				if !ok {
					walked = []any{m[part]}
				}
				for _, v := range walked {
					if s, ok := v.(string); ok && (s == "*" || part == "Action" && strings.Contains(s, "*")) {
						t.Errorf("%s: %s: %s", name, part, s)
					}
				}
			}
		})
	}
}

// Clicks do not look for grants, and launches show no lists, so neither function may
// query the other's index.
func TestEachFunctionQueriesItsOwnIndex(t *testing.T) {
	who := map[string][]string{}
	for id, r := range at(read(t, "template.yaml"), "Resources").(map[string]any) {
		if at(r, "Type") == "AWS::DynamoDB::Table" {
			continue
		}
		walk(r, func(m map[string]any) {
			for _, index := range []string{"Grants", "Open"} {
				if strings.Contains(fmt.Sprint(m["Resource"]), "/index/"+index) {
					who[index] = append(who[index], fmt.Sprintf("%s %v", id, m["Action"]))
				}
			}
		})
	}
	want := map[string][]string{"Grants": {"NotifierRole dynamodb:Query"}, "Open": {"BotRole dynamodb:Query"}}
	if !reflect.DeepEqual(who, want) {
		t.Errorf("access to the indexes: got %v, want %v", who, want)
	}
}

func TestLogsExpire(t *testing.T) {
	for id, r := range at(read(t, "template.yaml"), "Resources").(map[string]any) {
		if at(r, "Type") == "AWS::Logs::LogGroup" && at(r, "Properties", "RetentionInDays") == nil {
			t.Errorf("%s has no RetentionInDays", id)
		}
	}
}

func TestAccessLogsHoldNoMailTicket(t *testing.T) {
	format := at(read(t, "template.yaml"), "Resources", "ApiStage", "Properties", "AccessLogSettings", "Format").(string)
	for _, path := range []string{"$context.path", "$context.customDomain", "$context.error", "$context.authorizer"} {
		if strings.Contains(format, path) {
			t.Errorf("the access log format has %s", path)
		}
	}
}

// The rule also matches UPDATE_IN_PROGRESS, so that an update that bypasses its gate is
// found while it can still be cancelled.
func TestStatusRuleMatchesFinalStatuses(t *testing.T) {
	rule := at(read(t, "template.yaml"), "Resources", "StackStatus", "Properties", "EventPattern", "detail", "status-details", "status")
	matched := rule.([]any)
	for _, s := range matched {
		if s != "UPDATE_IN_PROGRESS" && !handle.FinalStatus(s.(string)) {
			t.Errorf("%v is not final", s)
		}
	}
	if !slices.Contains(matched, any("UPDATE_IN_PROGRESS")) {
		t.Error("the start of an update does not match the rule")
	}
	for _, what := range []string{"CREATE", "ROLLBACK", "UPDATE", "UPDATE_ROLLBACK", "DELETE"} {
		for _, end := range []string{"_COMPLETE", "_FAILED"} {
			if handle.FinalStatus(what+end) && !slices.Contains(matched, any(what+end)) {
				t.Errorf("%s does not match the rule", what+end)
			}
		}
	}
}

func TestTemplateHasTheOutputsThatOthersRead(t *testing.T) {
	template := read(t, "template.yaml")
	for _, name := range []string{"ServiceToken", "ServiceTokenForOtherAccounts", "SlackRequestUrl", "SlackManifest", "BotUrl",
		"TableName", "MailTopicArn", "BotFunctionName", "NotifierFunctionName", "FailureQueueUrl"} {
		if at(template, "Outputs", name, "Value") == nil {
			t.Errorf("output %s does not exist", name)
		}
	}
}

// The template sets exactly the variables that each function reads, except Origins,
// which is for tests. Only the bot needs to know the Slack app, and only the notifier
// when to remind and whom else to ask: it stores that with each request.
func TestTemplateSetsTheFunctionsVariables(t *testing.T) {
	template := read(t, "template.yaml")
	for name, without := range map[string][]string{
		"BotFunction":      {"Origins", "Reminders", "WorkingHours", "TimeZone", "EscalateAfter", "EscalateTo", "ReassignTo"},
		"NotifierFunction": {"Origins", "SlackApp"},
	} {
		set := map[string]bool{}
		for _, v := range []any{at(template, "Globals", "Function"), at(template, "Resources", name, "Properties")} {
			for variable := range at(v, "Environment", "Variables").(map[string]any) {
				set[variable] = true
			}
		}
		want := map[string]bool{}
		for _, variable := range function.Variables() {
			want[variable] = true
		}
		for _, field := range without {
			delete(want, function.Variable(field))
		}
		if d := cmp.Diff(want, set); d != "" {
			t.Errorf("%s: -functions +template:\n%s", name, d)
		}
	}
}

// Both functions may make the reads that check an event, on gated stacks only.
func TestFunctionsMayReadStacks(t *testing.T) {
	template := read(t, "template.yaml")
	for _, role := range []string{"BotRole", "NotifierRole"} {
		if d := cmp.Diff([]any{map[string]any{"Ref": "SettlePolicy"}}, at(template, "Resources", role, "Properties", "ManagedPolicyArns")); d != "" {
			t.Errorf("%s: %s", role, d)
		}
	}
	statement := sid(t, at(template, "Resources", "SettlePolicy", "Properties", "PolicyDocument"), "Stacks")
	want := []any{"cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents", "cloudformation:DescribeStackResources", "cloudformation:GetTemplate"}
	if d := cmp.Diff(want, statement["Action"]); d != "" {
		t.Error(d)
	}
	for _, resource := range statement["Resource"].([]any) {
		if text := at(resource, "Sub").(string); !strings.HasSuffix(text, "${StackPrefix}*/*") {
			t.Errorf("%s is not limited to StackPrefix", text)
		}
	}
}

// The notifier may read the names of products, which other accounts may own. Nothing else
// of Service Catalog is allowed, and nothing to the bot.
func TestNotifierMayReadProductNames(t *testing.T) {
	template := read(t, "template.yaml")
	var found []any
	for _, policy := range at(template, "Resources", "NotifierRole", "Properties", "Policies").([]any) {
		if at(policy, "PolicyName") == "names" {
			found = at(policy, "PolicyDocument", "Statement").([]any)
		}
	}
	want := []any{map[string]any{"Sid": "Names", "Effect": "Allow", "Action": "servicecatalog:DescribeProductAsAdmin", "Resource": "*"}}
	if d := cmp.Diff(want, found); d != "" {
		t.Error(d)
	}
	if n := strings.Count(fmt.Sprint(template), "servicecatalog:"); n != 1 {
		t.Errorf("the template names %d actions of Service Catalog, want 1", n)
	}
}

// Only with CancelUnapprovedUpdates may the functions change a stack, and only cancel
// updates of gated ones.
func TestFunctionsMayCancelUpdatesOnlyIfEnabled(t *testing.T) {
	template := read(t, "template.yaml")
	policy := at(template, "Resources", "CancelPolicy")
	if at(policy, "Condition") != "CancelsUpdates" {
		t.Error("CancelPolicy has no condition")
	}
	want := map[string]any{"Equals": []any{map[string]any{"Ref": "CancelUnapprovedUpdates"}, "true"}}
	if d := cmp.Diff(want, at(template, "Conditions", "CancelsUpdates")); d != "" {
		t.Error(d)
	}
	statements := at(policy, "Properties", "PolicyDocument", "Statement").([]any)
	if len(statements) != 1 || at(statements[0], "Action") != "cloudformation:CancelUpdateStack" {
		t.Fatalf("CancelPolicy allows %v", statements)
	}
	for _, resource := range at(statements[0], "Resource").([]any) {
		if text := at(resource, "Sub").(string); !strings.HasSuffix(text, "${StackPrefix}*/*") {
			t.Errorf("%s is not limited to StackPrefix", text)
		}
	}
	text, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "cloudformation:CancelUpdateStack"); n != 1 {
		t.Errorf("%d statements allow cloudformation:CancelUpdateStack", n)
	}
}

// sid returns the statement of a policy with that Sid.
func sid(t *testing.T, policy any, id string) map[string]any {
	t.Helper()
	for _, s := range at(policy, "Statement").([]any) {
		if at(s, "Sid") == id {
			return s.(map[string]any)
		}
	}
	t.Fatalf("no statement %s", id)
	return nil
}

// Without EnforceGate the stack has nothing of the hook. Its mode is EnforceGate's, it
// is invoked for the stacks with the prefix only, so that other stacks do not depend on
// it, and its function has permissions on nothing but its log.
func TestHookExistsOnlyIfEnforced(t *testing.T) {
	template := read(t, "template.yaml")
	if d := cmp.Diff(map[string]any{"Not": []any{map[string]any{"Equals": []any{map[string]any{"Ref": "EnforceGate"}, "off"}}}}, at(template, "Conditions", "EnforcesGate")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]any{"Equals": []any{map[string]any{"Ref": "EnforceGate"}, "fail"}}, at(template, "Conditions", "RefusesStacks")); d != "" {
		t.Error(d)
	}
	if got := at(template, "Parameters", "EnforceGate", "Default"); got != "off" {
		t.Errorf("the default is %v", got)
	}
	for id, r := range at(template, "Resources").(map[string]any) {
		if strings.HasPrefix(id, "Hook") != (at(r, "Condition") == "EnforcesGate") {
			t.Errorf("%s has the condition %v", id, at(r, "Condition"))
		}
	}
	want := map[string]any{
		"FailureMode":      map[string]any{"If": []any{"RefusesStacks", "FAIL", "WARN"}},
		"HookStatus":       "ENABLED",
		"TargetOperations": []any{"STACK"},
		"TargetFilters":    map[string]any{"Actions": []any{"CREATE", "UPDATE"}},
		"StackFilters": map[string]any{"FilteringCriteria": "ALL", "StackNames": map[string]any{"Include": []any{
			map[string]any{"Sub": "${StackPrefix}*"}, map[string]any{"Sub": "StackSet-${StackPrefix}*"}}}},
		"LambdaFunction": map[string]any{"GetAtt": "HookFunction.Arn"},
		"ExecutionRole":  map[string]any{"GetAtt": "HookInvokeRole.Arn"},
	}
	got := maps.Clone(at(template, "Resources", "Hook", "Properties").(map[string]any))
	delete(got, "Alias")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]any{"COUNTERSIGN_STACK_PREFIX": map[string]any{"Ref": "StackPrefix"}}, at(template, "Resources", "HookFunction", "Properties", "Environment", "Variables")); d != "" {
		t.Error(d)
	}
	for role, want := range map[string]struct{ action, resource any }{
		"HookRole":       {[]any{"logs:CreateLogStream", "logs:PutLogEvents"}, map[string]any{"GetAtt": "HookLog.Arn"}},
		"HookInvokeRole": {"lambda:InvokeFunction", map[string]any{"GetAtt": "HookFunction.Arn"}},
	} {
		properties := at(template, "Resources", role, "Properties")
		policies := at(properties, "Policies").([]any)
		statements := at(policies[0], "PolicyDocument", "Statement").([]any)
		if len(policies) != 1 || len(statements) != 1 || at(properties, "ManagedPolicyArns") != nil ||
			!reflect.DeepEqual(at(statements[0], "Action"), want.action) || !reflect.DeepEqual(at(statements[0], "Resource"), want.resource) {
			t.Errorf("%s: %v", role, policies)
		}
	}
}

// LaunchRoles narrows who may publish launches, within the organization.
func TestLaunchTopicIsLimitedToLaunchRoles(t *testing.T) {
	template := read(t, "template.yaml")
	got := sid(t, at(template, "Resources", "LaunchTopicPolicy", "Properties", "PolicyDocument"), "Organization")["Condition"]
	want := map[string]any{
		"StringEquals": map[string]any{"aws:PrincipalOrgID": map[string]any{"Ref": "OrganizationId"}},
		"ArnLike": map[string]any{"If": []any{"HasLaunchRoles",
			map[string]any{"aws:PrincipalArn": map[string]any{"Sub": "arn:*:iam::*:role/${LaunchRoles}"}},
			map[string]any{"Ref": "AWS::NoValue"}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	narrowed := map[string]any{"Not": []any{map[string]any{"Equals": []any{map[string]any{"Ref": "LaunchRoles"}, "*"}}}}
	if d := cmp.Diff(narrowed, at(template, "Conditions", "HasLaunchRoles")); d != "" {
		t.Error(d)
	}
}

// Each route of the API has limits of its own, so that a flood of mailed links does not
// throttle clicks. Slack's are higher than what the bot serves.
func TestRoutesAreThrottledSeparately(t *testing.T) {
	template := read(t, "template.yaml")
	stage := at(template, "Resources", "ApiStage")
	settings := at(stage, "Properties", "RouteSettings").(map[string]any)
	for id, r := range at(template, "Resources").(map[string]any) {
		if at(r, "Type") != "AWS::ApiGatewayV2::Route" {
			continue
		}
		key := at(r, "Properties", "RouteKey").(string)
		limits := settings[key]
		if at(limits, "ThrottlingBurstLimit") == nil || at(limits, "ThrottlingRateLimit") == nil || at(limits, "DetailedMetricsEnabled") != "true" {
			t.Errorf("%s: the settings of %s are %v", id, key, limits)
		}
		if !slices.Contains(at(stage, "DependsOn").([]any), any(id)) {
			t.Errorf("the stage must depend on %s: settings of a missing route fail", id)
		}
		delete(settings, key)
	}
	if len(settings) > 0 {
		t.Errorf("settings of routes that do not exist: %v", settings)
	}
}

// With a custom domain, the address that AWS assigns is disabled, so that a WAF in
// front of the domain cannot be avoided.
func TestCustomDomainIsTheOnlyAddress(t *testing.T) {
	got := at(read(t, "template.yaml"), "Resources", "Api", "Properties", "DisableExecuteApiEndpoint")
	if d := cmp.Diff(map[string]any{"If": []any{"HasUrl", "true", "false"}}, got); d != "" {
		t.Error(d)
	}
}

// No alarm rings at installation, before its metric has any data, or on a quiet weekend.
// A new alarm is in INSUFFICIENT_DATA. Without data it goes to ALARM if missing data is
// breaching; it stays there if missing data is missing or ignored; otherwise it is OK. See
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
func TestNoAlarmGoesOffWithoutData(t *testing.T) {
	withoutData := map[string]string{"missing": "INSUFFICIENT_DATA", "ignore": "INSUFFICIENT_DATA", "notBreaching": "OK", "breaching": "ALARM"}
	const perSweep = "OldestPending" // the one metric with data at all times, at a normal value of 0
	alarms := 0
	for id, r := range at(read(t, "template.yaml"), "Resources").(map[string]any) {
		if at(r, "Type") != "AWS::CloudWatch::Alarm" {
			continue
		}
		alarms++
		p := at(r, "Properties").(map[string]any)
		treat, _ := p["TreatMissingData"].(string)
		state, known := withoutData[treat]
		if !known || state == "ALARM" {
			t.Errorf("%s: missing data is %q, so at installation it is in %q", id, treat, state)
		}
		if p["MetricName"] != perSweep && state != "OK" {
			t.Errorf("%s: %v has no data in quiet times, so missing data must be notBreaching, not %q", id, p["MetricName"], treat)
		}
		// An alarm that goes to INSUFFICIENT_DATA must say so.
		if (treat == "missing") != (p["InsufficientDataActions"] != nil) {
			t.Errorf("%s: missing data is %q, InsufficientDataActions are %v", id, treat, p["InsufficientDataActions"])
		}
		if state == "OK" && p["ComparisonOperator"] != "GreaterThanThreshold" {
			t.Errorf("%s would ring at 0: %v", id, p["ComparisonOperator"])
		}
	}
	if alarms < 13 {
		t.Errorf("%d alarms", alarms)
	}
	sweep := at(read(t, "template.yaml"), "Resources", "SweepAlarm", "Properties").(map[string]any)
	got := fmt.Sprint(sweep["Statistic"], sweep["ComparisonOperator"], sweep["Threshold"], sweep["TreatMissingData"])
	if got != "SampleCountLessThanThreshold1missing" {
		t.Errorf("SweepAlarm must ring for missing data only: %s", got)
	}
}

// A new account can reserve no concurrency, so by default nothing is reserved.
func TestConcurrencyIsNotReservedByDefault(t *testing.T) {
	template := read(t, "template.yaml")
	for _, f := range []struct{ function, parameter, condition string }{
		{"BotFunction", "BotConcurrency", "KeepsForBot"}, {"NotifierFunction", "NotifierConcurrency", "KeepsForNotifier"},
	} {
		if got := at(template, "Parameters", f.parameter, "Default"); got != "none" {
			t.Errorf("%s: the default is %v", f.parameter, got)
		}
		allowed := regexp.MustCompile(pattern(t, at(template, "Parameters", f.parameter)))
		for _, value := range []string{"none", "1", "10", "20", "999"} {
			if !allowed.MatchString(value) {
				t.Errorf("%s does not allow %s, which earlier releases did", f.parameter, value)
			}
		}
		want := map[string]any{"If": []any{f.condition, map[string]any{"Ref": f.parameter}, map[string]any{"Ref": "AWS::NoValue"}}}
		if d := cmp.Diff(want, at(template, "Resources", f.function, "Properties", "ReservedConcurrentExecutions")); d != "" {
			t.Errorf("%s: %s", f.function, d)
		}
		none := map[string]any{"Not": []any{map[string]any{"Equals": []any{map[string]any{"Ref": f.parameter}, "none"}}}}
		if d := cmp.Diff(none, at(template, "Conditions", f.condition)); d != "" {
			t.Errorf("%s: %s", f.condition, d)
		}
	}
}

// Floods of requests and of refusals raise alarms, at either kind of endpoint. The
// doctor, tests of the installation and passing scanners do not.
func TestFloodsRaiseAlarms(t *testing.T) {
	for id, want := range map[string]struct {
		metrics []any
		above   float64
	}{
		"BotRefusalAlarm": {[]any{"ByHttpApi", "4xx", "Url4xxCount"}, 100},
		"BotRequestAlarm": {[]any{"ByHttpApi", "Count", "UrlRequestCount"}, 1000},
	} {
		alarm := at(read(t, "template.yaml"), "Resources", id, "Properties")
		if d := cmp.Diff(want.metrics, at(alarm, "MetricName", "If")); d != "" {
			t.Errorf("%s: %s", id, d)
		}
		threshold, err := strconv.ParseFloat(at(alarm, "Threshold").(string), 64)
		if err != nil || threshold < want.above || at(alarm, "DatapointsToAlarm") != "2" || at(alarm, "TreatMissingData") != "notBreaching" || at(alarm, "Statistic") != "Sum" {
			t.Errorf("%s would ring in normal use, or never: %v", id, alarm)
		}
	}
}
