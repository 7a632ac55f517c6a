package slacktest

// postEphemeral is chat.postEphemeral. The bot and the reader must both be in the
// channel; chat:write.public does not help.
func (c *call) postEphemeral() (any, *apiError) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, errCode("channel_not_found")
	}
	reader, found := c.users.byID[c.form.Get("user")]
	switch {
	case !r.hasMember(c.config.BotUserID):
		return nil, errCode("not_in_channel")
	case r.Archived:
		return nil, errCode("is_archived")
	case !found || !r.hasMember(reader.ID) || reader.Deleted:
		return nil, errCode("user_not_in_channel")
	}
	m, err := c.messageArgs(maxPostText)
	if err != nil {
		return nil, err
	}
	if m.text == "" && m.blocks == nil {
		return nil, errCode("no_text")
	}
	threadTS := c.form.Get("thread_ts")
	if err := r.checkThread(threadTS); err != nil {
		return nil, err
	}
	p := c.addEphemeral(r, reader.ID, Message{
		TS: c.newTS(c.now), ThreadTS: threadTS,
		UnfurlLinks: c.boolArg("unfurl_links", true), UnfurlMedia: c.boolArg("unfurl_media", true),
	}, m)
	c.entry.Channel, c.entry.TS, c.entry.User = r.ID, p.TS, reader.ID
	return struct {
		envelope
		MessageTS string `json:"message_ts"`
	}{okEnvelope, p.TS}, nil
}

// whisper shows a message to one person.
func (w *Workspace) addEphemeral(r *channel, readerID string, m Message, says messageArgs) *storedMessage {
	m.ChannelID, m.UserID, m.Ephemeral = r.ID, w.config.BotUserID, true
	m.Text, m.Blocks, m.Metadata = says.text, says.blocks, says.metadata
	m.Mentions, m.MentionsChannel = says.mentions, pingsChannel(says.mentions)
	p := &storedMessage{Message: m, readerID: readerID}
	w.ephemeral[readerID] = append(w.ephemeral[readerID], p)
	w.version++
	return p
}

// dropEphemeral forgets a message that only readerID sees.
func (w *Workspace) removeEphemeral(readerID, ts string) {
	kept := w.ephemeral[readerID][:0:0]
	for _, p := range w.ephemeral[readerID] {
		if p.TS != ts {
			kept = append(kept, p)
		}
	}
	w.ephemeral[readerID] = kept
	w.version++
}
