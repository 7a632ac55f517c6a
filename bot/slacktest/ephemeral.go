package slacktest

// postEphemeral implements chat.postEphemeral. Bot and reader must both be in the
// channel; chat:write.public does not replace membership.
func (c *call) postEphemeral() (any, *apiError) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, errCode("channel_not_found")
	}
	reader := c.userByID(c.form.Get("user"))
	switch {
	case !r.hasMember(c.config.BotUserID):
		return nil, errCode("not_in_channel")
	case r.Archived:
		return nil, errCode("is_archived")
	case reader == nil || !r.hasMember(reader.ID) || reader.Deleted:
		return nil, errCode("user_not_in_channel")
	}
	m, threadTS, err := c.postArgs(r)
	if err != nil {
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

// addEphemeral shows a message to one user.
func (w *Workspace) addEphemeral(r *channel, readerID string, m Message, args messageArgs) *storedMessage {
	m.ChannelID, m.UserID, m.Ephemeral = r.ID, w.config.BotUserID, true
	m.Text, m.Blocks, m.Metadata = args.text, args.blocks, args.metadata
	m.Mentions, m.MentionsChannel = args.mentions, mentionsChannel(args.mentions)
	p := &storedMessage{Message: m, readerID: readerID}
	w.ephemeral[readerID] = append(w.ephemeral[readerID], p)
	w.version++
	return p
}

// removeEphemeral removes an ephemeral message of readerID's.
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
