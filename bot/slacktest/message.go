package slacktest

import (
	"encoding/json"
	"slices"
)

// Message is the present state of a message.
type Message struct {
	ChannelID string
	TS        string // unique in the workspace
	ThreadTS  string // the parent's ts, for a reply
	UserID    string // the author
	Text      string // with blocks, the text of notifications and screen readers
	Blocks    json.RawMessage
	Metadata  json.RawMessage

	Broadcast   bool // a reply that is also shown in the channel
	Ephemeral   bool // visible to one user only
	Edited      bool // marked as edited: Slack marks a message that has no blocks
	Updates     int  // number of changes
	Deleted     bool // a deleted parent whose replies remain
	UnfurlLinks bool // the app did not ask for unfurl_links=false
	UnfurlMedia bool // the app did not ask for unfurl_media=false

	Reactions []Reaction
	Replies   []Message // oldest first

	// Mentions are the users (U..., W...), user groups (S...) and the words here,
	// channel and everyone that the text or blocks mention now, without duplicates.
	// MentionsChannel reports whether one of the three words is among them.
	Mentions        []string
	MentionsChannel bool

	// Notified are the users who got a notification when the message was posted.
	// Slack sends none for later changes, and none to users outside the channel.
	Notified []string
}

// Reaction is an emoji on a message.
type Reaction struct {
	Name  string   `json:"name"` // without colons
	Users []string `json:"users"`
	Count int      `json:"count"`
}

// storedMessage is a message with its replies.
type storedMessage struct {
	Message
	replies  []*storedMessage
	readerID string // of an ephemeral message
}

// copyMessage returns a deep copy of a message with its thread.
func (p *storedMessage) copyMessage() Message {
	m := p.Message
	m.Mentions = slices.Clone(m.Mentions)
	m.Notified = slices.Clone(m.Notified)
	m.Reactions = slices.Clone(m.Reactions)
	for i := range m.Reactions {
		m.Reactions[i].Users = slices.Clone(m.Reactions[i].Users)
	}
	for _, reply := range p.replies {
		m.Replies = append(m.Replies, reply.copyMessage())
	}
	return m
}

// Messages returns the channel's root messages with their threads, oldest first. It
// returns nil for an unknown channel.
func (w *Workspace) Messages(channelID string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.messages(channelID)
}

func (w *Workspace) messages(channelID string) []Message {
	r, ok := w.channels.byID[channelID]
	if !ok {
		return nil
	}
	messages := make([]Message, len(r.messages))
	for i, p := range r.messages {
		messages[i] = p.copyMessage()
	}
	return messages
}

// Message returns one message or reply.
func (w *Workspace) Message(channelID, ts string) (Message, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.channels.byID[channelID]; ok {
		if p, ok := r.byTS[ts]; ok {
			return p.copyMessage(), true
		}
	}
	return Message{}, false
}

// DMs returns the messages between the bot and a user.
func (w *Workspace) DMs(userID string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.messages(w.dms[w.localID(userID)])
}

// Ephemerals returns the messages that only this user sees, oldest first. A real
// client loses them when it reloads.
func (w *Workspace) Ephemerals(userID string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var messages []Message
	for _, p := range w.ephemeral[w.localID(userID)] {
		messages = append(messages, p.copyMessage())
	}
	return messages
}
