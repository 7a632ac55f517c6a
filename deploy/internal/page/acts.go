package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/sandbox"
)

// form is the launch form for one person.
func (p *Page) form(s scene, viewer person) form {
	return form{
		Title: p.template.Description, Viewer: viewer, Name: suggest(s.Stacks),
		Fields: fieldsOf(p.template.Parameters(), viewer), Mishaps: mishaps, First: len(s.Stacks) == 0,
	}
}

// The product as Service Catalog knows it. All three are made up.
const (
	productID   = "prod-4a7bexample1"
	artifactID  = "pa-6e8fexample1"
	portfolioID = "port-2c5dexample1"
)

// provisionedName is what Service Catalog takes. See
// https://docs.aws.amazon.com/servicecatalog/latest/dg/API_ProvisionProduct.html
var provisionedName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$`)

// launch launches the product as whoever acts.
func (p *Page) launch(_ context.Context, a act) error {
	who, err := p.person(a.As)
	if err != nil {
		return err
	}
	if !who.AWS {
		return refuse(who.Short + " has no access to this AWS account, and can launch nothing.")
	}
	if !provisionedName.MatchString(a.Name) {
		return &refusal{"Name the provisioned product with at most 128 letters, digits, dots, dashes and underscores, a letter or digit first.", []string{"-name"}}
	}
	in := fakecfn.ProvisionProductInput{
		Name:      a.Name,
		Principal: "arn:aws:sts::" + sandbox.Account + ":assumed-role/Requesters/" + who.Email,
		ProductID: productID, ProvisioningArtifactID: artifactID, PortfolioID: portfolioID,
		Stack: fakecfn.CreateStackInput{Template: p.template, Parameters: a.Parameters},
	}
	undo, err := p.arrange(a.Mishap, &in)
	if err != nil {
		return err
	}
	if _, _, err := p.world.CloudFormation.ProvisionProduct(in); err != nil {
		undo()
		return err
	}
	return nil
}

// arrange makes the mishap that a launch is to meet. undo takes it back.
func (p *Page) arrange(name string, in *fakecfn.ProvisionProductInput) (undo func(), err error) {
	before := p.sky.now()
	undo = func() { p.sky.turn(before) }
	switch name {
	case mishapNone:
	case mishapDown:
		p.sky.turn(weather{Down: true})
	case mishapLimit:
		p.sky.turn(weather{Limit: limitedPosts})
	case mishapFails:
		last, ok := gate.LastBehindGate(p.template.Resources())
		if !ok {
			return nil, refuse("This template has no resource behind its gate that can fail.")
		}
		in.Stack.Fail = map[string]string{last.LogicalID: quota}
	default:
		return nil, refuse("There is no such mishap.")
	}
	return undo, nil
}

// quota is why a resource fails.
const quota = `Resource handler returned message: "You have reached the quota of your account."`

// cancel deletes a stack whose creation is under way, as whoever launched it.
func (p *Page) cancel(_ context.Context, a act) error {
	if _, err := p.own(a); err != nil {
		return err
	}
	return p.world.CloudFormation.DeleteStack(a.Stack)
}

// signal PUTs SUCCESS to the wait handle, as somebody who read its URL in the
// stack's events.
func (p *Page) signal(ctx context.Context, a act) error {
	if _, err := p.own(a); err != nil {
		return err
	}
	status, err := p.world.PutWaitHandle(ctx, a.Stack)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return refuse(fmt.Sprintf("The wait handle answered %d %s.", status, http.StatusText(status)))
	}
	return nil
}

// own finds the stack, if whoever acts launched it.
func (p *Page) own(a act) (fakecfn.Stack, error) {
	s, ok := p.world.CloudFormation.Stack(a.Stack)
	if !ok {
		return s, refuse("There is no such stack.")
	}
	who, err := p.person(a.As)
	if err != nil {
		return s, err
	}
	if !isLauncher(s, who) {
		return s, refuse("Only whoever launched it can do that, and that is not " + who.Short + ".")
	}
	return s, nil
}

// press presses a button in Slack. That the app did not answer well is no error:
// the person sees it beside the button.
func (p *Page) press(_ context.Context, a act) error {
	at := slacktest.Target{ChannelID: a.Channel, TS: a.TS, ViewID: a.View, BlockID: a.Block, ActionID: a.Action}
	mark := failure{person: a.As, on: surface{a.Channel, a.TS, a.View}, action: a.Action}
	p.failed.note(mark, "")
	i, err := p.world.Slack.Click(a.As, at)
	if err != nil {
		return err
	}
	p.failed.note(mark, i.Notice)
	return nil
}

// submit submits the open form. What the app finds wrong is shown in it.
func (p *Page) submit(_ context.Context, a act) error {
	_, err := p.world.Slack.Submit(a.As, a.View, a.Values)
	return err
}

// close closes the open form. One that is closed already is fine.
func (p *Page) close(_ context.Context, a act) error {
	_, err := p.world.Slack.CloseView(a.As, a.View)
	if errors.Is(err, slacktest.ErrNoView) {
		return nil
	}
	return err
}

const maxSkip = 48 * time.Hour // at a time

// advance moves the world's clock.
func (p *Page) advance(ctx context.Context, a act) error {
	d := time.Duration(a.Seconds) * time.Second
	if a.Deadline {
		s, err := p.look(ctx)
		if err != nil {
			return err
		}
		at := s.deadline()
		if at.IsZero() {
			return refuse("Nothing is pending, so there is no deadline.")
		}
		d = max(at.Sub(s.Now), 0) + time.Second
	}
	if d <= 0 || d > maxSkip {
		return refuse("The clock moves forward only, by at most two days at a time.")
	}
	return p.world.Advance(ctx, d)
}

// clear ends what was let go wrong with Slack.
func (p *Page) clear(context.Context, act) error {
	p.sky.turn(weather{})
	return nil
}

// person is one of the cast.
func (p *Page) person(id string) (person, error) {
	who, ok := personOf(id, namesOf(p.world.Slack).users)
	if !ok {
		return person{}, refuse("Nobody here is called that.")
	}
	return who, nil
}
