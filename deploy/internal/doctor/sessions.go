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

// checkSessions looks whether those who asked under a role's session could have
// chosen the session's name, which is what AWS then proves of them: somebody
// else's name makes them somebody else. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#ck_rolesessionname
func (d *doctor) checkSessions(ctx context.Context, asked []handle.Request) []Finding {
	who, err := d.identity()
	if err != nil {
		return nil // said where the account is looked at
	}
	var tight, loose []string
	for _, role := range sessionRoles(asked, who.account) {
		out, err := d.aws.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
		var gone *types.NoSuchEntityException
		switch {
		case errors.As(err, &gone):
			continue // nobody asks under it any more
		case err != nil:
			return []Finding{unread(nameSessions, "iam:GetRole", err)}
		}
		held, err := holdsNames(aws.ToString(out.Role.AssumeRolePolicyDocument))
		if err != nil {
			return []Finding{unchecked(nameSessions, "the trust policy of "+role+" cannot be read", "Look at it:"+d.cli("iam get-role --role-name "+role))}
		}
		if held {
			tight = append(tight, role)
		} else {
			loose = append(loose, role)
		}
	}
	switch {
	case len(tight)+len(loose) == 0:
		return nil
	case len(loose) == 0:
		return []Finding{ok(nameSessions, "who assumes %s does not choose the session's name", strings.Join(tight, " or "))}
	}
	return []Finding{warning(nameSessions, "who assumes "+strings.Join(loose, " or ")+" chooses the session's name, and so in whose name they launch",
		`Let the role's trust policy hold the name, as for IAM users {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}; or let people come by IAM Identity Center or SAML, which give the name. `+
			"Or let two people approve, one of whom is somebody else: Approvals=2 is a parameter of the stack:"+redeploy)}
}

// sessionRoles returns the names of the account's roles under whose sessions
// somebody asked.
func sessionRoles(asked []handle.Request, account string) []string {
	var roles []string
	for _, r := range asked {
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

// holdsNames reports whether a role's trust policy, encoded as in a URL, lets
// nobody choose a session's name: with AssumeRole and AssumeRoleWithWebIdentity
// the caller gives it, with AssumeRoleWithSAML the identity provider does. AWS's
// own services name their sessions themselves.
func holdsNames(document string) (bool, error) {
	text, err := url.PathUnescape(document)
	if err != nil {
		return false, err
	}
	statements, err := parsePolicy(text)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(statements, statement.leavesName), nil
}

func (s statement) leavesName() bool {
	if s.Effect != "Allow" || !s.allows("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity") {
		return false
	}
	var principal map[string]texts
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
