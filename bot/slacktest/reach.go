package slacktest

import "strings"

// visible is the channel with that ID, nil if the bot does not see it: a private
// one that it is not in does not exist for it.
func (w *Workspace) visible(channelID string) *room {
	r, ok := w.rooms.byID[channelID]
	if !ok || r.Private && !r.has(w.config.BotUserID) {
		return nil
	}
	return r
}

// roomToChange is where a message is to be changed. Unlike for a new message, the
// channel must be an ID, the D... of a direct message included.
func (c *call) roomToChange() (*room, *refusal) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, refuse("channel_not_found")
	}
	return r, nil
}

// roomToPost is where a new message is to go: a channel by ID, a public one also
// by name, or a person by user ID, if the app has a Messages tab. The bot must be in
// it; with chat:write.public it need not be in a public one.
func (c *call) roomToPost() (*room, *refusal) {
	r, err := c.addressed(c.form.Get("channel"))
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, refuse("channel_not_found")
	case r.IMUserID != "" && !c.config.MessagesTab:
		return nil, refuse("messages_tab_disabled")
	case !r.has(c.config.BotUserID) && !c.granted("chat:write.public"):
		return nil, refuse("not_in_channel")
	case r.Archived:
		return nil, refuse("is_archived")
	}
	return r, nil
}

// addressed resolves what chat.postMessage takes as a channel.
func (c *call) addressed(to string) (*room, *refusal) {
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
	for _, id := range c.rooms.order {
		if r := c.rooms.byID[id]; r.Name == name && name != "" && !r.Private {
			return r, nil
		}
	}
	return nil, nil
}

// canDM refuses those whom a bot cannot talk to.
func (w *Workspace) canDM(u *User) *refusal {
	switch {
	case u.Bot:
		return refuse("cannot_dm_bot")
	case u.Deleted:
		return refuse("user_disabled")
	case w.stranger(u):
		return refuse("channel_not_found")
	}
	return nil
}
