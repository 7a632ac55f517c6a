package bot

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/slack-go/slack"

	"countersign/bot/blocks"
	"countersign/handle"
)

// command answers /approvals privately, even in channels that the app is not in. See
// https://docs.slack.dev/interactivity/implementing-slash-commands
func (b *Bot) command(d deadlines, body []byte) (answer reply) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		b.log().Warn("unreadable signed command")
		return reply{status: http.StatusBadRequest}
	}
	if form.Get("command") == "" {
		return ok // such as Slack's ssl_check
	}
	if b.forOtherApp(form.Get("api_app_id")) {
		return reply{status: http.StatusForbidden}
	}
	i := &interaction{
		b: b, deadlines: d, organization: form.Get("enterprise_id"),
		user: user{ID: form.Get("user_id"), Name: form.Get("user_name"), TeamID: form.Get("team_id")},
	}
	defer func() {
		if cause := recover(); cause != nil {
			b.logPanic("a command", cause)
			answer = private(blocks.Note(blocks.ListNotRead))
		}
	}()
	return private(i.list(form.Get("command"), form.Get("text")))
}

// private is a message in answer to a command that only the person sees.
func private(v blocks.View) reply {
	return reply{status: http.StatusOK, body: map[string]any{"response_type": "ephemeral", "text": v.Text, "blocks": v.Blocks}}
}

// list answers what a person typed after the command.
func (i *interaction) list(command, text string) blocks.View {
	if refused := i.mayList(i.work); refused != "" {
		return blocks.Note(refused)
	}
	if wantsHelp(text) {
		return blocks.CommandHelp(command, "")
	}
	q, err := parseQuery(text)
	var wrong queryError
	if errors.As(err, &wrong) {
		return blocks.CommandHelp(command, wrong.Error())
	}
	return i.listPage(q, listPage{Query: q.text})
}

func (i *interaction) listPage(q query, at listPage) blocks.View {
	l, err := i.b.newReader(*i.voter).listing(i.work, q, at)
	if err != nil {
		return blocks.Note(i.listError(err))
	}
	i.b.log().Info("list", "user", i.user.ID, "list", string(q.list), "terms", len(q.terms), "shown", len(l.Items))
	return l.Message()
}

// listError says why a list could not be read.
func (i *interaction) listError(err error) string {
	i.b.log().Warn("could not read the open requests", "user", i.user.ID, "error", err)
	if errors.Is(err, handle.ErrNoIndex) {
		return blocks.ListNotReady
	}
	return blocks.ListNotRead
}

// mayList looks up the person, and returns why they may not see lists; empty if they
// may. Only full members of the workspace, or organization, may.
func (i *interaction) mayList(ctx context.Context) (refused string) {
	if !handle.IsUser(i.user.ID) || i.b.home().excludes(i.user.TeamID, i.organization) {
		return blocks.OutsideLists
	}
	if i.voter == nil {
		m, err := i.b.member(ctx, i.user.ID)
		if err != nil {
			i.b.log().Warn("could not verify a person", "user", i.user.ID, "error", err)
			return blocks.ListUnverified
		}
		v := i.b.asVoter(i.user, m)
		i.voter = &v
	}
	switch v := *i.voter; {
	case !v.Home, v.Bot, v.Deactivated:
		return blocks.OutsideLists
	case v.Guest:
		return blocks.GuestsSeeNoLists
	}
	return ""
}

// turnPage shows another page in place of a list.
func (i *interaction) turnPage(value, responseURL string) reply {
	var v blocks.View
	at, q, err := parseListPage(value)
	if refused := i.mayList(i.work); refused != "" {
		v = blocks.Note(refused)
	} else if err != nil {
		v = blocks.Note(blocks.PageUnknown)
	} else {
		v = i.listPage(q, at)
	}
	if responseURL == "" {
		return i.acknowledge(v.Text)
	}
	_, err = within(i.answerBy, i.b, "show another page", func(ctx context.Context) (string, error) {
		_, _, text, err := i.b.Slack.SendMessageContext(ctx, "", slack.MsgOptionReplaceOriginal(responseURL),
			slack.MsgOptionText(v.Text, false), slack.MsgOptionBlocks(v.Blocks...))
		return text, err
	})
	if err != nil {
		i.b.log().Warn("could not show another page", "user", i.user.ID, "error", err)
		return failed
	}
	return ok
}

// review opens a request from a list, with the buttons to decide it. Only its approvers
// and requester may open it, because others may not be in the channel of its message.
func (i *interaction) review(value, trigger string) reply {
	id, err := detailsOf(value)
	if err != nil {
		return i.acknowledge(blocks.UnknownButton)
	}
	if refused := i.mayList(i.work); refused != "" {
		return i.acknowledge(refused)
	}
	r, err := i.b.load(i.work, id)
	if errors.Is(err, handle.ErrNotFound) {
		return i.acknowledge(blocks.UnknownButton)
	}
	if err != nil {
		return i.opened(id, err)
	}
	i.voter = nil // it has the groups of one request only
	v, err := i.lookUp(i.work, r)
	if err != nil {
		i.b.log().Warn("could not verify a person", "request", r.ID, "user", i.user.ID, "error", err)
		return i.acknowledge(blocks.ListUnverified)
	}
	refusal := evaluated(r, r.Authorize(v)).refused
	decides := refusal == "" || refusal == handle.RefusedUnverified
	if own := r.Requester.Addressable() && v.Has(r.Requester.SlackID); !decides && !own {
		return i.acknowledge(blocks.NotYoursToReview)
	}
	from := ""
	if i.onHome() {
		from = fromHome
	}
	return i.opened(id, i.open("open a request", trigger, blocks.Review(r, decides, from)))
}
