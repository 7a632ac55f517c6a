package doctor

import (
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"countersign/handle"
)

// A shell reads every quoted value as one word, the value itself.
func TestShellReadsQuotedValues(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.OneOf(rapid.StringN(0, 40, -1), rapid.StringMatching("[$`'\"\\\\;&|()<> a-z*?~#!-]{0,20}")), 1, 8).Draw(t, "texts")
		script, want := "printf '%s\\n'", ""
		for _, text := range texts {
			script += " " + shellQuote(text)
			want += handle.OneLine(text, maxValue) + "\n"
		}
		out, err := exec.Command(sh, "-c", script).CombinedOutput()
		if err != nil || string(out) != want {
			t.Fatalf("%s printed %q, want %q, %v", script, out, want, err)
		}
	})
}

// Values that AWS returns do not end the words of a printed command.
func TestPrintedCommandsAreQuoted(t *testing.T) {
	const hostile = "x; touch /tmp/owned $(id) `id` 'y"
	const quoted = `'x; touch /tmp/owned $(id) ` + "`id`" + ` '\''y'`
	p := newFixture(t)
	p.command.Stack, p.command.Profile = hostile, hostile
	p.aws.stackName = hostile
	for _, f := range p.aws.functions {
		f.config["LoggingConfig"] = map[string]string{"LogGroup": hostile}
	}
	p.aws.topics[mailTopicARN].subscriptions = [][2]string{{hostile, "PendingConfirmation"}}
	p.aws.alarms[0]["StateValue"], p.aws.alarms[0]["AlarmName"] = "ALARM", hostile
	p.aws.rules["countersign-sweep"].State = "DISABLED"
	p.aws.messages = 1
	p.aws.outputs["FailureQueueUrl"] = hostile
	commands := 0
	for _, f := range p.doctor().checkAll(t.Context()).Findings {
		for line := range strings.Lines(f.Do) {
			command := strings.TrimSpace(line)
			if !strings.HasPrefix(line, "  ") || !strings.HasPrefix(command, "aws ") && !strings.HasPrefix(command, "go run ") && !strings.HasPrefix(command, "sam ") {
				continue
			}
			if strings.Contains(command, "owned") {
				commands++
			}
			if rest := strings.ReplaceAll(command, quoted, ""); strings.Contains(rest, "owned") || strings.Contains(rest, "$(") {
				t.Errorf("%s: a value is not quoted: %s", f.Name, command)
			}
		}
	}
	if commands < 4 {
		t.Errorf("only %d commands have the value", commands)
	}
}

// A deployment from a release can be fixed without the sources.
func TestAdviceForReleaseNeedsNoSources(t *testing.T) {
	for _, released := range []bool{false, true} {
		d := &doctor{Command: Command{Stack: "c"}, region: "eu-west-1"}
		d.facts.stack = func() (stack, error) { return stack{released: released}, nil }
		findings := []Finding{{Do: "Correct it:" + redeploy}, {Do: "Again:" + doctorCommand}, {Do: "Check:" + sourceCommand + "gate lint TEMPLATE"}}
		d.completeCommands(findings)
		want := []string{
			"Correct it:\n  sam build --template deploy/template.yaml && sam deploy --guided --stack-name c --region eu-west-1",
			"Again:\n  go run ./deploy/countersign doctor --stack c --region eu-west-1",
			"Check:\n  go run ./deploy/countersign gate lint TEMPLATE",
		}
		if released {
			want = []string{
				"Correct it:\n  countersign upgrade --set NAME=VALUE --stack c --region eu-west-1",
				"Again:\n  countersign doctor --stack c --region eu-west-1",
				"Check:\n  countersign gate lint TEMPLATE",
			}
		}
		for i, f := range findings {
			if f.Do != want[i] {
				t.Errorf("%q, not %q", f.Do, want[i])
			}
		}
	}
}
