package doctor

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"countersign/deploy/internal/function"
	"countersign/handle"
)

// deployedFunction is a Lambda function as Lambda describes it.
type deployedFunction struct {
	name, arn   string
	state       types.State
	stateReason string
	update      types.LastUpdateStatus
	runtime     string
	changed     time.Time
	env         map[string]string
	envError    string // why Lambda cannot decrypt the environment
	logGroup    string // log group
	logLevel    string // the least level of the lines that Lambda keeps; empty for INFO

	concurrency *int32 // reserved; nil if none is or it could not be read
}

const (
	nameBot      = "bot function"
	nameNotifier = "notifier function"
)

// readFunction reads the function that a stack output names.
func (d *doctor) readFunction(ctx context.Context, which, output string) (deployedFunction, error) {
	s, err := d.stack()
	if err != nil {
		return deployedFunction{}, errNeedsStack
	}
	name := s.outputs[output]
	if name == "" {
		return deployedFunction{}, errNeedsStack
	}
	out, err := d.aws.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return deployedFunction{name: name}, err
	}
	f := deployedFunction{
		name: name, arn: aws.ToString(out.FunctionArn),
		state: out.State, stateReason: aws.ToString(out.StateReason), update: out.LastUpdateStatus,
		runtime: string(out.Runtime), env: map[string]string{},
	}
	f.logGroup = "/aws/lambda/" + name
	if l := out.LoggingConfig; l != nil {
		f.logGroup, f.logLevel = cmp.Or(aws.ToString(l.LogGroup), f.logGroup), string(l.ApplicationLogLevel)
	}
	if f.update == types.LastUpdateStatusFailed {
		f.stateReason = aws.ToString(out.LastUpdateStatusReason)
	}
	// Lambda's format, such as 2026-11-20T10:02:03.000+0000
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
		return f, errEnvironment
	}
	return f, nil
}

// logs is the command that shows a function's recent log.
func (d *doctor) logs(f deployedFunction) string {
	return d.cli("logs tail %s --since 15m", f.logGroup)
}

// errEnvironment says that Lambda cannot decrypt a function's environment.
var errEnvironment = errors.New("the function's environment cannot be decrypted")

// errNeedsStack says that a fact depends on the stack, which could not be read.
var errNeedsStack = errors.New("the stack could not be read")

func (d *doctor) checkBot(context.Context) []Finding {
	f, err := d.bot()
	return d.checkFunction(nameBot, f, err, function.RoleBot)
}

func (d *doctor) checkNotifier(context.Context) []Finding {
	f, err := d.notifier()
	return d.checkFunction(nameNotifier, f, err, function.RoleNotifier)
}

func (d *doctor) checkFunction(name string, f deployedFunction, err error, role function.Role) []Finding {
	var gone *types.ResourceNotFoundException
	switch {
	case errors.Is(err, errNeedsStack):
		return []Finding{needs(name, nameStack)}
	case errors.As(err, &gone):
		return []Finding{fault(name, f.name+" does not exist", "It was deleted by hand. "+restore)}
	case err != nil && !errors.Is(err, errEnvironment):
		return []Finding{awsError(name, "lambda:GetFunctionConfiguration", err)}
	}
	findings := []Finding{d.judgeFunction(name, f)}
	if f.envError != "" {
		return findings
	}
	// The check that the function makes when it starts.
	var faults function.Problems
	if _, err := function.ReadConfig(role, f.environ()); errors.As(err, &faults) {
		findings = append(findings, fault(settings(name), strings.Join(faults, "; "),
			"Correct the stack parameters:"+redeploy+"\nIf they are correct, the function was changed by hand. "+restore))
	}
	return findings
}

// environ returns the environment in the form of os.Environ.
func (f deployedFunction) environ() []string {
	var list []string
	for name, value := range f.env {
		list = append(list, name+"="+value)
	}
	return list
}

// settings is the name of the check of a function's environment.
func settings(function string) string { return function + " settings" }

// judgeFunction reports whether the function can run.
func (d *doctor) judgeFunction(name string, f deployedFunction) Finding {
	again := "Redeploy:" + redeploy
	switch {
	case f.envError != "":
		return fault(name, "Lambda cannot decrypt its environment: "+handle.OneLine(f.envError, 200),
			"Most often the KMS key is disabled, or the function's role may not use it. This names the key:"+d.cli("lambda get-function-configuration --function-name %s --query KMSKeyArn", f.name))
	case f.state == types.StateFailed:
		return fault(name, f.name+" has failed"+because(f.stateReason), again)
	case f.update == types.LastUpdateStatusFailed:
		return fault(name, "the last update of "+f.name+" failed"+because(f.stateReason), again)
	case f.concurrency != nil && *f.concurrency == 0:
		return fault(name, f.name+" is disabled: its reserved concurrency is 0", "Enable it:"+d.cli("lambda delete-function-concurrency --function-name %s", f.name))
	case !isSupported(f.runtime):
		return fault(name, f.name+" uses the runtime "+f.runtime+", which AWS no longer updates", "Redeploy this version, which uses provided.al2023:"+redeploy)
	case slices.Contains([]string{"WARN", "ERROR", "FATAL"}, f.logLevel):
		return fault(name, f.name+" logs at level "+f.logLevel+" and above: its metrics are log lines at level INFO, so alarms stay silent", "Set the level to INFO:"+
			d.cli("lambda update-function-configuration --function-name %s --logging-config %s", f.name, "LogFormat=JSON,ApplicationLogLevel=INFO,LogGroup="+f.logGroup))
	case f.state == types.StatePending, f.update == types.LastUpdateStatusInProgress:
		return warning(name, f.name+" is being created or updated", "Wait a minute, then run the doctor again.")
	}
	return ok(name, "%s is active (%s)", f.name, f.runtime)
}

var amazonLinux = regexp.MustCompile(`^provided\.al(\d{4})$`)

// isSupported reports whether AWS updates the runtime: provided.al2023 or
// later. See https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
func isSupported(runtime string) bool {
	m := amazonLinux.FindStringSubmatch(runtime)
	if m == nil {
		return false
	}
	year, err := strconv.Atoi(m[1])
	return err == nil && year >= 2023
}

// Environment variables of the functions that the doctor reads.
var (
	envTable      = function.Variable("Table")
	envSecret     = function.Variable("Secret")
	envTopic      = function.Variable("Topic")
	envURL        = function.Variable("URL")
	envTeam       = function.Variable("SlackTeam")
	envEnterprise = function.Variable("SlackEnterprise")
	envApp        = function.Variable("SlackApp")
	envSlackAPI   = function.Variable("SlackAPI")
	envChannel    = function.Variable("Channel")
	envApprovers  = function.Variable("Approvers")
	envEscalateTo = function.Variable("EscalateTo")
	envReassignTo = function.Variable("ReassignTo")
	envApprovals  = function.Variable("Approvals")
	envUnproven   = function.Variable("UnprovenRequester")
	envMailDomain = function.Variable("MailDomain")
)

// split splits a comma-separated setting.
func split(s string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
