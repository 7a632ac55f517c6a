package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
	"countersign/handle/dynamo"
)

const (
	nameRequesters = "requesters"

	lately   = 7   // days
	maxAsked = 100 // requests
)

// checkRequesters looks whether what AWS proves of those who asked lately leads
// to people in Slack. Who is not known there cannot be kept from approving their
// own launch.
func (d *doctor) checkRequesters(ctx context.Context) []Finding {
	n, err := d.notifier()
	switch {
	case err != nil:
		return []Finding{needs(nameRequesters, nameNotifier)}
	case n.env[envTable] == "":
		return []Finding{needs(nameRequesters, settings(nameNotifier))}
	}
	var asked []handle.Request
	store := dynamo.New(d.aws.account.Config, d.aws.account.Client, n.env[envTable])
	for r, err := range store.Since(ctx, d.now().AddDate(0, 0, -lately)) {
		var gone *types.ResourceNotFoundException
		switch {
		case errors.As(err, &gone), code(err) == "ValidationException": // no such table, or index
			return []Finding{needs(nameRequesters, nameTable)}
		case err != nil:
			return []Finding{unread(nameRequesters, "dynamodb:Query and dynamodb:BatchGetItem", err)}
		}
		if r.Requester.LookedUp && !r.Terms.SelfApproval {
			asked = append(asked, r)
		}
		if len(asked) == maxAsked {
			break
		}
	}
	return append([]Finding{d.judgeRequesters(asked, n.env[envMailDomain])}, d.checkSessions(ctx, asked)...)
}

func (d *doctor) judgeRequesters(asked []handle.Request, mailDomain string) Finding {
	within := fmt.Sprintf("in the last %d days", lately)
	var names []string // that AWS proves, and Slack does not know
	unknown, claims, bare := 0, 0, false
	for _, r := range asked {
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
	case len(asked) == 0:
		return skipped(nameRequesters, "nobody has asked by Slack %s", within)
	case unknown == 0:
		return ok(nameRequesters, "%s %s, each by somebody whom Slack knows", plural(len(asked), "request"), within)
	}
	found := fmt.Sprintf("of %s %s, %d by nobody whom Slack is proven to know: they could not be kept from approving their own", plural(len(asked), "request"), within, unknown)
	var do []string
	if len(names) > 0 {
		found += "; Slack does not know " + strings.Join(names[:min(len(names), 3)], ", ")
		if more := len(names) - 3; more > 0 {
			found += fmt.Sprintf(" and %d more", more)
		}
		do = append(do, "Have people sign in to AWS under the e-mail addresses by which Slack knows them.")
	}
	if bare && mailDomain == "" {
		do = append(do, "Names without a domain are looked up if MailDomain is given: with example.com, rita as rita@example.com.")
	}
	if claims > 0 {
		found += fmt.Sprintf("; of %d AWS says nothing", claims)
		do = append(do, "Of launches in other accounts, and of stacks that are not Service Catalog's, nothing is proven.")
	}
	do = append(do, "Or let two people approve, one of whom is somebody else: Approvals=2. Both are parameters of the stack:"+redeploy)
	return warning(nameRequesters, found, strings.Join(do, " "))
}
