package slacktest

import "strings"

// visible returns the channel with that ID, or nil if the bot cannot see it. A
// private channel without the bot does not exist for it.
func (w *Workspace) visible(channelID string) *channel {
	r, ok := w.channels.byID[channelID]
	if !ok || r.Private && !r.hasMember(w.config.BotUserID) {
		return nil
	}
	return r
}

// channelToChange returns the channel of a message to update. Unlike
// for a new message, only a channel ID is accepted, including the D... of a DM.
func (c *call) channelToChange() (*channel, *apiError) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, errCode("channel_not_found")
	}
	return r, nil
}

// channelToPost returns the channel for a new message: by ID, for a public channel
// also by name, or a user's DM by user ID if the app has a Messages tab. The bot
// must be a member, unless the channel is public and chat:write.public is granted.
func (c *call) channelToPost() (*channel, *apiError) {
	r, err := c.resolveChannel(c.form.Get("channel"))
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, errCode("channel_not_found")
	case r.IMUserID != "" && !c.config.MessagesTab:
		return nil, errCode("messages_tab_disabled")
	case !r.hasMember(c.config.BotUserID) && !c.hasScope("chat:write.public"):
		return nil, errCode("not_in_channel")
	case r.Archived:
		return nil, errCode("is_archived")
	}
	return r, nil
}

// resolveChannel resolves the channel argument of chat.postMessage.
func (c *call) resolveChannel(to string) (*channel, *apiError) {
	if u := c.userByID(to); u != nil {
		if err := c.canDM(u); err != nil {
			return nil, err
		}
		return c.dm(u.ID), nil
	}
	if r := c.visible(to); r != nil {
		return r, nil
	}
	name := strings.TrimPrefix(to, "#")
	for _, id := range c.channels.order {
		if r := c.channels.byID[id]; r.Name == name && name != "" && !r.Private {
			return r, nil
		}
	}
	return nil, nil
}

// canDM returns the error with which Slack refuses a DM to u, or nil.
func (w *Workspace) canDM(u *User) *apiError {
	switch {
	case u.Bot:
		return errCode("cannot_dm_bot")
	case u.Deleted:
		return errCode("user_disabled")
	case w.isStranger(u):
		return errCode("channel_not_found")
	}
	return nil
}
