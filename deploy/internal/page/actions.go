package page

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
)

// form returns the launch form for one person.
func (p *Page) form(s snapshot, viewer person) form {
	return form{
		Title: p.template.Description, Viewer: viewer, Name: suggestName(s.Stacks),
		Fields: fieldsOf(p.template.Parameters(), viewer), Failures: p.failures(), First: len(s.Stacks) == 0,
	}
}

// provisionedName is Service Catalog's pattern for a provisioned product name. See
// https://docs.aws.amazon.com/servicecatalog/latest/dg/API_ProvisionProduct.html
var provisionedName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$`)

// launch launches the product as the acting person.
func (p *Page) launch(_ context.Context, a action) error {
	who, err := p.person(a.As)
	if err != nil {
		return err
	}
	if !who.AWS {
		return refuse(who.Short + " has no access to this AWS account and cannot launch products.")
	}
	if !provisionedName.MatchString(a.Name) {
		return &refusal{"The name must start with a letter or digit and contain at most 128 letters, digits, dots, hyphens and underscores.", []string{"-name"}}
	}
	in := sandbox.Launch{Requester: who.Email, Template: p.template, Name: a.Name, Parameters: a.Parameters}
	undo, err := p.injectFailure(a.Failure, &in)
	if err != nil {
		return err
	}
	if _, err := p.sandbox.Launch(in); err != nil {
		undo()
		return err
	}
	return nil
}

// injectFailure sets up the failure that a launch is to meet. undo reverts it.
func (p *Page) injectFailure(id string, in *sandbox.Launch) (undo func(), err error) {
	before := p.outage.get()
	undo = func() { p.outage.set(before) }
	switch id {
	case failNothing:
	case failSlackDown:
		p.outage.set(outage{Down: true})
	case failSlackRateLimit:
		p.outage.set(outage{RateLimited: rateLimitedPosts})
	case failResource:
		in.Failures = map[string]string{fakecfn.LastBehindGate: quotaReason}
	default:
		return nil, refuse("There is no such failure to simulate.")
	}
	return undo, nil
}

// quotaReason is the status reason of the resource that fails.
const quotaReason = `Resource handler returned message: "You have reached the quota of your account."`

// update updates a product that the acting person has launched.
func (p *Page) update(_ context.Context, a action) error {
	if _, err := p.ownStack(a); err != nil {
		return err
	}
	changed := maps.Clone(a.Parameters)
	for _, d := range p.template.Parameters() {
		if d.NoEcho && changed[d.Name] == "" {
			delete(changed, d.Name)
		}
	}
	return p.sandbox.UpdateProduct(a.Stack, sandbox.Update{Parameters: changed})
}

// cancel deletes the acting person's stack while it is being created, or cancels its
// update.
func (p *Page) cancel(_ context.Context, a action) error {
	s, err := p.ownStack(a)
	if err != nil {
		return err
	}
	if s.Status == fakecfn.UpdateInProgress {
		return p.sandbox.CancelUpdate(a.Stack)
	}
	return p.sandbox.CloudFormation.DeleteStack(a.Stack)
}

// signal PUTs SUCCESS to the wait handle, as a requester can who reads its URL in
// the stack's events.
func (p *Page) signal(ctx context.Context, a action) error {
	if _, err := p.ownStack(a); err != nil {
		return err
	}
	status, err := p.sandbox.PutWaitHandle(ctx, a.Stack)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return refuse(fmt.Sprintf("The wait handle answered %d %s.", status, http.StatusText(status)))
	}
	return nil
}

// ownStack returns the stack if the acting person launched it.
func (p *Page) ownStack(a action) (fakecfn.Stack, error) {
	s, ok := p.sandbox.CloudFormation.Stack(a.Stack)
	if !ok {
		return s, refuse("There is no such stack.")
	}
	who, err := p.person(a.As)
	if err != nil {
		return s, err
	}
	if !isLauncher(s, who) {
		return s, refuse("Only the person who launched this stack can do that; " + who.Short + " did not.")
	}
	return s, nil
}

// click clicks a button in Slack. A failed response of the app is not an error of
// the action: Slack shows it beside the button.
func (p *Page) click(_ context.Context, a action) error {
	at := slacktest.Target{ChannelID: a.Channel, TS: a.TS, ViewID: a.View, BlockID: a.Block, ActionID: a.Action}
	key := buttonError{person: a.As, on: surface{a.Channel, a.TS, a.View}, action: a.Action}
	p.buttonErrors.set(key, "")
	i, err := p.sandbox.Slack.Click(a.As, at)
	if err != nil {
		return err
	}
	p.buttonErrors.set(key, i.Notice)
	return nil
}

const command = "/approvals"

// command runs the app's command in the channel.
func (p *Page) command(_ context.Context, a action) error {
	i, err := p.sandbox.Slack.Command(a.As, sandbox.Channel, command, p.escaped(a.Text))
	if err == nil && i.Notice != "" {
		return refuse(command + " failed: " + i.Notice)
	}
	return err
}

// escaped is the text of a command as Slack sends it, with mentions by user ID. See
// https://docs.slack.dev/interactivity/implementing-slash-commands
func (p *Page) escaped(text string) string {
	text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	for _, u := range p.sandbox.Slack.Users() {
		text = strings.ReplaceAll(text, "@"+u.Name, "<@"+u.ID+"|"+u.Name+">")
	}
	return text
}

// home opens the app's Home tab.
func (p *Page) home(_ context.Context, a action) error {
	i, err := p.sandbox.Slack.OpenHome(a.As)
	if err == nil && i.Failed {
		return refuse("The app could not show its Home tab.")
	}
	return err
}

// submit submits the open modal. The modal shows the app's validation errors.
func (p *Page) submit(_ context.Context, a action) error {
	_, err := p.sandbox.Slack.Submit(a.As, a.View, a.Values)
	return err
}

// close closes the open modal. It succeeds if the modal is already closed.
func (p *Page) close(_ context.Context, a action) error {
	_, err := p.sandbox.Slack.CloseView(a.As, a.View)
	if errors.Is(err, slacktest.ErrNoView) {
		return nil
	}
	return err
}

const maxAdvance = 48 * time.Hour // per action

// advance moves the sandbox's clock forward.
func (p *Page) advance(ctx context.Context, a action) error {
	d := time.Duration(a.Seconds) * time.Second
	if a.Deadline {
		s, err := p.snapshot(ctx)
		if err != nil {
			return err
		}
		at := s.deadline()
		if at.IsZero() {
			return refuse("No request is pending, so there is no deadline.")
		}
		d = max(at.Sub(s.Now), 0) + time.Second
	}
	if d <= 0 || d > maxAdvance {
		return refuse("The clock only moves forward, by at most two days at a time.")
	}
	return p.sandbox.Advance(ctx, d)
}

// clear ends the simulated Slack outage.
func (p *Page) clear(context.Context, action) error {
	p.outage.set(outage{})
	return nil
}

// person returns the acting person.
func (p *Page) person(id string) (person, error) {
	who, ok := findPerson(p.people(), id, namesOf(p.sandbox.Slack).users)
	if !ok {
		return person{}, refuse("There is no such person.")
	}
	return who, nil
}
