package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
	"countersign/handle/dynamo"
)

const (
	nameRequesters = "requesters"

	recentDays = 7    // days
	maxRead    = 1000 // requests of those days
	maxRecent  = 100  // requests whose requesters are checked
)

// checkRequesters checks that the AWS principals of recent requests were matched to
// Slack users. What happens to the others is up to the stack parameter
// UnprovenRequester.
func (d *doctor) checkRequesters(ctx context.Context) []Finding {
	all, no := d.needsRecent(nameRequesters)
	if no != nil {
		return no
	}
	n, _ := d.notifier() // needsRecent has it
	var recent []handle.Request
	for _, r := range all {
		if r.Requester.LookedUp && !r.Terms.SelfApproval && len(recent) < maxRecent {
			recent = append(recent, r)
		}
	}
	return append([]Finding{d.judgeRequesters(recent, n.env[envMailDomain], cmp.Or(n.env[envUnproven], handle.UnprovenTwoApprovers))}, d.checkSessions(ctx, recent)...)
}

// needsRecent returns the requests of the last recentDays, oldest first. If they could not
// be read, it returns the finding of the check with the given name.
func (d *doctor) needsRecent(name string) ([]handle.Request, []Finding) {
	n, err := d.notifier()
	switch {
	case err != nil:
		return nil, []Finding{needs(name, nameNotifier)}
	case n.env[envTable] == "":
		return nil, []Finding{needs(name, settings(nameNotifier))}
	}
	recent, err := d.recent()
	switch {
	case noTable(err):
		return nil, []Finding{needs(name, nameTable)}
	case err != nil:
		return nil, []Finding{awsError(name, "dynamodb:Query and dynamodb:BatchGetItem", err)}
	}
	return recent, nil
}

// readRecent reads requests for needsRecent.
func (d *doctor) readRecent(ctx context.Context) ([]handle.Request, error) {
	n, err := d.notifier()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var recent []handle.Request
	store := dynamo.New(d.aws.account.Config, d.aws.account.Client, n.env[envTable])
	for r, err := range store.Since(ctx, d.now().AddDate(0, 0, -recentDays)) {
		if err != nil {
			return nil, err
		}
		if recent = append(recent, r); len(recent) == maxRead {
			break
		}
	}
	return recent, nil
}

// noTable reports whether err says that the table, or an index of it, does not exist.
func noTable(err error) bool {
	var gone *types.ResourceNotFoundException
	return errors.As(err, &gone) || awsconfig.ErrorCode(err) == "ValidationException"
}

// unprovenEffect is what happens to new requests from unmatched requesters, by the stack
// parameter UnprovenRequester.
var unprovenEffect = map[string]string{
	handle.UnprovenTwoApprovers: "; such launches need one approver more, and at least two",
	handle.UnprovenWarn:         ", and so could approve their own launches",
	handle.UnprovenRefuse:       "; such launches now fail",
}

func (d *doctor) judgeRequesters(recent []handle.Request, mailDomain, unproven string) Finding {
	within := fmt.Sprintf("in the last %d days", recentDays)
	var names []string // of principals that match no Slack user
	unknown, claims, bare := 0, 0, false
	for _, r := range recent {
		switch principal := r.Requester.Principal; {
		case r.Requester.Proven:
			continue
		case principal == "":
			claims++
		default:
			name := handle.OneLine(principal[strings.LastIndex(principal, "/")+1:], 60)
			bare = bare || !strings.Contains(name, "@")
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		unknown++
	}
	switch {
	case len(recent) == 0:
		return skipped(nameRequesters, "no requests in Slack %s", within)
	case unknown == 0:
		return ok(nameRequesters, "%s %s, each from a requester matched to a Slack user", plural(len(recent), "request"), within)
	}
	found := fmt.Sprintf("%d of %s %s came from requesters who are not matched to a Slack user%s", unknown, plural(len(recent), "request"), within, unprovenEffect[unproven])
	var do []string
	if len(names) > 0 {
		found += "; no Slack user has the e-mail address of " + strings.Join(names[:min(len(names), 3)], ", ")
		if more := len(names) - 3; more > 0 {
			found += fmt.Sprintf(" and %d more", more)
		}
		do = append(do, "Let people sign in to AWS with the e-mail address of their Slack account.")
	}
	if bare && mailDomain == "" {
		do = append(do, "Set the stack parameter MailDomain to complete names without a domain: with example.com, rita is looked up as rita@example.com.")
	}
	if claims > 0 {
		found += fmt.Sprintf("; for %d, AWS does not report the requester", claims)
		do = append(do, "AWS does not report the requester of launches in other accounts or of stacks outside Service Catalog.")
	}
	if unproven == handle.UnprovenWarn {
		do = append(do, "Set the stack parameter UnprovenRequester to two-approvers, so that another person must approve too:"+redeploy)
	}
	return warning(nameRequesters, found, strings.Join(do, " "))
}
