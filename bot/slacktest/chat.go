package slacktest

import "strings"

// messageResponse is the response of the methods that post or update a message.
type messageResponse struct {
	envelope
	Channel string      `json:"channel"`
	TS      string      `json:"ts"`
	Text    string      `json:"text"`
	Message wireMessage `json:"message"`
}

// postMessage implements chat.postMessage.
func (c *call) postMessage() (any, *apiError) {
	r, err := c.channelToPost()
	if err != nil {
		return nil, err
	}
	m, threadTS, err := c.postArgs(r)
	if err != nil {
		return nil, err
	}
	if r.deleted[threadTS] {
		threadTS = "" // Slack posts a reply to a deleted message at the channel's root: slack-go issue 1571
	}
	if err := c.limitPost(r.ID); err != nil {
		return nil, err
	}
	p := c.addMessage(r, Message{
		TS: c.newTS(c.now), ThreadTS: threadTS, UserID: c.config.BotUserID,
		Broadcast:   threadTS != "" && c.boolArg("reply_broadcast", false),
		UnfurlLinks: c.boolArg("unfurl_links", true), UnfurlMedia: c.boolArg("unfurl_media", true),
	}, m)
	c.entry.Channel, c.entry.TS = r.ID, p.TS
	return messageResponse{okEnvelope, r.ID, p.TS, p.Text, c.wire(p)}, nil
}

// postArgs returns the message to post in channel r, and the thread_ts.
func (c *call) postArgs(r *channel) (m messageArgs, threadTS string, _ *apiError) {
	m, err := c.messageArgs(maxPostText)
	if err != nil {
		return m, "", err
	}
	if m.text == "" && m.blocks == nil {
		return m, "", errCode("no_text")
	}
	threadTS = c.form.Get("thread_ts")
	return m, threadTS, r.checkThread(threadTS)
}

// checkThread refuses a thread_ts that is not a root message of the channel.
func (r *channel) checkThread(threadTS string) *apiError {
	if threadTS == "" || r.deleted[threadTS] {
		return nil
	}
	parent, ok := r.byTS[threadTS]
	switch {
	case !ok:
		return errCode("thread_not_found")
	case parent.ThreadTS != "":
		return errCode("cannot_reply_to_message")
	}
	return nil
}

// addMessage adds a new message to a channel.
func (w *Workspace) addMessage(r *channel, m Message, args messageArgs) *storedMessage {
	m.ChannelID = r.ID
	m.Text, m.Blocks, m.Metadata = args.text, args.blocks, args.metadata
	m.Mentions, m.MentionsChannel = args.mentions, mentionsChannel(args.mentions)
	m.Notified = w.notified(r, m.UserID, args.mentions)
	p := &storedMessage{Message: m}
	r.byTS[m.TS] = p
	if parent := r.byTS[m.ThreadTS]; m.ThreadTS != "" && parent != nil {
		parent.replies = append(parent.replies, p)
	} else {
		r.messages = append(r.messages, p)
	}
	w.version++
	return p
}

// updateMessage implements chat.update.
func (c *call) updateMessage() (any, *apiError) {
	r, err := c.channelToChange()
	if err != nil {
		return nil, err
	}
	if r.Archived {
		return nil, errCode("is_inactive")
	}
	p, ok := r.byTS[c.form.Get("ts")]
	switch {
	case !ok || p.Deleted:
		return nil, errCode("message_not_found")
	case p.UserID != c.config.BotUserID:
		return nil, errCode("cant_update_message")
	}
	m, err := c.messageArgs(maxUpdateText)
	if err != nil {
		return nil, err
	}
	if m.text == "" && m.blocks == nil && (m.hasText || !m.hasBlocks || p.Text == "") {
		return nil, errCode("no_text")
	}
	p.change(m)
	c.version++
	c.entry.Channel, c.entry.TS = r.ID, p.TS
	return messageResponse{okEnvelope, r.ID, p.TS, p.Text, c.wire(p)}, nil
}

// change applies chat.update's rules: text without blocks removes the blocks, blocks
// without text keep the text, and metadata stays unless it is given. Only a message
// without blocks is marked as edited.
func (p *storedMessage) change(m messageArgs) {
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
		m.mentions = addMentions(m.mentions, p.Text)
	}
	p.Mentions, p.MentionsChannel = m.mentions, mentionsChannel(m.mentions)
	p.Edited = p.Blocks == nil
	p.Updates++
}

// getPermalink implements chat.getPermalink.
func (c *call) getPermalink() (any, *apiError) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, errCode("channel_not_found")
	}
	p, ok := r.byTS[c.form.Get("message_ts")]
	if !ok {
		return nil, errCode("message_not_found")
	}
	return struct {
		envelope
		Channel   string `json:"channel"`
		Permalink string `json:"permalink"`
	}{okEnvelope, r.ID, c.permalink(p)}, nil
}

func (w *Workspace) permalink(p *storedMessage) string {
	link := w.config.Origin + "/archives/" + p.ChannelID + "/p" + strings.Replace(p.TS, ".", "", 1)
	if p.ThreadTS != "" {
		link += "?thread_ts=" + p.ThreadTS + "&cid=" + p.ChannelID
	}
	return link
}
