package install

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"go.yaml.in/yaml/v4"
)

// resolveParameters determines the values of the stack's parameters from file, flags and
// questions. It asks only for what the stack does not have.
func (i *installer) resolveParameters(ctx context.Context, c Install) error {
	if err := i.readValues(); err != nil {
		return err
	}
	i.keepParameters()
	for name, value := range map[string]string{teamParameter(c.Workspace): c.Workspace, "Channel": c.Channel, "Approvers": c.Approvers} {
		if value != "" {
			i.values[name] = value
		}
	}
	if err := i.checkValues(); err != nil {
		return err
	}
	if i.token != "" {
		if err := i.workspaceOfToken(ctx); err != nil {
			return err
		}
	}
	var missing []string
	for _, q := range questions {
		if q.answered(i) {
			continue
		}
		if i.silent {
			missing = append(missing, q.flag)
			continue
		}
		if err := i.answer(ctx, q); err != nil {
			return err
		}
	}
	if len(missing) > 0 && !i.Plan {
		return fmt.Errorf("missing: %s", strings.Join(missing, ", "))
	}
	return nil
}

// readValues reads the file and the flag --set.
func (i *installer) readValues() error {
	if i.File != "" {
		content, err := os.ReadFile(i.File)
		if err != nil {
			return err
		}
		if err := yaml.Unmarshal(content, &i.values); err != nil {
			return fmt.Errorf("%s must map parameters to texts: %w", i.File, err)
		}
	}
	if i.values == nil {
		i.values = map[string]string{}
	}
	maps.Copy(i.values, i.Set)
	return i.checkValues()
}

// keepParameters keeps the parameters of a stack that has to be created again.
func (i *installer) keepParameters() {
	if i.stack.exists() && !i.stack.failed() {
		return
	}
	for name, value := range i.stack.parameters {
		_, known := i.release.rules[name]
		if _, given := i.values[name]; known && !given {
			i.values[name] = value
		}
	}
}

func (i *installer) checkValues() error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(i.values)) {
		if err := i.release.check(name, i.values[name]); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// value returns the value that a parameter will have; "" for the template's default.
func (i *installer) value(name string) string {
	if v, given := i.values[name]; given {
		return v
	}
	return i.stack.parameters[name]
}

// question asks for a parameter that has no default.
type question struct {
	text, flag, fallback string
	parameter            func(answer string) string
	answered             func(*installer) bool
}

var questions = []question{
	{
		text: "Slack workspace: the T… (or for a whole Enterprise Grid, the E…) in Slack's address in a browser", flag: "--workspace",
		parameter: teamParameter,
		answered:  func(i *installer) bool { return i.value("SlackTeam")+i.value("SlackEnterprise") != "" },
	},
	{
		text: "Slack channel for requests, a name with # or an ID", flag: "--channel", fallback: "#approvals",
		parameter: func(string) string { return "Channel" },
		answered:  func(i *installer) bool { return i.value("Channel")+i.value("MailAddress") != "" },
	},
	{
		text: "Who may approve: IDs of Slack users (U…) and user groups (S…), separated by commas", flag: "--approvers",
		parameter: func(string) string { return "Approvers" },
		answered: func(i *installer) bool {
			return i.value("Approvers") != "" || i.value("Channel") == "" && i.value("MailAddress") != ""
		},
	},
}

func teamParameter(id string) string {
	if strings.HasPrefix(id, "E") {
		return "SlackEnterprise"
	}
	return "SlackTeam"
}

var teamInAddress = regexp.MustCompile(`\b[TE][A-Z0-9]{2,20}\b`)

func (i *installer) answer(ctx context.Context, q question) error {
	_, err := i.ask(ctx, q.text, q.fallback, func(s string) error {
		if s == "" {
			return errors.New("this has no default")
		}
		if q.flag == "--workspace" && strings.Contains(s, "/") { // an address was pasted
			s = teamInAddress.FindString(s)
		}
		s = strings.ReplaceAll(s, " ", "")
		name := q.parameter(s)
		if err := i.release.check(name, s); err != nil {
			return err
		}
		before, had := i.values[name]
		i.values[name] = s
		if err := i.checkWithSlack(ctx, name); err != nil {
			delete(i.values, name)
			if had {
				i.values[name] = before
			}
			return err
		}
		return nil
	})
	return err
}

// stackParameters are the values for a change set: those that were given, and the
// stack's own for the others.
func (i *installer) stackParameters() (list []types.Parameter) {
	for _, name := range slices.Sorted(maps.Keys(i.release.rules)) {
		p := types.Parameter{ParameterKey: &name}
		if value, given := i.values[name]; given {
			p.ParameterValue = &value
		} else if _, has := i.stack.parameters[name]; has && i.stack.exists() {
			yes := true
			p.UsePreviousValue = &yes
		} else {
			continue
		}
		list = append(list, p)
	}
	return list
}

// deploy brings bucket, secret and stack to what the release and the values say.
func (i *installer) deploy(ctx context.Context) error {
	if i.stack.failed() {
		if err := i.deleteFailedStack(ctx); err != nil {
			return err
		}
	}
	url, err := i.upload(ctx)
	if err != nil {
		return err
	}
	i.values["CodeBucket"] = i.bucketName()
	if i.value("SecretArn") == "" {
		if i.values["SecretArn"], err = i.ensureSecret(ctx); err != nil {
			return err
		}
	}
	return i.apply(ctx, url)
}

// plan says what the command would do.
func (i *installer) plan(ctx context.Context) error {
	found, err := i.findBucket(ctx)
	if err != nil {
		return err
	}
	arn := i.value("SecretArn")
	if arn == "" {
		if arn, err = i.findSecret(ctx); err != nil {
			return err
		}
	}
	do := func(format string, args ...any) { fmt.Fprintf(i.prompt, "- "+format+"\n", args...) }
	fmt.Fprintf(i.prompt, "\nWith release %s, this would be done. Nothing has been changed.\n\n", i.release.version)
	if i.stack.failed() {
		do("delete the stack %s, which is in %s, if you agree", i.Stack, i.stack.status)
	}
	if !found {
		do("create the bucket %s, encrypted and without public access", i.bucketName())
	}
	do("upload the files that the bucket %s lacks: %d zips and the template", i.bucketName(), len(i.release.objects))
	if arn == "" {
		do("create the secret %s", i.Stack)
	}
	switch {
	case !i.stack.exists() || i.stack.failed():
		do("create the stack %s", i.Stack)
	case i.stack.running():
		do("wait for the stack %s, which is in %s, and update it", i.Stack, i.stack.status)
	default:
		do("update the stack %s, which is in %s", i.Stack, i.stack.status)
	}
	for _, name := range slices.Sorted(maps.Keys(i.values)) {
		do("set the parameter %s to %s", name, i.values[name])
	}
	do("check the deployment")
	return nil
}
