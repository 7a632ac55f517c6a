package slacktest

import "strings"

// visible is the channel with that ID, nil if the bot does not see it: a private
// one that it is not in does not exist for it.
func (w *Workspace) visible(channelID string) *channel {
	r, ok := w.channels.byID[channelID]
	if !ok || r.Private && !r.hasMember(w.config.BotUserID) {
		return nil
	}
	return r
}

// roomToChange is where a message is to be changed. Unlike for a new message, the
// channel must be an ID, the D... of a direct message included.
func (c *call) channelToChange() (*channel, *apiError) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, errCode("channel_not_found")
	}
	return r, nil
}

// roomToPost is where a new message is to go: a channel by ID, a public one also
// by name, or a person by user ID, if the app has a Messages tab. The bot must be in
// it; with chat:write.public it need not be in a public one.
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

// addressed resolves what chat.postMessage takes as a channel.
func (c *call) resolveChannel(to string) (*channel, *apiError) {
	if u, ok := c.users.byID[to]; ok {
		if err := c.canDM(u); err != nil {
			return nil, err
		}
		r, _ := c.dm(u.ID)
		return r, nil
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

// canDM refuses those whom a bot cannot talk to.
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
