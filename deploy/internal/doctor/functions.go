package doctor

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"countersign/deploy/internal/function"
	"countersign/handle"
)

// deployed is a Lambda function as it is deployed.
type deployed struct {
	name, arn   string
	state       types.State
	stateReason string
	update      types.LastUpdateStatus
	runtime     string
	changed     time.Time
	env         map[string]string
	envError    string // why Lambda cannot read the environment
	log         string // log group

	concurrency *int32 // reserved; nil: none is, or it could not be read
}

const (
	nameBot      = "bot function"
	nameNotifier = "notifier function"
)

// readFunction reads the function that the stack's output names.
func (d *doctor) readFunction(ctx context.Context, which, output string) (deployed, error) {
	s, err := d.stack()
	if err != nil {
		return deployed{}, errNeedsStack
	}
	name := s.outputs[output]
	if name == "" {
		return deployed{}, errNeedsStack
	}
	out, err := d.aws.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return deployed{name: name}, err
	}
	f := deployed{
		name: name, arn: aws.ToString(out.FunctionArn),
		state: out.State, stateReason: aws.ToString(out.StateReason), update: out.LastUpdateStatus,
		runtime: string(out.Runtime), env: map[string]string{},
	}
	f.log = "/aws/lambda/" + name
	if l := out.LoggingConfig; l != nil && aws.ToString(l.LogGroup) != "" {
		f.log = *l.LogGroup
	}
	if f.update == types.LastUpdateStatusFailed {
		f.stateReason = aws.ToString(out.LastUpdateStatusReason)
	}
	// Lambda's own form of time, such as 2026-11-20T10:02:03.000+0000
	f.changed, _ = time.Parse("2006-01-02T15:04:05.000-0700", aws.ToString(out.LastModified))
	if e := out.Environment; e != nil {
		f.env = e.Variables
		if e.Error != nil {
			f.envError = aws.ToString(e.Error.ErrorCode) + ": " + aws.ToString(e.Error.Message)
		}
	}
	if c, err := d.aws.lambda.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: &name}); err == nil {
		f.concurrency = c.ReservedConcurrentExecutions
	}
	if f.envError != "" {
		return f, errLocked
	}
	return f, nil
}

// logs is the command that shows what a function has said lately.
func (d *doctor) logs(f deployed) string {
	return d.cli("logs tail " + f.log + " --since 15m")
}

// errLocked says that a function's environment cannot be read, by itself either.
var errLocked = errors.New("the function's environment cannot be read")

// errNeedsStack says that a fact lies behind a stack that could not be read.
var errNeedsStack = errors.New("the stack could not be read")

func (d *doctor) checkBot(context.Context) []Finding {
	f, err := d.bot()
	return d.checkFunction(nameBot, f, err, function.RoleBot)
}

func (d *doctor) checkNotifier(context.Context) []Finding {
	f, err := d.notifier()
	return d.checkFunction(nameNotifier, f, err, function.RoleNotifier)
}

func (d *doctor) checkFunction(name string, f deployed, err error, role function.Role) []Finding {
	var gone *types.ResourceNotFoundException
	switch {
	case errors.Is(err, errNeedsStack):
		return []Finding{needs(name, nameStack)}
	case errors.As(err, &gone):
		return []Finding{fault(name, "the stack names "+f.name+", and there is no such function", "Somebody has deleted it. "+putBack)}
	case err != nil && !errors.Is(err, errLocked):
		return []Finding{unread(name, "lambda:GetFunctionConfiguration", err)}
	}
	findings := []Finding{d.judgeFunction(name, f)}
	if f.envError != "" {
		return findings
	}
	// The functions' own check, on what they are told.
	var faults function.Faults
	if _, err := function.ReadConfig(role, f.environ()); errors.As(err, &faults) {
		findings = append(findings, fault(settings(name), strings.Join(faults, "; "),
			"Correct the stack's parameters:"+redeploy+"\nIf they are right, somebody has changed the function by hand. "+putBack))
	}
	return findings
}

// environ is the environment as a process sees it.
func (f deployed) environ() []string {
	var list []string
	for name, value := range f.env {
		list = append(list, name+"="+value)
	}
	return list
}

// settings is the check of a function's environment.
func settings(function string) string { return function + " settings" }

// judgeFunction says whether the function can run at all.
func (d *doctor) judgeFunction(name string, f deployed) Finding {
	again := "Deploy again:" + redeploy
	switch {
	case f.envError != "":
		return fault(name, "Lambda cannot read its environment: "+handle.OneLine(f.envError, 200),
			"Most often the KMS key is disabled, or the function's role may not use it. Look at the key:"+d.cli("lambda get-function-configuration --function-name "+f.name+" --query KMSKeyArn"))
	case f.state == types.StateFailed:
		return fault(name, f.name+" has failed"+because(f.stateReason), again)
	case f.update == types.LastUpdateStatusFailed:
		return fault(name, "the last update of "+f.name+" failed"+because(f.stateReason), again)
	case f.concurrency != nil && *f.concurrency == 0:
		return fault(name, f.name+" is switched off: its reserved concurrency is 0", "Switch it on:"+d.cli("lambda delete-function-concurrency --function-name "+f.name))
	case !current(f.runtime):
		return fault(name, f.name+" runs on "+f.runtime+", which AWS no longer updates", "Deploy this version, which runs on provided.al2023:"+redeploy)
	case f.state == types.StatePending, f.update == types.LastUpdateStatusInProgress:
		return warning(name, f.name+" is being created or updated", "Wait a minute and run the doctor again.")
	}
	return ok(name, "%s is active, on %s", f.name, f.runtime)
}

var amazonLinux = regexp.MustCompile(`^provided\.al(\d{4})$`)

// current reports whether AWS keeps the runtime up to date: provided.al2023, or
// one after it. See https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
func current(runtime string) bool {
	m := amazonLinux.FindStringSubmatch(runtime)
	if m == nil {
		return false
	}
	year, err := strconv.Atoi(m[1])
	return err == nil && year >= 2023
}

// The functions' settings that the doctor reads.
const (
	envTable      = "COUNTERSIGN_TABLE"
	envSecret     = "COUNTERSIGN_SECRET"
	envTopic      = "COUNTERSIGN_TOPIC"
	envURL        = "COUNTERSIGN_URL"
	envTeam       = "COUNTERSIGN_SLACK_TEAM"
	envEnterprise = "COUNTERSIGN_SLACK_ENTERPRISE"
	envApp        = "COUNTERSIGN_SLACK_APP"
	envSlackAPI   = "COUNTERSIGN_SLACK_API"
	envChannel    = "COUNTERSIGN_CHANNEL"
	envApprovers  = "COUNTERSIGN_APPROVERS"
	envApprovals  = "COUNTERSIGN_APPROVALS"
	envMailDomain = "COUNTERSIGN_MAIL_DOMAIN"
)

// split is a comma-separated setting.
func split(s string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
