package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// findRequester looks the requester up in Slack, by the name that AWS proves and by the
// e-mail as typed; for an update, also the launcher of the stack. None of them may
// approve, under any of their IDs.
func (u *run) findRequester(ctx context.Context) (found identified, err error) {
	proven, launcher := u.c.address(u.r.Requester.PrincipalName()), u.c.address(u.r.Requester.LauncherName())
	users, err := u.c.usersByEmail(ctx, proven, u.r.Requester.Email, launcher)
	if err != nil {
		return identified{}, err
	}
	for i, user := range users {
		if user == nil || slices.Contains(found.all, user.ID) {
			continue
		}
		for _, id := range []string{user.ID, user.Enterprise.ID} {
			if handle.IsUser(id) && !slices.Contains(found.all, id) {
				found.all = append(found.all, id)
			}
		}
		if found.main == "" && !user.Deleted && !user.IsBot && i < 2 {
			found.main, found.proven = user.ID, i == 0
		}
	}
	return found, nil
}

// usersByEmail looks up users side by side, each address once. A user is nil if
// there is none, or if the text is not an address.
func (c *Reconciler) usersByEmail(ctx context.Context, emails ...string) ([]*slack.User, error) {
	users, errs := make([]*slack.User, len(emails)), make([]error, len(emails))
	var calls []func()
	for i, email := range emails {
		if strings.Contains(email, "@") && !slices.Contains(emails[:i], email) {
			calls = append(calls, func() {
				errs[i] = c.guard(ctx, func() (err error) {
					users[i], err = c.Slack.UserByEmail(ctx, email)
					return err
				})
			})
		}
	}
	c.sideBySide(calls)
	return users, errors.Join(errs...)
}

// address returns the e-mail address of a principal's name; empty if there is none.
func (c *Reconciler) address(name string) string {
	switch {
	case name == "" || strings.Contains(name, "@"):
		return name
	case c.MailDomain == "":
		return ""
	}
	return name + "@" + c.MailDomain
}
