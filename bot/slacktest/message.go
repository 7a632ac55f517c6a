package slacktest

import (
	"encoding/json"
	"slices"
)

// Message is a message as it now stands.
type Message struct {
	ChannelID string
	TS        string // unique in the workspace
	ThreadTS  string // of the parent, for a reply
	UserID    string // who wrote it
	Text      string // with blocks, what notifications and screen readers say
	Blocks    json.RawMessage
	Metadata  json.RawMessage

	Broadcast   bool // a reply also shown in the channel
	Ephemeral   bool // shown to one person only
	Edited      bool // marked as edited: Slack marks a message that has no blocks
	Updates     int  // how often it was changed
	Deleted     bool // a parent that was deleted under its replies
	UnfurlLinks bool // the app did not ask for unfurl_links=false
	UnfurlMedia bool // the app did not ask for unfurl_media=false

	Reactions []Reaction
	Replies   []Message // the replies, the oldest first

	// Notifies are the users (U..., W...), the user groups (S...) and the words
	// here, channel and everyone that the message mentions now, each once, in its
	// text or its blocks. PingsChannel reports one of the three words.
	Mentions        []string
	MentionsChannel bool

	// Notified are the people who got a notification when the message was
	// posted, groups resolved. Slack sends none when a message is changed later,
	// and none to people who are not in the channel.
	Notified []string
}

// Reaction is an emoji on a message.
type Reaction struct {
	Name  string   `json:"name"` // without colons
	Users []string `json:"users"`
	Count int      `json:"count"`
}

// post is a message that is kept.
type storedMessage struct {
	Message
	replies  []*storedMessage
	readerID string // of an ephemeral message
}

// copyMessage copies a message with its thread.
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

// Messages are the top-level messages of a channel with their threads, the oldest
// first; nil for a channel that does not exist.
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

// Message is one message, a reply or not.
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

// DMs are the messages between the bot and a person.
func (w *Workspace) DMs(userID string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.messages(w.dms[userID])
}

// Ephemerals are the messages that only this person sees, the oldest first. A
// real client forgets them when it is loaded anew.
func (w *Workspace) Ephemerals(userID string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var messages []Message
	for _, p := range w.ephemeral[userID] {
		messages = append(messages, p.copyMessage())
	}
	return messages
}
