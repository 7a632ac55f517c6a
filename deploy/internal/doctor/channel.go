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

// channel returns the channel to check: --channel, or the deployment's.
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
		found, err := FindChannel(ctx, w.client, bare)
		if err != nil {
			return []Finding{slackError(nameChannel, err)}
		}
		if found == "" {
			return []Finding{fault(nameChannel, "the bot cannot find "+name+" among the public channels", invite(w, "If it is private, invite the bot and set the channel's ID (C…) instead of its name."))}
		}
		id = found
	}
	c, err := w.client.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	switch SlackCode(err) {
	case "":
	case "channel_not_found":
		return []Finding{fault(nameChannel, name+" does not exist, or is private and the bot is not a member",
			invite(w, "Check the ID (in Slack: channel name > About > Channel ID)."))}
	case "missing_scope":
		f := slackError(nameChannel, err)
		f.Do = "Add the scope, or post a test message instead:" + doctorCommand + " --say-hello"
		return []Finding{f}
	default:
		return []Finding{slackError(nameChannel, err)}
	}
	if err != nil {
		return []Finding{slackError(nameChannel, err)}
	}
	return judgeChannel(w, name, c)
}

// invite is advice to invite the bot to a channel. before is a sentence to begin
// with.
func invite(w workspace, before string) string {
	return strings.TrimSpace(before+" In that channel in Slack, type:") + "\n  /invite @" + handle.OneLine(w.self.User, 60)
}

// judgeChannel reports whether the bot can post to c, and whether outsiders read it.
func judgeChannel(w workspace, name string, c *slack.Channel) []Finding {
	label := name
	if c.Name != "" {
		label = fmt.Sprintf("#%s (%s)", handle.OneLine(c.Name, 60), c.ID)
	}
	switch {
	case c.IsIM || c.IsMpIM:
		return []Finding{fault(nameChannel, label+" is a direct message, not a channel", "Set the stack parameter Channel to a channel ID (C…):"+redeploy)}
	case c.IsArchived:
		return []Finding{fault(nameChannel, label+" is archived: requests cannot be posted", "Unarchive it (in Slack: channel name > Settings > Unarchive channel), or change the stack parameter Channel:"+redeploy)}
	case !c.IsMember:
		return []Finding{fault(nameChannel, "the bot is not a member of "+label+": requests cannot be posted", invite(w, ""))}
	case c.IsExtShared || c.IsPendingExtShared:
		return []Finding{warning(nameChannel, label+" is shared with another organization, whose members can read every request. They cannot approve.", "If they should not read requests, change the stack parameter Channel to an internal channel:"+redeploy)}
	}
	return []Finding{ok(nameChannel, "the bot is a member of %s", label)}
}

// FindChannel returns the ID of the public channel with that name, or "".
func FindChannel(ctx context.Context, client *slack.Client, name string) (id string, err error) {
	const pages = 20 // of 1,000 channels
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

// JoinedChannel returns the ID of a channel that the app is in; channel is an ID or a name
// with #. The error says what to do.
func JoinedChannel(ctx context.Context, client *slack.Client, channel string) (id string, err error) {
	id = channel
	if name, ok := strings.CutPrefix(channel, "#"); ok {
		id, err = FindChannel(ctx, client, name)
		if err != nil {
			return "", fmt.Errorf("couldn't look for the channel %s: %w", channel, err)
		}
		if id == "" {
			return "", fmt.Errorf("there is no public channel %s: create it, or give the ID of a private channel that the app is in", channel)
		}
	}
	c, err := client.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	switch {
	case SlackCode(err) == "channel_not_found":
		return "", fmt.Errorf("the app sees no channel %s: check the ID; if the channel is private, type there /invite @Countersign", channel)
	case err != nil:
		return "", fmt.Errorf("channel %s: Slack answers %w", channel, err)
	case !c.IsMember:
		return "", fmt.Errorf("the app is not in the channel %s: type there /invite @Countersign", channel)
	}
	return id, nil
}

// checkHello posts a test message if --say-hello is given. It is the only check
// that others see.
func (d *doctor) checkHello(ctx context.Context) []Finding {
	if !d.SayHello {
		return nil
	}
	w, no := d.needsSlack(nameHello)
	if no != nil {
		return no
	}
	_, ts, err := w.client.PostMessageContext(ctx, d.channel(), slack.MsgOptionText("Test message from countersign doctor: approval requests will be posted here. No action needed.", false))
	switch code := SlackCode(err); {
	case err == nil && ts != "":
		return []Finding{ok(nameHello, "posted to %s", d.channel())}
	case code == "not_in_channel", code == "channel_not_found":
		return []Finding{fault(nameHello, "Slack refused it: "+code, invite(w, ""))}
	case code != "" && code != "missing_scope":
		return []Finding{fault(nameHello, "Slack refused it: "+handle.OneLine(code, 60), "Look up this error, and check who may post in the channel (channel name > Settings > Channel management):\n  https://docs.slack.dev/reference/methods/chat.postMessage")}
	}
	return []Finding{slackError(nameHello, err)}
}
