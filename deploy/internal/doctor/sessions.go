package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
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
	for _, role := range sessionRoles(recent, who.account) {
		out, err := d.aws.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
		var gone *types.NoSuchEntityException
		switch {
		case errors.As(err, &gone):
			continue // deleted since
		case err != nil:
			return []Finding{awsError(nameSessions, "iam:GetRole", err)}
		}
		ok, err := enforcesSessionName(aws.ToString(out.Role.AssumeRolePolicyDocument))
		if err != nil {
			return []Finding{unchecked(nameSessions, "the trust policy of role "+role+" cannot be parsed", "Look at it:"+d.cli("iam get-role --role-name %s", role))}
		}
		if ok {
			enforced = append(enforced, role)
		} else {
			open = append(open, role)
		}
	}
	switch {
	case len(enforced)+len(open) == 0:
		return nil
	case len(open) == 0:
		return []Finding{ok(nameSessions, "the session name of %s is not the caller's choice", strings.Join(enforced, " and "))}
	}
	return []Finding{warning(nameSessions, "callers of "+strings.Join(open, " and ")+" choose their session name, and so can launch under another person's name",
		`Require the name in the role's trust policy, for IAM users with the condition {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}; or let people sign in through IAM Identity Center or SAML, which set the name. `+
			"Or set the stack parameter Approvals to 2, so that another person must approve too:"+redeploy)}
}

// sessionRoles returns the names of the account's roles whose sessions made the
// requests, at most maxSessionRoles.
func sessionRoles(recent []handle.Request, account string) []string {
	var roles []string
	for _, r := range recent {
		p, err := arn.Parse(r.Requester.Principal)
		if err != nil || p.Service != "sts" || p.AccountID != account {
			continue
		}
		parts := strings.Split(p.Resource, "/")
		if parts[0] == "assumed-role" && len(parts) == 3 && !slices.Contains(roles, parts[1]) && len(roles) < maxSessionRoles {
			roles = append(roles, parts[1])
		}
	}
	slices.Sort(roles)
	return roles
}

// enforcesSessionName reports whether a role's trust policy, URL-encoded, keeps
// callers from choosing the session name. With AssumeRole and
// AssumeRoleWithWebIdentity the caller chooses it; with AssumeRoleWithSAML the
// identity provider does, and AWS services name their own sessions.
func enforcesSessionName(document string) (bool, error) {
	text, err := url.PathUnescape(document)
	if err != nil {
		return false, err
	}
	statements, err := parsePolicy(text)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(statements, statement.letsCallerChooseName), nil
}

func (s statement) letsCallerChooseName() bool {
	if s.Effect != "Allow" || !s.allows("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity") {
		return false
	}
	var principal map[string]stringList
	if json.Unmarshal(s.Principal, &principal) == nil && len(principal["AWS"]) == 0 && len(principal["Federated"]) == 0 {
		return false
	}
	for _, keys := range s.Condition {
		for key := range keys {
			if strings.EqualFold(key, "sts:RoleSessionName") {
				return false
			}
		}
	}
	return true
}
