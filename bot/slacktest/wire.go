package slacktest

import (
	"encoding/json"
	"strings"
)

// wireMessage is a message in API responses and payloads.
type wireMessage struct {
	Type      string          `json:"type"`
	Subtype   string          `json:"subtype,omitempty"`
	User      string          `json:"user"`
	BotID     string          `json:"bot_id,omitempty"`
	AppID     string          `json:"app_id,omitempty"`
	Team      string          `json:"team"`
	Text      string          `json:"text"`
	TS        string          `json:"ts"`
	ThreadTS  string          `json:"thread_ts,omitempty"`
	Replies   int             `json:"reply_count,omitempty"`
	Blocks    json.RawMessage `json:"blocks,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
	Edited    *wireEdit       `json:"edited,omitempty"`
	Reactions []Reaction      `json:"reactions,omitempty"`
}

type wireEdit struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

func (w *Workspace) wire(p *storedMessage) wireMessage {
	m := wireMessage{
		Type: "message", User: p.UserID, Team: w.config.TeamID, Text: p.Text, TS: p.TS, ThreadTS: p.ThreadTS,
		Replies: len(p.replies), Blocks: p.Blocks, Metadata: p.Metadata, Reactions: p.Reactions,
	}
	if p.UserID == w.config.BotUserID {
		m.BotID, m.AppID = w.config.BotID, w.config.AppID
	}
	if p.Broadcast {
		m.Subtype = "thread_broadcast"
	}
	if len(p.replies) > 0 {
		m.ThreadTS = p.TS
	}
	if p.Edited {
		m.Edited = &wireEdit{p.UserID, p.TS}
	}
	return m
}

// wireChannel is the simulated part of a conversation object.
type wireChannel struct {
	ID            string `json:"id"`
	Name          string `json:"name,omitempty"`
	User          string `json:"user,omitempty"`
	IsChannel     bool   `json:"is_channel"`
	IsGroup       bool   `json:"is_group"`
	IsIM          bool   `json:"is_im"`
	IsMPIM        bool   `json:"is_mpim"`
	IsPrivate     bool   `json:"is_private"`
	IsArchived    bool   `json:"is_archived"`
	IsMember      bool   `json:"is_member"`
	IsShared      bool   `json:"is_shared"`
	IsExtShared   bool   `json:"is_ext_shared"`
	IsOrgShared   bool   `json:"is_org_shared"`
	IsUserDeleted bool   `json:"is_user_deleted,omitempty"`
	ContextTeamID string `json:"context_team_id"`
	NumMembers    *int   `json:"num_members,omitempty"`
}

func (w *Workspace) wireChannel(r *channel) wireChannel {
	im := r.IMUserID != ""
	group := strings.HasPrefix(r.ID, "G")
	ch := wireChannel{
		ID: r.ID, Name: r.Name, User: r.IMUserID,
		IsChannel: !im && !group, IsGroup: group, IsIM: im, IsPrivate: r.Private, IsArchived: r.Archived,
		IsMember: !im && r.hasMember(w.config.BotUserID),
		IsShared: r.ExtShared || r.OrgShared, IsExtShared: r.ExtShared, IsOrgShared: r.OrgShared, ContextTeamID: w.config.TeamID,
	}
	if im {
		ch.IsUserDeleted = w.users.byID[r.IMUserID].Deleted
	}
	return ch
}
