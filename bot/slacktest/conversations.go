package slacktest

import "strings"

// conversationResponse is the response of the methods about one conversation.
type conversationResponse struct {
	envelope
	NoOp        bool        `json:"no_op,omitempty"`
	AlreadyOpen bool        `json:"already_open,omitempty"`
	Channel     wireChannel `json:"channel"`
}

// openConversation implements conversations.open for one user. Group DMs are not
// simulated.
func (c *call) openConversation() (any, *apiError) {
	if id := c.form.Get("channel"); id != "" {
		r := c.visible(id)
		if r == nil || r.IMUserID == "" {
			return nil, errCode("channel_not_found")
		}
		return conversationResponse{envelope: okEnvelope, NoOp: true, AlreadyOpen: true, Channel: c.wireChannel(r)}, nil
	}
	users := c.form.Get("users")
	switch n := strings.Count(users, ",") + 1; {
	case users == "":
		return nil, errCode("users_list_not_supplied")
	case n > 8:
		return nil, errCode("too_many_users")
	case n > 1:
		return nil, &apiError{code: "method_not_supported_for_channel_type", messages: []string{"[ERROR] group DMs are not simulated"}}
	}
	u := c.userByID(users)
	if u == nil {
		return nil, errCode("user_not_found")
	}
	if c.isStranger(u) {
		return nil, errCode("invalid_user_combination")
	}
	if err := c.canDM(u); err != nil {
		return nil, err
	}
	r, opened := c.dm(u.ID)
	c.entry.Channel, c.entry.User = r.ID, u.ID
	answer := conversationResponse{envelope: okEnvelope, NoOp: !opened, AlreadyOpen: !opened, Channel: wireChannel{ID: r.ID}}
	if c.boolArg("return_im", false) {
		answer.Channel = c.wireChannel(r)
	}
	return answer, nil
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
	return r, c.requireScope(r.readScope())
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

// conversationMembers implements conversations.members.
func (c *call) conversationMembers() (any, *apiError) {
	r, err := c.channelToRead()
	if err != nil {
		return nil, err
	}
	from, to, next, err := c.paginate(len(r.Members), 100, 1000)
	if err != nil {
		return nil, err
	}
	return struct {
		envelope
		Members []string         `json:"members"`
		Page    responseMetadata `json:"response_metadata"`
	}{okEnvelope, append([]string{}, r.Members[from:to]...), next}, nil
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
		if err := c.requireScope(scope); err != nil {
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
