package slacktest

import "strings"

// posted is the answer of the methods that write a message.
type posted struct {
	good
	Channel string      `json:"channel"`
	TS      string      `json:"ts"`
	Text    string      `json:"text"`
	Message wireMessage `json:"message"`
}

// postMessage is chat.postMessage.
func (c *call) postMessage() (any, *refusal) {
	r, err := c.roomToPost()
	if err != nil {
		return nil, err
	}
	m, err := c.content(maxPostText)
	if err != nil {
		return nil, err
	}
	if m.text == "" && m.blocks == nil {
		return nil, refuse("no_text")
	}
	threadTS := c.form.Get("thread_ts")
	if err := r.takesReply(threadTS); err != nil {
		return nil, err
	}
	if r.gone[threadTS] {
		threadTS = "" // Slack posts what would answer a deleted message as a message of its own
	}
	if err := c.admitPost(r.ID); err != nil {
		return nil, err
	}
	p := c.add(r, Message{
		TS: c.newTS(c.now), ThreadTS: threadTS, UserID: c.config.BotUserID,
		Broadcast:   threadTS != "" && c.is("reply_broadcast", false),
		UnfurlLinks: c.is("unfurl_links", true), UnfurlMedia: c.is("unfurl_media", true),
	}, m)
	c.record.Channel, c.record.TS = r.ID, p.TS
	return posted{yes, r.ID, p.TS, p.Text, c.wire(p)}, nil
}

// takesReply refuses a thread_ts that is no parent in the channel.
func (r *room) takesReply(threadTS string) *refusal {
	if threadTS == "" || r.gone[threadTS] {
		return nil
	}
	parent, ok := r.byTS[threadTS]
	switch {
	case !ok:
		return refuse("thread_not_found")
	case parent.ThreadTS != "":
		return refuse("cannot_reply_to_message")
	}
	return nil
}

// add puts a new message into a channel.
func (w *Workspace) add(r *room, m Message, says content) *post {
	m.ChannelID = r.ID
	m.Text, m.Blocks, m.Metadata = says.text, says.blocks, says.metadata
	m.Mentions, m.MentionsChannel = says.mentions, pingsChannel(says.mentions)
	m.Notified = w.notified(r, m.UserID, says.mentions)
	p := &post{Message: m}
	r.byTS[m.TS] = p
	if parent := r.byTS[m.ThreadTS]; m.ThreadTS != "" && parent != nil {
		parent.replies = append(parent.replies, p)
	} else {
		r.posts = append(r.posts, p)
	}
	w.version++
	return p
}

// updateMessage is chat.update.
func (c *call) updateMessage() (any, *refusal) {
	r, err := c.roomToChange()
	if err != nil {
		return nil, err
	}
	if r.Archived {
		return nil, refuse("is_inactive")
	}
	p, ok := r.byTS[c.form.Get("ts")]
	switch {
	case !ok || p.Deleted:
		return nil, refuse("message_not_found")
	case p.UserID != c.config.BotUserID:
		return nil, refuse("cant_update_message")
	}
	m, err := c.content(maxUpdateText)
	if err != nil {
		return nil, err
	}
	if m.text == "" && m.blocks == nil && (m.hasText || !m.hasBlocks || p.Text == "") {
		return nil, refuse("no_text")
	}
	p.change(m)
	c.version++
	c.record.Channel, c.record.TS = r.ID, p.TS
	return posted{yes, r.ID, p.TS, p.Text, c.wire(p)}, nil
}

// change applies chat.update's rules: text without blocks takes the blocks away;
// blocks without text keep the text; metadata stays unless it is given. Only a
// message without blocks is marked as edited.
func (p *post) change(m content) {
	if m.hasText {
		p.Text = m.text
	}
	if m.hasText || m.hasBlocks {
		p.Blocks = m.blocks
	}
	if m.metadata != nil {
		p.Metadata = m.metadata
	}
	if !m.hasText {
		m.mentions = mentions(m.mentions, p.Text)
	}
	p.Mentions, p.MentionsChannel = m.mentions, pingsChannel(m.mentions)
	p.Edited = p.Blocks == nil
	p.Updates++
}

// deleteMessage is chat.delete.
func (c *call) deleteMessage() (any, *refusal) {
	r, err := c.roomToChange()
	if err != nil {
		return nil, err
	}
	p, ok := r.byTS[c.form.Get("ts")]
	switch {
	case !ok || p.Deleted:
		return nil, refuse("message_not_found")
	case p.UserID != c.config.BotUserID:
		return nil, refuse("cant_delete_message")
	}
	r.remove(p)
	c.version++
	c.record.Channel, c.record.TS = r.ID, p.TS
	return struct {
		good
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}{yes, r.ID, p.TS}, nil
}

// getPermalink is chat.getPermalink.
func (c *call) getPermalink() (any, *refusal) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, refuse("channel_not_found")
	}
	p, ok := r.byTS[c.form.Get("message_ts")]
	if !ok {
		return nil, refuse("message_not_found")
	}
	return struct {
		good
		Channel   string `json:"channel"`
		Permalink string `json:"permalink"`
	}{yes, r.ID, c.permalink(p)}, nil
}

func (w *Workspace) permalink(p *post) string {
	link := w.config.Origin + "/archives/" + p.ChannelID + "/p" + strings.Replace(p.TS, ".", "", 1)
	if p.ThreadTS != "" {
		link += "?thread_ts=" + p.ThreadTS + "&cid=" + p.ChannelID
	}
	return link
}
