package deploy

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"countersign/deploy/internal/function"
	"countersign/deploy/internal/testtools"
)

// passedOn maps parameters to the environment variables that the template sets from
// them.
func passedOn(template map[string]any) map[string]string {
	variables := map[string]string{}
	for _, v := range []any{at(template, "Globals", "Function"), at(template, "Resources", "BotFunction", "Properties"),
		at(template, "Resources", "NotifierFunction", "Properties")} {
		for variable, value := range at(v, "Environment", "Variables").(map[string]any) {
			if list, joined := at(value, "Join").([]any); joined {
				value = list[1]
			}
			if choice, is := at(value, "If").([]any); is && at(template, "Conditions", choice[0].(string)) != nil {
				value = choice[1] // as with !If [HasUrl, !Ref Url, ...]
			}
			if name, is := at(value, "Ref").(string); is && at(template, "Parameters", name) != nil {
				variables[name] = variable
			}
		}
	}
	return variables
}

// pattern returns a parameter's AllowedPattern, which must match the whole value. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
func pattern(t *testing.T, parameter any) string {
	t.Helper()
	text, is := at(parameter, "AllowedPattern").(string)
	if !is {
		return ""
	}
	if _, err := regexp.Compile(text); err != nil {
		t.Fatal(err)
	}
	return "^(?:" + text + ")$"
}

// configure reads a valid configuration of the bot with more variables.
func configure(more ...string) error {
	_, err := function.ReadConfig(function.RoleBot, append([]string{
		"COUNTERSIGN_ACCOUNT=123456789012",
		"COUNTERSIGN_TABLE=countersign",
		"COUNTERSIGN_SECRET=arn:aws:secretsmanager:eu-west-1:123456789012:secret:countersign-AbCdEf",
		"COUNTERSIGN_SLACK_ENTERPRISE=E0123ABCD",
		"COUNTERSIGN_SLACK_TEAM=T0123ABCD",
	}, more...))
	return err
}

// The functions accept every value that the template allows, so that a wrong
// parameter is refused before anything is deployed.
func TestFunctionsAcceptWhatTheTemplateAllows(t *testing.T) {
	template := read(t, "template.yaml")
	parameters := passedOn(template)
	if len(parameters) < 10 {
		t.Fatalf("only %v are passed to the functions", parameters)
	}
	for name, variable := range parameters {
		parameter := at(template, "Parameters", name)
		if list, is := at(parameter, "AllowedValues").([]any); is {
			for _, value := range list {
				if err := configure(variable + "=" + value.(string)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			continue
		}
		if at(parameter, "Type") == "Number" {
			for _, end := range []string{"MinValue", "MaxValue"} {
				if err := configure(variable + "=" + at(parameter, end).(string)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			continue
		}
		allowed := pattern(t, parameter)
		if allowed == "" {
			t.Errorf("%s has no AllowedPattern", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				value := rapid.StringMatching(allowed).Draw(t, "value")
				if err := configure(variable + "=" + value); err != nil {
					t.Fatalf("the template allows %q, but: %v", value, err)
				}
			})
		})
	}
}

// Every Timeout that the template allows leaves time to decide with every Margin.
func TestAnyTimeoutIsLongerThanAnyMargin(t *testing.T) {
	template := read(t, "template.yaml")
	timeouts, margins := pattern(t, at(template, "Parameters", "Timeout")), pattern(t, at(template, "Parameters", "Margin"))
	rapid.Check(t, func(t *rapid.T) {
		timeout, margin := rapid.StringMatching(timeouts).Draw(t, "timeout"), rapid.StringMatching(margins).Draw(t, "margin")
		if err := configure(function.Variable("Timeout")+"="+timeout, function.Variable("Margin")+"="+margin); err != nil {
			t.Fatal(err)
		}
	})
}

// The template allows typical values and refuses what the functions refuse.
func TestTemplateAllowsTypicalValues(t *testing.T) {
	template := read(t, "template.yaml")
	parameters := passedOn(template)
	for name, values := range map[string]struct{ good, bad string }{
		"SecretArn":       {"arn:aws:secretsmanager:eu-west-1:123456789012:secret:team/countersign-AbCdEf arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:c-a1B2c3", "countersign arn:aws:secretsmanager:eu-west-1:1234:secret:c-AbCdEf arn:aws:ssm:eu-west-1:123456789012:secret:c-AbCdEf"},
		"SlackTeam":       {"T0123ABCD", "E0123ABCD t0123abcd T T0123-ABC"},
		"SlackEnterprise": {"E0123ABCD", "T0123ABCD E"},
		"SlackApp":        {"A0123ABCD", "xapp-1 A"},
		"SlackApi": {"https://slack.com/api/ https://slack-gov.com/api/ https://slack.example.com:8443/a/b/ http://127.0.0.1:8080/api/",
			"http://slack.com/api/ https://slack.com/api https://a:b/ https://:/ https://:443/api/ https:///api/ https://u@slack.com/api/ https://slack.com/api/?a= slack.com/api/"},
		"Channel":       {"C0123ABCD G0123ABCD #approvals #zulassung-für-alle", "approvals @ann D0123ABCD # #a#b"},
		"Approvers":     {"U0123ABCD W0123ABCD S0123ABCD", "@ann ann@example.com C0123ABCD U"},
		"Url":           {"https://approvals.example.com", "http://approvals.example.com https://approvals.example.com/a approvals.example.com"},
		"Timeout":       {"1h 12h 60m 90m 720m", "59m 3m 13h 0h 721m 60 3600s -1h"},
		"GrantFor":      {"0 0h 00h 1h 60m 90m 72h 336h 20160m", "337h 1000h 30m 59m 20161m 1 -1h 3d"},
		"Reminders":     {"50,25,5 50 99,1 50,25,10,5,1 none", "0 100 50% 50; 50,25, ,50 50,,25 1,2,3,4,5,6"},
		"EscalateAfter": {"0 1m 90m 719m 1h 11h", "12h 720m 30s 4 -1h"},
		"EscalateTo":    {"U0123ABCD S0123ABCD,W0123ABCD", "@ann C0123ABCD U0123ABCD;S0123ABCD U0123ABCD,"},
		"ReassignTo":    {"U0123ABCD S0123ABCD,W0123ABCD", "@ann C0123ABCD U0123ABCD;S0123ABCD ,U0123ABCD"},
		"WorkingHours": {"09:00-17:00 08:30-16:45 00:00-24:00 19:00-20:00 23:59-24:00 13:00-21:00 08:00-09:00 22:15-23:30",
			"17:00-09:00 09:00-09:00 9:00-17:00 09:00 09-17 24:00-24:00 09:00-24:01 09:60-17:00 20:00-19:00 Mon-Fri"},
		"Margin":     {"2m 3m 10m 59m", "1m 60m 1h 2 -2m"},
		"Accounts":   {"111122223333=production 111122223333=production,444455556666=sandbox_2", "production=111122223333 11112222333=production 111122223333= 111122223333 111122223333==production"},
		"MailDomain": {"example.com sub.example-bank.co", "@example.com example .example.com -a.com example.c"},
	} {
		allowed := regexp.MustCompile(pattern(t, at(template, "Parameters", name)))
		for value := range strings.FieldsSeq(values.good) {
			if !allowed.MatchString(value) {
				t.Errorf("%s: %q is refused", name, value)
			}
		}
		for value := range strings.FieldsSeq(values.bad) {
			if allowed.MatchString(value) {
				t.Errorf("%s: %q is allowed", name, value)
			}
			var problems function.Problems
			if err := configure(parameters[name] + "=" + value); !errors.As(err, &problems) && name != "Timeout" { // the functions accept shorter ones
				t.Errorf("%s: the functions accept %q", name, value)
			}
		}
	}
}

// The name of a launch role, with wildcards, goes into the ARN in the topic's policy:
// it cannot leave its part of the ARN or name a policy variable.
func TestLaunchRolesIsOneRoleName(t *testing.T) {
	allowed := regexp.MustCompile(pattern(t, at(read(t, "template.yaml"), "Parameters", "LaunchRoles")))
	for _, value := range []string{"*", "SCLaunch-*", "servicecatalog/Launch?", "a+b=c,d.e@f_g"} {
		if !allowed.MatchString(value) {
			t.Errorf("%q is refused", value)
		}
	}
	for _, value := range []string{"", "arn:aws:iam::123456789012:role/Launch", "${aws:PrincipalAccount}", "a b", `a"`, "*:*"} {
		if allowed.MatchString(value) {
			t.Errorf("%q is allowed", value)
		}
	}
}

// The documentation lists every parameter with its default.
func TestDocumentationHasTheParameters(t *testing.T) {
	_, table, found := strings.Cut(testtools.Documentation(t), "| parameter | default | |\n| --- | --- | --- |\n")
	if !found {
		t.Fatal("the documentation has no table of parameters")
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	got := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			break // the table's end
		}
		defaults := quoted.FindAllStringSubmatch(cells[2], -1)
		for i, name := range quoted.FindAllStringSubmatch(cells[1], -1) {
			got[name[1]] = ""
			if i < len(defaults) {
				got[name[1]] = defaults[i][1]
			}
		}
	}
	want := map[string]string{}
	for name, parameter := range at(read(t, "template.yaml"), "Parameters").(map[string]any) {
		want[name], _ = at(parameter, "Default").(string)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-template +documentation:\n%s", diff)
	}
}
