package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const (
	nameSweep      = "sweep schedule"
	nameStatusRule = "stack status rule"
)

// rule is what makes EventBridge call the notifier.
type rule struct {
	name, arn string
	enabled   bool
	schedule  string
	pattern   string
	targets   []string // ARNs
}

// checkSweep looks at the schedule that calls the notifier each minute.
func (d *doctor) checkSweep(ctx context.Context) []Finding {
	return d.checkRule(ctx, nameSweep, "nothing expires, and what a crash left undone stays so", func(r rule) bool { return r.schedule != "" })
}

// checkStatusRule looks at the rule that tells the notifier how stacks end.
func (d *doctor) checkStatusRule(ctx context.Context) []Finding {
	return d.checkRule(ctx, nameStatusRule, "requesters learn late how their launches end", func(r rule) bool { return strings.Contains(r.pattern, "aws.cloudformation") })
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
	if err != nil {
		return []Finding{unread(name, "events:DescribeRule and events:ListTargetsByRule", err)}
	}
	i := slices.IndexFunc(rules, is)
	if i < 0 {
		found := "the stack has none: "
		if len(missing) > 0 {
			found = "of the stack's rules " + strings.Join(missing, ", ") + " is gone: "
		}
		return []Finding{fault(name, found+harm, putBack)}
	}
	f := d.judgeRule(name, harm, rules[i], n.arn)
	if f.Level == OK {
		out, err := d.aws.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: &n.name})
		var gone *lambdatypes.ResourceNotFoundException
		if err != nil && !errors.As(err, &gone) {
			return []Finding{f, unread(name+" permission", "lambda:GetPolicy", err)}
		}
		policy := ""
		if out != nil {
			policy = aws.ToString(out.Policy)
		}
		if !mayInvoke(policy, rules[i].arn) {
			return []Finding{fault(name, "EventBridge may not call the notifier: "+harm, "Its permission is gone. "+putBack)}
		}
	}
	return []Finding{f}
}

func (d *doctor) judgeRule(name, harm string, r rule, notifier string) Finding {
	switch {
	case !r.enabled:
		return fault(name, r.name+" is disabled: "+harm, "Enable it:"+d.cli("events enable-rule --name "+r.name))
	case !slices.ContainsFunc(r.targets, func(t string) bool { return sameFunction(t, notifier) }):
		return fault(name, r.name+" does not call the notifier: "+harm, putBack)
	}
	if r.schedule != "" {
		return ok(name, "%s is enabled: %s", r.name, r.schedule)
	}
	return ok(name, "%s is enabled", r.name)
}

// mayInvoke reports whether a function's policy lets EventBridge call it for a
// rule.
func mayInvoke(policy, ruleARN string) bool {
	statements, err := parsePolicy(policy)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(statements, func(s statement) bool {
		var principal map[string]texts
		if s.Effect != "Allow" || json.Unmarshal(s.Principal, &principal) != nil || !slices.Contains(principal["Service"], "events.amazonaws.com") || !s.allows("lambda:InvokeFunction") {
			return false
		}
		for _, keys := range s.Condition {
			for key, values := range keys {
				if strings.EqualFold(key, "AWS:SourceArn") && !slices.ContainsFunc(values, func(v string) bool { return like(v, ruleARN) }) {
					return false
				}
			}
		}
		return true
	})
}

// like matches the * of policies.
func like(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for i, part := range parts[1:] {
		if i == len(parts)-2 {
			return strings.HasSuffix(s, part)
		}
		at := strings.Index(s, part)
		if at < 0 {
			return false
		}
		s = s[at+len(part):]
	}
	return s == ""
}

// readRules reads all rules of the stack. missing are those that
// somebody has deleted.
func (d *doctor) readRules(ctx context.Context, s stack) (rules []rule, missing []string, err error) {
	for _, id := range s.ofKind("AWS::Events::Rule") {
		r, err := d.readRule(ctx, id)
		var gone *types.ResourceNotFoundException
		if errors.As(err, &gone) {
			missing = append(missing, id)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		rules = append(rules, r)
	}
	return rules, missing, nil
}

// readRule reads a rule by its physical ID: its name, after the name of its bus
// and a bar if that is not the default one.
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
