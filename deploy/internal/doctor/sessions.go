package doctor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"countersign/handle"
)

const (
	nameSessions = "role sessions"

	maxSessionRoles = 20
)

// checkSessions checks that requesters who use an assumed role cannot choose the
// role session name. Countersign identifies them by that name, so a chosen name
// would impersonate its owner. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#ck_rolesessionname
func (d *doctor) checkSessions(ctx context.Context, recent []handle.Request) []Finding {
	who, err := d.identity()
	if err != nil {
		return nil // checkIdentity reports it
	}
	var enforced, open []string
	var findings []Finding
	names := sessionNames(recent, who.account)
	for _, role := range slices.Sorted(maps.Keys(names)) {
		out, err := d.aws.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
		var gone *types.NoSuchEntityException
		switch {
		case errors.As(err, &gone):
			continue // deleted since
		case err != nil:
			if f := awsError(nameSessions, "iam:GetRole", err); !slices.Contains(findings, f) {
				findings = append(findings, f)
			}
			continue
		}
		policy, err := parsePolicy(aws.ToString(out.Role.AssumeRolePolicyDocument))
		switch {
		case err != nil:
			findings = append(findings, unchecked(nameSessions, "the trust policy of role "+role+" cannot be parsed", "Look at it:"+d.cli("iam get-role --role-name %s", role)))
		case policy.letsCallersChooseName(names[role]):
			open = append(open, role)
		default:
			enforced = append(enforced, role)
		}
	}
	if len(enforced) > 0 {
		findings = append(findings, ok(nameSessions, "the session name of %s is not the caller's choice", strings.Join(enforced, " and ")))
	}
	if len(open) == 0 {
		return findings
	}
	return append(findings, warning(nameSessions, "callers of "+strings.Join(open, " and ")+" choose their session name, and so can launch under another person's name",
		`Require the name in the role's trust policy, for IAM users with the condition {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}; or let people sign in through IAM Identity Center or SAML, which set the name. `+
			"Or set the stack parameter Approvals to 2, so that another person must approve too:"+redeploy))
}

// sessionNames returns the account's roles whose sessions made the requests, at most
// maxSessionRoles, with the names of these sessions.
func sessionNames(recent []handle.Request, account string) map[string][]string {
	names := map[string][]string{}
	for _, r := range recent {
		p, err := arn.Parse(r.Requester.Principal)
		if err != nil || p.Service != "sts" || p.AccountID != account {
			continue
		}
		parts := strings.Split(p.Resource, "/")
		if parts[0] != "assumed-role" || len(parts) != 3 {
			continue
		}
		role, name := parts[1], parts[2]
		if known := names[role]; (known != nil || len(names) < maxSessionRoles) && !slices.Contains(known, name) {
			names[role] = append(known, name)
		}
	}
	return names
}

// letsCallersChooseName reports whether callers who assume the role of a trust policy can
// choose any session name. With AssumeRole and AssumeRoleWithWebIdentity the
// caller gives the session its name; with AssumeRoleWithSAML the identity provider does,
// and AWS services name their own sessions. seen are names of sessions of the role: a
// list of fixed names lets callers choose, too.
func (p policyDocument) letsCallersChooseName(seen []string) bool {
	strangers := []string{"zq7x", "zq7x.zq7x", "zq7x-zq7x", "zq7x_zq7x", "zq7x@example.com", "zq7x.zq7x@example.com"}
	for _, name := range seen {
		if _, domain, ok := strings.Cut(name, "@"); ok {
			strangers = append(strangers, "zq7x@"+domain, "zq7x.zq7x@"+domain)
		}
	}
	for _, allow := range p.Statements {
		for _, action := range []string{actionAssumeRole, actionWebIdentity} {
			if allow.Effect != "Allow" || !allow.covers(action) || !allow.includesCallers(action) {
				continue
			}
			admitted := func(name string) bool { return p.admits(allow, action, name) }
			fixed := slices.DeleteFunc(slices.Clone(seen), func(name string) bool { return !admitted(name) })
			if slices.ContainsFunc(strangers, admitted) || len(fixed) > 1 {
				return true
			}
		}
	}
	return false
}

const (
	actionAssumeRole  = "sts:AssumeRole"
	actionWebIdentity = "sts:AssumeRoleWithWebIdentity"
)

// includesCallers reports whether s applies to principals who name their own sessions.
func (s statement) includesCallers(action string) bool {
	if s.includesEveryone() {
		return true
	}
	if action == actionAssumeRole {
		return len(s.of("aws")) > 0
	}
	return slices.ContainsFunc(s.of("federated"), func(p string) bool { return !strings.Contains(p, ":saml-provider/") })
}

// admits reports whether a caller may take that session name by the statement allow:
// its conditions can hold, and no other statement certainly denies it. The caller's own
// name is a different one.
func (p policyDocument) admits(allow statement, action, name string) bool {
	keys := map[string]string{"sts:rolesessionname": name, "aws:principalisawsservice": "false", "aws:securetransport": "true"}
	replace := variables(func(variable string) string {
		if slices.Contains(callersChoice, variable) || strings.HasPrefix(variable, "aws:requesttag/") {
			return name
		}
		return "0-own-name-of-the-caller"
	}).in(p.Version)
	holds := func(c condition) truth { return c.holds(keys, replace) }
	if allow.Condition.all(holds) == no {
		return false
	}
	return !slices.ContainsFunc(p.Statements, func(s statement) bool {
		return s.Effect == "Deny" && s.covers(action) && s.includesAll(allow) && s.Condition.all(holds) == yes
	})
}

// callersChoice are policy variables whose value the caller sets.
var callersChoice = []string{"sts:rolesessionname", "sts:sourceidentity", "sts:externalid", "aws:useragent", "aws:referer"}
