package slacktest

import (
	"slices"
	"strings"
)

// maxReactions is how many different emoji a message can have.
const maxReactions = 50

// reacted returns the message that a call about reactions names.
func (c *call) reacted() (*storedMessage, *apiError) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, errCode("channel_not_found")
	}
	ts := c.form.Get("timestamp")
	if ts == "" {
		return nil, errCode("no_item_specified")
	}
	p, found := r.byTS[ts]
	if !found || p.Deleted {
		return nil, errCode("message_not_found")
	}
	c.entry.Channel, c.entry.TS = r.ID, p.TS
	return p, nil
}

// addReaction implements reactions.add.
func (c *call) addReaction() (any, *apiError) {
	p, err := c.reacted()
	if err != nil {
		return nil, err
	}
	r := c.channels.byID[p.ChannelID]
	switch {
	case r.Archived:
		return nil, errCode("is_archived")
	case !r.hasMember(c.config.BotUserID):
		return nil, errCode("not_in_channel")
	}
	if err := p.react(c.form.Get("name"), c.config.BotUserID); err != nil {
		return nil, err
	}
	c.version++
	return okEnvelope, nil
}

func (p *storedMessage) react(name, userID string) *apiError {
	if name == "" || strings.IndexFunc(name, func(r rune) bool { return r > 127 || !isEmojiName(byte(r)) && r != ':' }) >= 0 {
		return errCode("invalid_name")
	}
	i := slices.IndexFunc(p.Reactions, func(r Reaction) bool { return r.Name == name })
	switch {
	case i < 0 && len(p.Reactions) == maxReactions:
		return errCode("too_many_emoji")
	case i < 0:
		p.Reactions = append(p.Reactions, Reaction{Name: name, Users: []string{userID}, Count: 1})
		return nil
	case slices.Contains(p.Reactions[i].Users, userID):
		return errCode("already_reacted")
	}
	p.Reactions[i].Users = append(p.Reactions[i].Users, userID)
	p.Reactions[i].Count++
	return nil
}

// removeReaction implements reactions.remove.
func (c *call) removeReaction() (any, *apiError) {
	p, err := c.reacted()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(p.Reactions, func(r Reaction) bool {
		return r.Name == c.form.Get("name") && slices.Contains(r.Users, c.config.BotUserID)
	})
	if i < 0 {
		return nil, errCode("no_reaction")
	}
	r := &p.Reactions[i]
	r.Users = slices.DeleteFunc(slices.Clone(r.Users), func(id string) bool { return id == c.config.BotUserID })
	r.Count--
	if r.Count == 0 {
		p.Reactions = slices.Delete(p.Reactions, i, i+1)
	}
	c.version++
	return okEnvelope, nil
}
