package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const (
	nameSweep      = "sweep schedule"
	nameStatusRule = "stack status rule"
)

// rule is an EventBridge rule that invokes the notifier.
type rule struct {
	name, arn string
	enabled   bool
	schedule  string
	pattern   string
	targets   []string // ARNs
}

// checkSweep checks the schedule that invokes the notifier every minute.
func (d *doctor) checkSweep(ctx context.Context) []Finding {
	return d.checkRule(ctx, nameSweep, "requests do not expire, and failed deliveries are not retried", func(r rule) bool { return r.schedule != "" })
}

// checkStatusRule checks the rule that reports stack status changes to the notifier.
func (d *doctor) checkStatusRule(ctx context.Context) []Finding {
	return d.checkRule(ctx, nameStatusRule, "requesters learn late how their launches ended", func(r rule) bool { return strings.Contains(r.pattern, "aws.cloudformation") })
}

func (d *doctor) checkRule(ctx context.Context, name, harm string, is func(rule) bool) []Finding {
	s, err := d.stack()
	if err != nil {
		return []Finding{needs(name, nameStack)}
	}
	n, err := d.notifier()
	if err != nil {
		return []Finding{needs(name, nameNotifier)}
	}
	rules, missing, err := d.readRules(ctx, s)
	i := slices.IndexFunc(rules, is)
	if i < 0 && err != nil {
		return []Finding{awsError(name, "events:DescribeRule and events:ListTargetsByRule", err)}
	}
	if i < 0 && s.resourcesErr != nil {
		return []Finding{needs(name, nameResources)}
	}
	if i < 0 {
		found := "the stack has no such rule: "
		if len(missing) > 0 {
			found = "deleted by hand (" + strings.Join(missing, ", ") + "): "
		}
		return []Finding{fault(name, found+harm, restore)}
	}
	f := d.judgeRule(name, harm, rules[i], n.arn)
	if f.Level == OK {
		out, err := d.aws.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: &n.name})
		var gone *lambdatypes.ResourceNotFoundException
		if err != nil && !errors.As(err, &gone) {
			return []Finding{f, awsError(name+" permission", "lambda:GetPolicy", err)}
		}
		policy := ""
		if out != nil {
			policy = aws.ToString(out.Policy)
		}
		switch may, err := mayInvoke(policy, rules[i].arn); {
		case err != nil:
			return []Finding{f, unchecked(name+" permission", "the notifier's policy cannot be parsed", "Look at it:"+d.cli("lambda get-policy --function-name %s", n.name))}
		case !may:
			return []Finding{fault(name, "EventBridge may not invoke the notifier: "+harm, "The permission was removed by hand. "+restore)}
		}
	}
	return []Finding{f}
}

func (d *doctor) judgeRule(name, harm string, r rule, notifier string) Finding {
	switch {
	case !r.enabled:
		return fault(name, r.name+" is disabled: "+harm, "Enable it:"+d.cli("events enable-rule --name %s", r.name))
	case !slices.ContainsFunc(r.targets, func(t string) bool { return sameFunction(t, notifier) }):
		return fault(name, r.name+" does not invoke the notifier: "+harm, restore)
	}
	if r.schedule != "" {
		return ok(name, "%s is enabled: %s", r.name, r.schedule)
	}
	return ok(name, "%s is enabled", r.name)
}

// mayInvoke reports whether a function's policy lets EventBridge invoke it for a
// rule.
func mayInvoke(policy, ruleARN string) (bool, error) {
	p, err := parsePolicy(policy)
	if err != nil {
		return false, err
	}
	keys := map[string]string{"aws:sourcearn": ruleARN}
	if parsed, err := arn.Parse(ruleARN); err == nil {
		keys["aws:sourceaccount"] = parsed.AccountID
	}
	holds := func(c condition) truth { return c.holds(keys, nil) }
	about := func(s statement, effect string) bool {
		return s.Effect == effect && s.covers("lambda:InvokeFunction") &&
			(s.includesEveryone() || slices.Contains(s.of("service"), "events.amazonaws.com"))
	}
	denied := slices.ContainsFunc(p.Statements, func(s statement) bool { return about(s, "Deny") && s.Condition.all(holds) == yes })
	return !denied && slices.ContainsFunc(p.Statements, func(s statement) bool { return about(s, "Allow") && s.Condition.all(holds) != no }), nil
}

// readRules reads the stack's rules. missing are the names of those that were
// deleted by hand; err is why others could not be read.
func (d *doctor) readRules(ctx context.Context, s stack) (rules []rule, missing []string, err error) {
	for _, id := range s.ofKind("AWS::Events::Rule") {
		r, readErr := d.readRule(ctx, id)
		var gone *types.ResourceNotFoundException
		switch {
		case errors.As(readErr, &gone):
			missing = append(missing, id)
		case readErr != nil:
			err = readErr
		default:
			rules = append(rules, r)
		}
	}
	return rules, missing, err
}

// readRule reads a rule by its physical ID: NAME, or BUS|NAME on a bus other than
// the default one.
func (d *doctor) readRule(ctx context.Context, id string) (rule, error) {
	bus, name, ok := strings.Cut(id, "|")
	if !ok {
		bus, name = "default", id
	}
	out, err := d.aws.eventBridge.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name, EventBusName: &bus})
	if err != nil {
		return rule{}, err
	}
	targets, err := d.aws.eventBridge.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &name, EventBusName: &bus})
	if err != nil {
		return rule{}, fmt.Errorf("couldn't read the targets of %s: %w", name, err)
	}
	r := rule{
		name: name, arn: aws.ToString(out.Arn), enabled: out.State != types.RuleStateDisabled,
		schedule: aws.ToString(out.ScheduleExpression), pattern: aws.ToString(out.EventPattern),
	}
	for _, t := range targets.Targets {
		r.targets = append(r.targets, aws.ToString(t.Arn))
	}
	return r, nil
}
