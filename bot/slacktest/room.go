package slacktest

import (
	"fmt"
	"slices"
)

// Channel is a place for messages.
type Channel struct {
	ID        string // C... or G...; D... for a direct message with the bot
	Name      string // without the #; empty for a direct message
	Private   bool
	Archived  bool
	ExtShared bool     // shared with another workspace through Slack Connect
	Members   []string // user IDs; the bot's too, if it was invited
	IMUserID  string   // for a direct message, whom the bot talks with
}

// room is a channel and what was said in it.
type room struct {
	Channel
	posts []*post // top-level messages, the oldest first
	byTS  map[string]*post
	gone  map[string]bool // the ts of deleted messages
}

// AddChannel adds a channel, or changes the one with that ID and keeps its
// messages.
func (w *Workspace) AddChannel(c Channel) {
	c.Members = slices.Clone(c.Members)
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.rooms.byID[c.ID]; ok {
		r.Channel = c
	} else {
		w.addRoom(c)
	}
	w.version++
}

func (w *Workspace) addRoom(c Channel) *room {
	r := &room{Channel: c, byTS: make(map[string]*post), gone: make(map[string]bool)}
	w.rooms.put(c.ID, r)
	return r
}

// Invite makes people members of a channel; Config.BotUserID stands for the bot.
func (w *Workspace) Invite(channelID string, userIDs ...string) error {
	return w.withRoom(channelID, func(r *room) {
		for _, id := range userIDs {
			if !slices.Contains(r.Members, id) {
				r.Members = append(r.Members, id)
			}
		}
	})
}

// Remove takes people out of a channel.
func (w *Workspace) Remove(channelID string, userIDs ...string) error {
	return w.withRoom(channelID, func(r *room) {
		r.Members = slices.DeleteFunc(slices.Clone(r.Members), func(id string) bool { return slices.Contains(userIDs, id) })
	})
}

// Archive closes a channel for writing, or opens it again.
func (w *Workspace) Archive(channelID string, archived bool) error {
	return w.withRoom(channelID, func(r *room) { r.Archived = archived })
}

func (w *Workspace) withRoom(channelID string, f func(*room)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.rooms.byID[channelID]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoChannel, channelID)
	}
	f(r)
	w.version++
	return nil
}

// Channels are the channels that people can join, in the order in which they were
// added. Direct messages are in [Workspace.DMs].
func (w *Workspace) Channels() []Channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	var channels []Channel
	for _, id := range w.rooms.order {
		if r := w.rooms.byID[id]; r.IMUserID == "" {
			channels = append(channels, r.copyChannel())
		}
	}
	return channels
}

func (r *room) copyChannel() Channel {
	c := r.Channel
	c.Members = slices.Clone(c.Members)
	return c
}

// has reports whether the user is in the channel.
func (r *room) has(userID string) bool { return slices.Contains(r.Members, userID) }

// sees reports whether the user can read the channel: its members can, and full
// members of this workspace can open a public one.
func (w *Workspace) sees(u *User, r *room) bool {
	if r.has(u.ID) {
		return true
	}
	guest := u.Restricted || u.UltraRestricted || u.TeamID != w.config.TeamID
	return !r.Private && r.IMUserID == "" && !guest
}

// dm is the direct message between the bot and a person. The first time it is
// opened here.
func (w *Workspace) dm(userID string) (r *room, opened bool) {
	if id, ok := w.dms[userID]; ok {
		return w.rooms.byID[id], false
	}
	id := w.newID("D")
	w.dms[userID] = id
	members := []string{userID, w.config.BotUserID}
	return w.addRoom(Channel{ID: id, Private: true, Members: members, IMUserID: userID}), true
}

// remove takes a message away. A parent with replies stays as an empty place
// that its thread hangs on.
func (r *room) remove(p *post) {
	if len(p.replies) > 0 {
		p.Message = Message{
			ChannelID: p.ChannelID, TS: p.TS, UserID: p.UserID,
			Text: "This message was deleted.", Deleted: true,
		}
		return
	}
	delete(r.byTS, p.TS)
	r.gone[p.TS] = true
	isIt := func(q *post) bool { return q == p }
	r.posts = slices.DeleteFunc(r.posts, isIt)
	if parent, ok := r.byTS[p.ThreadTS]; ok {
		parent.replies = slices.DeleteFunc(parent.replies, isIt)
	}
}
