package slacktest

import "strings"

// conversationResponse is the response of the methods about one conversation.
type conversationResponse struct {
	envelope
	Channel wireChannel `json:"channel"`
}

// readScope returns the scope for reading that type of channel.
func (r *channel) readScope() string {
	switch {
	case r.IMUserID != "":
		return "im:read"
	case r.Private:
		return "groups:read"
	}
	return "channels:read"
}

// channelToRead returns the channel that the call asks about.
func (c *call) channelToRead() (*channel, *apiError) {
	r := c.visible(c.form.Get("channel"))
	if r == nil {
		return nil, errCode("channel_not_found")
	}
	return r, c.requireScope(r.readScope(), false)
}

// conversationInfo implements conversations.info.
func (c *call) conversationInfo() (any, *apiError) {
	r, err := c.channelToRead()
	if err != nil {
		return nil, err
	}
	answer := conversationResponse{envelope: okEnvelope, Channel: c.wireChannel(r)}
	if c.boolArg("include_num_members", false) {
		n := len(r.Members)
		answer.Channel.NumMembers = &n
	}
	return answer, nil
}

// listConversations implements conversations.list: public channels, and private
// channels that the bot is in.
func (c *call) listConversations() (any, *apiError) {
	if err := c.requireTeam(); err != nil {
		return nil, err
	}
	types := c.form.Get("types")
	if types == "" {
		types = "public_channel"
	}
	scopes := map[string]string{"public_channel": "channels:read", "private_channel": "groups:read", "im": "im:read", "mpim": "mpim:read"}
	wanted := make(map[string]bool)
	for kind := range strings.SplitSeq(types, ",") {
		scope, known := scopes[strings.TrimSpace(kind)]
		if !known {
			return nil, errCode("invalid_types")
		}
		if err := c.requireScope(scope, false); err != nil {
			return nil, err
		}
		wanted[scope] = true
	}
	channels := []wireChannel{}
	for _, id := range c.channels.order {
		r := c.visible(id)
		if r == nil || !wanted[r.readScope()] || r.Archived && c.boolArg("exclude_archived", false) {
			continue
		}
		channels = append(channels, c.wireChannel(r))
	}
	from, to, next, err := c.paginate(len(channels), 100, 1000)
	if err != nil {
		return nil, err
	}
	return struct {
		envelope
		Channels []wireChannel    `json:"channels"`
		Page     responseMetadata `json:"response_metadata"`
	}{okEnvelope, channels[from:to], next}, nil
}
