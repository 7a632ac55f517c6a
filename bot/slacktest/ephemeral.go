package slacktest

// postEphemeral is chat.postEphemeral. The bot and the reader must both be in the
// channel; chat:write.public does not help.
func (c *call) postEphemeral() (any, *refusal) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, refuse("channel_not_found")
	}
	reader, found := c.users.byID[c.form.Get("user")]
	switch {
	case !r.has(c.config.BotUserID):
		return nil, refuse("not_in_channel")
	case r.Archived:
		return nil, refuse("is_archived")
	case !found || !r.has(reader.ID) || reader.Deleted:
		return nil, refuse("user_not_in_channel")
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
	p := c.whisper(r, reader.ID, Message{
		TS: c.newTS(c.now), ThreadTS: threadTS,
		UnfurlLinks: c.is("unfurl_links", true), UnfurlMedia: c.is("unfurl_media", true),
	}, m)
	c.record.Channel, c.record.TS, c.record.User = r.ID, p.TS, reader.ID
	return struct {
		good
		MessageTS string `json:"message_ts"`
	}{yes, p.TS}, nil
}

// whisper shows a message to one person.
func (w *Workspace) whisper(r *room, readerID string, m Message, says content) *post {
	m.ChannelID, m.UserID, m.Ephemeral = r.ID, w.config.BotUserID, true
	m.Text, m.Blocks, m.Metadata = says.text, says.blocks, says.metadata
	m.Mentions, m.MentionsChannel = says.mentions, pingsChannel(says.mentions)
	p := &post{Message: m, readerID: readerID}
	w.ephemeral[readerID] = append(w.ephemeral[readerID], p)
	w.version++
	return p
}

// dropEphemeral forgets a message that only readerID sees.
func (w *Workspace) dropEphemeral(readerID, ts string) {
	kept := w.ephemeral[readerID][:0:0]
	for _, p := range w.ephemeral[readerID] {
		if p.TS != ts {
			kept = append(kept, p)
		}
	}
	w.ephemeral[readerID] = kept
	w.version++
}
