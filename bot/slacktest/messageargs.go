package slacktest

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a message's text in characters. Above the first, chat.postMessage is
// documented to truncate; here it is refused. Above the second, chat.update refuses.
const (
	maxPostText   = 40_000
	maxUpdateText = 4_000
)

// messageArgs are the content arguments of a call that writes a message.
type messageArgs struct {
	hasText, hasBlocks bool

	text     string
	blocks   json.RawMessage
	metadata json.RawMessage
	mentions []string
}

// messageArgs reads and validates the call's text, blocks and metadata.
func (c *call) messageArgs(maxText int) (messageArgs, *apiError) {
	m := messageArgs{hasText: c.form.Has("text"), text: c.form.Get("text")}
	if utf8.RuneCountInString(m.text) > maxText {
		return m, errCode("msg_too_long")
	}
	texts := []string{m.text}
	if raw := c.form.Get("blocks"); raw != "" {
		m.hasBlocks = true
		blocks, more, err := c.readBlocks(raw)
		if err != nil {
			return m, err
		}
		m.blocks, texts = blocks, append(texts, more...)
	}
	if raw := c.form.Get("attachments"); raw != "" && raw != "[]" {
		return m, &apiError{code: "invalid_attachments", messages: []string{"[ERROR] attachments are not simulated"}}
	}
	if raw := c.form.Get("metadata"); raw != "" {
		if !isMetadata(raw) {
			return m, errCode("invalid_metadata_format")
		}
		m.metadata = json.RawMessage(raw)
	}
	for _, text := range texts {
		m.mentions = addMentions(m.mentions, text)
	}
	if c.boolArg("link_names", false) || c.form.Get("parse") == "full" {
		m.mentions = c.addNamedMentions(m.mentions, m.text)
	}
	return m, nil
}

// readBlocks validates the blocks of a message. It returns them as Slack stores
// them, nil if there are none, and all mrkdwn in them.
func (c *call) readBlocks(raw string) (json.RawMessage, []string, *apiError) {
	if !json.Valid([]byte(raw)) || !strings.HasPrefix(strings.TrimSpace(raw), "[") {
		return nil, nil, errCode("invalid_blocks_format")
	}
	in := &validator{path: []string{"blocks"}}
	parsed := in.blocks(json.RawMessage(raw), messageBlocks, maxMessageBlocks)
	if problems := in.result(); problems != nil {
		return nil, nil, &apiError{code: "invalid_blocks", messages: messages(problems)}
	}
	if len(parsed) == 0 {
		return nil, nil, nil
	}
	return assignIDs(parsed, c.newBlockID), in.texts, nil
}

func (w *Workspace) newBlockID() string { return w.newID("b") }

// isMetadata reports whether raw is {event_type, event_payload}:
// https://docs.slack.dev/messaging/message-metadata
func isMetadata(raw string) bool {
	var m struct {
		EventType    string         `json:"event_type"`
		EventPayload map[string]any `json:"event_payload"`
	}
	d := json.NewDecoder(strings.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(&m) == nil && m.EventType != "" && m.EventPayload != nil
}

// addMentions adds the mentions in text to found, without duplicates.
func addMentions(found []string, text string) []string {
	if !strings.Contains(text, "<@") && !strings.Contains(text, "<!") {
		return found // most texts
	}
	WalkSpans(ParseMrkdwn(text), func(s Span) {
		switch s.Kind {
		case SpanUser, SpanGroup, SpanSpecial:
			found = addOnce(found, s.Target)
		}
	})
	return found
}

// addNamedMentions adds what link_names and parse=full turn into mentions: @ with
// the handle of a group, or with here, channel or everyone.
func (w *Workspace) addNamedMentions(found []string, text string) []string {
	names := map[string]string{"@here": "here", "@channel": "channel", "@everyone": "everyone"}
	for _, id := range w.groups.order {
		names["@"+w.groups.byID[id].Handle] = id
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return r != '@' && r != '-' && r != '_' && r != '.' && !isWord(r)
	}) {
		if id, ok := names[strings.TrimRight(word, ".")]; ok {
			found = addOnce(found, id)
		}
	}
	return found
}

func addOnce(ids []string, id string) []string {
	if slices.Contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

func mentionsChannel(mentions []string) bool {
	return slices.ContainsFunc(mentions, func(id string) bool {
		return id == "here" || id == "channel" || id == "everyone"
	})
}

// notified returns the members of the channel who get a notification of a new
// message with these mentions. Authors, bots and deactivated users get none. In a DM
// the other user is always notified.
func (w *Workspace) notified(r *channel, author string, mentions []string) []string {
	var ids []string
	for _, id := range mentions {
		switch g, isGroup := w.groups.byID[id]; {
		case mentionsChannel([]string{id}):
			ids = append(ids, r.Members...)
		case isGroup && !g.Disabled:
			ids = append(ids, g.Users...)
		default:
			ids = append(ids, id)
		}
	}
	if r.IMUserID != "" {
		ids = append(ids, r.IMUserID)
	}
	var people []string
	for _, id := range ids {
		u := w.userByID(id)
		if u != nil && u.ID != author && !u.Bot && !u.Deleted && r.hasMember(u.ID) {
			people = addOnce(people, u.ID)
		}
	}
	return people
}
