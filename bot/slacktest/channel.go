package slacktest

import (
	"fmt"
	"slices"
)

// Channel is a conversation: a public or private channel, or a DM with the bot.
type Channel struct {
	ID        string // C... or G...; D... for a DM
	Name      string // without the #; empty for a DM
	Private   bool
	Archived  bool
	ExtShared bool     // shared with another company through Slack Connect
	OrgShared bool     // shared with other workspaces of the organization
	Members   []string // user IDs, including the bot's if it was invited
	IMUserID  string   // the other user in a DM; empty for a channel
}

// channel is a channel with its messages.
type channel struct {
	Channel
	messages []*storedMessage // top-level messages, the oldest first
	byTS     map[string]*storedMessage
	deleted  map[string]bool // the ts of deleted messages
}

// AddChannel adds a channel, or replaces the one with that ID and keeps its messages.
func (w *Workspace) AddChannel(c Channel) {
	c.Members = slices.Clone(c.Members)
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.channels.byID[c.ID]; ok {
		r.Channel = c
	} else {
		w.addChannel(c)
	}
	w.version++
}

func (w *Workspace) addChannel(c Channel) *channel {
	r := &channel{Channel: c, byTS: make(map[string]*storedMessage), deleted: make(map[string]bool)}
	w.channels.set(c.ID, r)
	return r
}

// Invite adds users to a channel. The bot is Config.BotUserID.
func (w *Workspace) Invite(channelID string, userIDs ...string) error {
	return w.withChannel(channelID, func(r *channel) {
		for _, id := range userIDs {
			if !slices.Contains(r.Members, id) {
				r.Members = append(r.Members, id)
			}
		}
	})
}

// Remove removes users from a channel.
func (w *Workspace) Remove(channelID string, userIDs ...string) error {
	return w.withChannel(channelID, func(r *channel) {
		r.Members = slices.DeleteFunc(slices.Clone(r.Members), func(id string) bool { return slices.Contains(userIDs, id) })
	})
}

func (w *Workspace) withChannel(channelID string, f func(*channel)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.channels.byID[channelID]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoChannel, channelID)
	}
	f(r)
	w.version++
	return nil
}

// Channels returns the channels, without DMs, in the order in which they were added.
func (w *Workspace) Channels() []Channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	var channels []Channel
	for _, id := range w.channels.order {
		if r := w.channels.byID[id]; r.IMUserID == "" {
			channels = append(channels, r.copyChannel())
		}
	}
	return channels
}

func (r *channel) copyChannel() Channel {
	c := r.Channel
	c.Members = slices.Clone(c.Members)
	return c
}

func (r *channel) hasMember(userID string) bool { return slices.Contains(r.Members, userID) }

// canSee reports whether the user can read the channel: its members can, and full
// members of this workspace can read every public channel.
func (w *Workspace) canSee(u *User, r *channel) bool {
	if r.hasMember(u.ID) {
		return true
	}
	guest := u.Restricted || u.UltraRestricted || !w.isMember(u)
	return !r.Private && r.IMUserID == "" && !guest
}

// dm returns the DM between the bot and a user, and opens it if necessary.
func (w *Workspace) dm(userID string) *channel {
	if id, ok := w.dms[userID]; ok {
		return w.channels.byID[id]
	}
	id := w.newID("D")
	w.dms[userID] = id
	members := []string{userID, w.config.BotUserID}
	return w.addChannel(Channel{ID: id, Private: true, Members: members, IMUserID: userID})
}

// remove deletes a message. A parent with replies stays as a placeholder for its
// thread.
func (r *channel) remove(p *storedMessage) {
	if len(p.replies) > 0 {
		p.Message = Message{
			ChannelID: p.ChannelID, TS: p.TS, UserID: p.UserID,
			Text: "This message was deleted.", Deleted: true,
		}
		return
	}
	delete(r.byTS, p.TS)
	r.deleted[p.TS] = true
	isIt := func(q *storedMessage) bool { return q == p }
	r.messages = slices.DeleteFunc(r.messages, isIt)
	if parent, ok := r.byTS[p.ThreadTS]; ok {
		parent.replies = slices.DeleteFunc(parent.replies, isIt)
	}
}
