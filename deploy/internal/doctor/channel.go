package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

const (
	nameChannel = "Slack channel"
	nameHello   = "test message"
)

// channel is the one to check: as the command line or else the notifier says.
func (d *doctor) channel() string {
	n, _ := d.notifier()
	return cmp.Or(d.Channel, n.env[envChannel])
}

func (d *doctor) checkChannel(ctx context.Context) []Finding {
	w, no := d.needsSlack(nameChannel)
	if no != nil {
		return no
	}
	name := d.channel()
	if name == "" {
		return []Finding{needs(nameChannel, nameNotifier)}
	}
	id := name
	if bare, ok := strings.CutPrefix(name, "#"); ok {
		found, err := findChannel(ctx, w.client, bare)
		if err != nil {
			return []Finding{unanswered(nameChannel, err)}
		}
		if found == "" {
			return []Finding{fault(nameChannel, "the bot sees no channel "+name, invite(w, "If it is private, the bot must be in it, and must be given its ID."))}
		}
		id = found
	}
	c, err := w.client.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	switch slackCode(err) {
	case "":
	case "channel_not_found":
		return []Finding{fault(nameChannel, "Slack knows no channel "+name+", or it is private and the bot is not in it",
			invite(w, "Check the ID (in Slack: the channel's name > About > Channel ID)."))}
	case "missing_scope":
		f := unanswered(nameChannel, err)
		f.Do = "Add the scope, or let the doctor post a message there:\n  go run ./deploy/countersign doctor --say-hello"
		return []Finding{f}
	default:
		return []Finding{unanswered(nameChannel, err)}
	}
	if err != nil {
		return []Finding{unanswered(nameChannel, err)}
	}
	return judgeChannel(w, name, c)
}

// invite says how to get the bot into a channel.
func invite(w workspace, before string) string {
	return strings.TrimSpace(before+" In Slack, in that channel, type:") + "\n  /invite @" + handle.OneLine(w.self.User, 60)
}

// judgeChannel says whether the bot can post there, and who else reads it.
func judgeChannel(w workspace, name string, c *slack.Channel) []Finding {
	called := name
	if c.Name != "" {
		called = fmt.Sprintf("#%s (%s)", handle.OneLine(c.Name, 60), c.ID)
	}
	switch {
	case c.IsIM || c.IsMpIM:
		return []Finding{fault(nameChannel, called+" is a direct message, not a channel", "Give the stack the ID of a channel:"+redeploy)}
	case c.IsArchived:
		return []Finding{fault(nameChannel, called+" is archived: nobody is asked in it", "Unarchive it (in Slack: the channel's name > Settings > Unarchive channel), or give the stack another:"+redeploy)}
	case !c.IsMember:
		return []Finding{fault(nameChannel, "the bot is not in "+called+": nobody is asked in it", invite(w, ""))}
	case c.IsExtShared || c.IsPendingExtShared:
		return []Finding{warning(nameChannel, called+" is shared with another company: its people read every request. They cannot decide.", "Use a channel of your own, if they should not:"+redeploy)}
	}
	return []Finding{ok(nameChannel, "the bot is in %s", called)}
}

// findChannel is the ID of a channel by its name; empty if the bot sees none.
func findChannel(ctx context.Context, client *slack.Client, name string) (id string, err error) {
	const pages = 20 // of a thousand
	input := &slack.GetConversationsParameters{Limit: 1000, Types: []string{"public_channel"}}
	for range pages {
		channels, next, err := client.GetConversationsContext(ctx, input)
		if err != nil {
			return "", err
		}
		for _, c := range channels {
			if c.Name == name {
				return c.ID, nil
			}
		}
		if input.Cursor = next; next == "" {
			break
		}
	}
	return "", nil
}

// checkHello posts a message, if it is told to: the one check that others see.
func (d *doctor) checkHello(ctx context.Context) []Finding {
	if !d.SayHello {
		return nil
	}
	w, no := d.needsSlack(nameHello)
	if no != nil {
		return no
	}
	_, ts, err := w.client.PostMessageContext(ctx, d.channel(), slack.MsgOptionText("Hello from Countersign's doctor: requests to approve launches will come here. Nothing needs to be done.", false))
	switch code := slackCode(err); {
	case err == nil && ts != "":
		return []Finding{ok(nameHello, "posted to %s", d.channel())}
	case code == "not_in_channel", code == "channel_not_found":
		return []Finding{fault(nameHello, "Slack did not take it: "+code, invite(w, ""))}
	case code != "" && code != "missing_scope":
		return []Finding{fault(nameHello, "Slack did not take it: "+handle.OneLine(code, 60), "Look the word up, and at who may post in the channel (its name > Settings > Channel management):\n  https://docs.slack.dev/reference/methods/chat.postMessage")}
	}
	return []Finding{unanswered(nameHello, err)}
}
