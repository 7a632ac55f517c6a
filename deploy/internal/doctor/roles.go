package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const nameRoles = "launch role"

// checkLaunchRoles checks that launch roles may invoke the notifier: those given
// with --launch-role, and those of the catalog's stack.
func (d *doctor) checkLaunchRoles(ctx context.Context) []Finding {
	n, err := d.notifier()
	if err != nil {
		return []Finding{needs(nameRoles, nameNotifier)}
	}
	roles := slices.Clone(d.LaunchRole)
	var findings []Finding
	catalog, err := d.readStackNamed(ctx, d.Catalog)
	if err != nil && !errors.Is(err, errNoStack) {
		findings = append(findings, awsError(nameRoles, "cloudformation:DescribeStacks and cloudformation:ListStackResources", err))
	}
	for _, r := range catalog.resources {
		if r.kind == "AWS::IAM::Role" && strings.Contains(r.logical, "Launch") {
			roles = append(roles, r.physical)
		}
	}
	if len(roles) == 0 && len(findings) == 0 {
		return []Finding{skipped(nameRoles, "none given: check a product's launch role with --launch-role NAME")}
	}
	slices.Sort(roles)
	for _, role := range slices.Compact(roles) {
		findings = append(findings, d.checkLaunchRole(ctx, role, n))
	}
	return findings
}

func (d *doctor) checkLaunchRole(ctx context.Context, role string, n deployedFunction) Finding {
	source := role
	who, _ := d.identity()
	if parsed, err := arn.Parse(role); err != nil {
		out, err := d.aws.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
		if f, failed := d.noRole(role, "iam:GetRole", err); failed {
			return f
		}
		source = aws.ToString(out.Role.Arn)
	} else if who.account != "" && parsed.AccountID != who.account {
		return unchecked(nameRoles, role+" is in a different account", "Check in account "+parsed.AccountID+" that this role allows sns:Publish on the topic in the stack output ServiceTokenForOtherAccounts.")
	}
	out, err := d.aws.iam.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: &source, ActionNames: []string{"lambda:InvokeFunction"}, ResourceArns: []string{n.arn},
	})
	if f, failed := d.noRole(role, "iam:SimulatePrincipalPolicy", err); failed {
		return f
	}
	return d.judgeRole(role, out.EvaluationResults, n.arn)
}

func (d *doctor) noRole(role, action string, err error) (Finding, bool) {
	var gone *types.NoSuchEntityException
	switch {
	case err == nil:
		return Finding{}, false
	case errors.As(err, &gone):
		return fault(nameRoles, "role "+role+" does not exist", "Give the role of the product's launch constraint:\n  AWS console > Service Catalog > Portfolios > the portfolio > Constraints"), true
	}
	return awsError(nameRoles, action, err), true
}

func (d *doctor) judgeRole(role string, results []types.EvaluationResult, notifier string) Finding {
	if len(results) == 0 {
		return unchecked(nameRoles, "IAM did not evaluate "+role, "Run the doctor again.")
	}
	for _, r := range results {
		if r.EvalDecision != types.PolicyEvaluationDecisionTypeAllowed {
			name := role[strings.LastIndex(role, "/")+1:]
			policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"%s"}]}`, notifier)
			return fault(nameRoles, role+" may not invoke the notifier ("+string(r.EvalDecision)+"): launches with this role fail",
				"Allow it in the template that creates the role, or with:"+d.cli("iam put-role-policy --role-name %s --policy-name countersign --policy-document %s", name, policy))
		}
	}
	return ok(nameRoles, "%s may invoke the notifier", role)
}
