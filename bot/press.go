package bot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// press is what one person does in Slack: a pressed button, or a submitted
// form.
type press struct {
	b *Bot
	visit
	user         user
	organization string // that the payload is of
	message      handle.Message
	ticket       handle.Ticket
	reason       string
	opening      bool // Reject was pressed: the reason is still to come

	voter      *handle.Voter // once it is known who they are
	orgID      string        // their ID in the organization, if it is another
	unverified bool          // Slack could not be asked
	recorded   bool
}

func (p *press) ballot() ballot {
	return ballot{request: p.ticket.ID, message: p.message, rule: p.rule}
}

func (p *press) rule(ctx context.Context, r handle.Request, now time.Time) ruling {
	g := p.law(ctx, r, now)
	g.by = p.person()
	return g
}

// law asks the law, after Slack has been asked who the person is. Slack is not
// asked where the answer does not depend on it.
func (p *press) law(ctx context.Context, r handle.Request, now time.Time) ruling {
	if p.b.abroad(p.user, p.organization) || !handle.IsUser(p.user.ID) {
		return ruled(r, r.Authorize(handle.Voter{Person: p.person(), Home: !p.b.abroad(p.user, p.organization)}))
	}
	if err := open(r, handle.Reject, now); err != nil {
		if p.said(r) {
			return ruling{next: r}
		}
		return ruled(r, err)
	}
	v, err := p.lookUp(ctx, r)
	p.unverified = err != nil
	switch {
	case err != nil:
		p.b.log().Warn("could not verify who pressed", "request", r.ID, "user", p.user.ID, "error", err)
		return ruling{next: r, why: handle.RefusedUnverified}
	case p.isRequester(r):
		return ruling{next: r, why: handle.RefusedOwnRequest}
	case p.opening:
		return ruled(r, r.Authorize(v))
	}
	return ruled(r.VoteBySlack(v, p.ticket.Verdict, p.reason, now))
}

// isRequester reports whether the person asked for r themselves, and is known
// there by another ID than the one they pressed with: a workspace and its
// organization can have one each. The law sees but one.
func (p *press) isRequester(r handle.Request) bool {
	return !r.Terms.SelfApproval && p.orgID != "" && slices.Contains(r.Requester.SlackIDs, p.orgID)
}

// open asks the law whether anybody could still say verdict by mail; of Reject,
// whether anybody could still decide at all. The vote that it asks with is
// nobody's, and thrown away.
func open(r handle.Request, verdict handle.Verdict, now time.Time) error {
	_, err := r.VoteByMail("-", verdict, "-", now)
	return err
}

// said reports whether the person has said the same before.
func (p *press) said(r handle.Request) bool {
	return slices.ContainsFunc(r.Votes, func(v handle.Vote) bool {
		return v.Verdict == p.ticket.Verdict && v.By.Is(p.person())
	})
}

// person is who pressed, as well as it is known.
func (p *press) person() handle.Person {
	if p.voter != nil {
		return p.voter.Person
	}
	return handle.Person{Team: p.user.TeamID, ID: p.user.ID, Name: p.user.name()}
}

// lookUp asks Slack who pressed, once. User groups are asked for only if the
// person is not named by themselves.
func (p *press) lookUp(ctx context.Context, r handle.Request) (handle.Voter, error) {
	if p.voter != nil {
		return *p.voter, nil
	}
	ctx, cancel := p.b.call(ctx)
	defer cancel()
	m, err := p.b.member(ctx, p.user.ID)
	if err != nil {
		return handle.Voter{}, err
	}
	v := p.b.asVoter(p.user, m)
	ids := []string{p.user.ID}
	if m.orgID != "" && m.orgID != p.user.ID {
		p.orgID = m.orgID
		ids = append(ids, m.orgID)
	}
	if notNamed(r.Authorize(v)) {
		if v.Groups, err = p.b.groupsOf(ctx, ids, r.Terms.Groups()); err != nil {
			return handle.Voter{}, err
		}
	}
	p.voter = &v
	return v, nil
}

func notNamed(err error) bool {
	var refusal *handle.Refusal
	return errors.As(err, &refusal) && refusal.Reason == handle.RefusedNotApprover
}

// abroad reports whether the payload alone shows that the person is of another
// workspace: a Slack Connect channel lets strangers press buttons too. See
// https://docs.slack.dev/apis/slack-connect
func (b *Bot) abroad(u user, organization string) bool {
	switch {
	case u.TeamID == "", u.TeamID == b.TeamID, u.TeamID == b.EnterpriseID:
		return false // as it seems; Slack is asked
	case b.EnterpriseID == "":
		return true
	}
	return organization != "" && organization != b.EnterpriseID
}

// asVoter joins what the signed payload and Slack's answer say of a person. Who
// is at home by one of them and elsewhere by the other is not at home.
func (b *Bot) asVoter(u user, m member) handle.Voter {
	v := handle.Voter{
		Person:      handle.Person{Team: cmp.Or(u.TeamID, m.team), ID: u.ID, Name: cmp.Or(m.name, u.name())},
		Guest:       m.guest,
		Bot:         m.bot,
		Deactivated: m.deactivated,
	}
	switch {
	case m.stranger:
	case b.EnterpriseID != "" && m.organization != "":
		v.Home = m.organization == b.EnterpriseID
	case b.EnterpriseID != "" && u.TeamID == b.EnterpriseID:
		v.Home = true
	case b.TeamID != "" && v.Team == b.TeamID:
		v.Home = cmp.Or(m.team, b.TeamID) == b.TeamID || m.organization != "" // whose people can have several workspaces
	}
	return v
}

// words is what to tell the person about the outcome; empty if it goes without
// saying.
func (p *press) words(o outcome, s style) string {
	r := o.request
	switch {
	case errors.Is(o.err, handle.ErrNotFound):
		return textUnknownButton
	case o.err != nil && o.tried:
		return textUnsure
	case o.err != nil:
		return textNotRecorded
	case o.why == handle.RefusedUnverified && !p.unverified:
		return textNoRequester
	case o.why != "":
		return s.refused(r, o.why)
	case o.again:
		return s.repeated(r, p.ticket.Verdict)
	case r.Decision == nil:
		return "Recorded." + missing(r)
	}
	return ""
}

// tell writes to the person alone. Slack does not promise that it arrives.
func (p *press) tell(text string) (told bool) {
	if text == "" {
		return true
	}
	if p.message.Channel == "" || p.user.ID == "" {
		p.b.log().Warn("nowhere to tell a person what became of a click", "user", p.user.ID)
		return false
	}
	_, err := within(p.answer, p.b, "write to a person", func(ctx context.Context) (string, error) {
		return p.b.Slack.PostEphemeralContext(ctx, p.message.Channel, p.user.ID,
			slack.MsgOptionText(text, false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
	})
	if err != nil {
		p.b.log().Warn("could not tell a person what became of a click", "user", p.user.ID, "channel", p.message.Channel, "error", err)
	}
	return err == nil
}

// note logs what became of the press.
func (p *press) note(o outcome) {
	p.b.log().Info("press", "request", p.ticket.ID, "user", p.user.ID, "team", p.user.TeamID, "verdict", string(p.ticket.Verdict), "opening", p.opening, "result", o.result())
}
