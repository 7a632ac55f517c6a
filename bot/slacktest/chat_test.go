package slacktest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	api "github.com/slack-go/slack"

	"countersign/bot/slacktest"
)

func TestPostMessageDestinations(t *testing.T) {
	tests := []struct {
		name, to string
		scopes   []string // on top of chat:write
		noTab    bool     // the Messages tab is off
		want     string   // the error
		lands    string   // the channel; D for a direct message
	}{
		{name: "a channel by ID", to: public, lands: public},
		{name: "a channel by name", to: "approvals", lands: public},
		{name: "a channel by #name", to: "#approvals", lands: public},
		{name: "a private channel by ID", to: private, lands: private},
		{name: "a private channel by name", to: "secret", want: "channel_not_found"},
		{name: "a user", to: ann, lands: "D"},
		{name: "a user, without a Messages tab", to: ann, noTab: true, want: "messages_tab_disabled"},
		{name: "a channel, without a Messages tab", to: public, noTab: true, lands: public},
		{name: "a user of a partner workspace", to: olga, lands: "D"},
		{name: "a stranger", to: stranger, want: "channel_not_found"},
		{name: "a deactivated user", to: gone, want: "user_disabled"},
		{name: "a bot", to: bot, want: "cannot_dm_bot"},
		{name: "an unknown user", to: "U0UNKNOWN", want: "channel_not_found"},
		{name: "an unknown channel", to: "C0NOWHERE", want: "channel_not_found"},
		{name: "no channel", to: "", want: "channel_not_found"},
		{name: "a public channel without the bot", to: open, want: "not_in_channel"},
		{name: "a public channel without the bot, with chat:write.public", to: open, scopes: []string{"chat:write.public"}, lands: open},
		{name: "a private channel without the bot", to: hidden, want: "channel_not_found"},
		{name: "a private channel without the bot, with chat:write.public", to: hidden, scopes: []string{"chat:write.public"}, want: "channel_not_found"},
		{name: "an archived channel", to: closed, want: "is_archived"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(c *slacktest.Config) {
				c.Scopes, c.MessagesTab = append([]string{"chat:write"}, tt.scopes...), !tt.noTab
			})
			channel, ts, err := w.api.PostMessageContext(t.Context(), tt.to, text("hello"))
			wantCode(t, "chat.postMessage", err, tt.want)
			if tt.want != "" {
				return
			}
			if !strings.HasPrefix(channel, tt.lands) || ts == "" {
				t.Fatalf("posted to %q at %q, want %q", channel, ts, tt.lands)
			}
			if got := w.message(channel, ts).Text; got != "hello" {
				t.Errorf("text: got %q", got)
			}
		})
	}
}

func TestPostMessageContent(t *testing.T) {
	long := func(n int) api.MsgOption { return text(strings.Repeat("é", n)) }
	metadata := func(kind string) api.MsgOption {
		return api.MsgOptionMetadata(api.SlackMetadata{EventType: kind, EventPayload: map[string]any{"id": "r1"}})
	}
	tests := []struct {
		name    string
		options []api.MsgOption
		want    string
	}{
		{name: "text", options: []api.MsgOption{text("x")}},
		{name: "only blocks", options: []api.MsgOption{approvalButtons()}},
		{name: "nothing", want: "no_text"},
		{name: "empty text", options: []api.MsgOption{text("")}, want: "no_text"},
		{name: "empty blocks", options: []api.MsgOption{api.MsgOptionBlocks()}, want: "no_text"},
		{name: "40,000 characters", options: []api.MsgOption{long(40_000)}},
		{name: "40,001 characters", options: []api.MsgOption{long(40_001)}, want: "msg_too_long"},
		{name: "a bad block", options: []api.MsgOption{text("x"), api.MsgOptionBlocks(api.NewHeaderBlock(plain("")))}, want: "invalid_blocks"},
		{name: "metadata", options: []api.MsgOption{text("x"), metadata("asked")}},
		{name: "metadata without a type", options: []api.MsgOption{text("x"), metadata("")}, want: "invalid_metadata_format"},
		{name: "no attachments", options: []api.MsgOption{text("x"), api.MsgOptionAttachments([]api.Attachment{}...)}},
		{name: "attachments", options: []api.MsgOption{text("x"), api.MsgOptionAttachments(api.Attachment{Text: "y"})}, want: "invalid_attachments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			_, _, err := w.api.PostMessageContext(t.Context(), public, tt.options...)
			wantCode(t, "chat.postMessage", err, tt.want)
			want := 1
			if tt.want != "" {
				want = 0
			}
			if got := len(w.Messages(public)); got != want {
				t.Errorf("messages in the channel: got %d, want %d", got, want)
			}
		})
	}
}

func TestThreads(t *testing.T) {
	w := newWorld(t)
	_, parent := w.post(public, text("parent"))
	_, reply := w.post(public, text("reply"), api.MsgOptionTS(parent))
	_, loud := w.post(public, text("loud reply"), api.MsgOptionTS(parent), api.MsgOptionBroadcast())
	if _, err := w.PostAs(ann, public, parent, "a person's reply"); err != nil {
		t.Fatal(err)
	}

	messages := w.Messages(public)
	if len(messages) != 1 {
		t.Fatalf("top-level messages: got %d, want 1", len(messages))
	}
	var got []string
	for _, m := range messages[0].Replies {
		got = append(got, m.Text)
	}
	if diff := cmp.Diff([]string{"reply", "loud reply", "a person's reply"}, got); diff != "" {
		t.Errorf("thread (-want +got):\n%s", diff)
	}
	_, top := w.post(public, text("no reply"), api.MsgOptionBroadcast())
	if w.message(public, top).Broadcast {
		t.Error("a message outside of threads is broadcast")
	}
	if err := w.DeleteMessage(public, top); err != nil {
		t.Fatal(err)
	}
	if !w.message(public, loud).Broadcast || w.message(public, reply).Broadcast {
		t.Error("only the reply with reply_broadcast should be broadcast")
	}

	for name, tt := range map[string]struct{ ts, want string }{
		"to nothing":                      {"1700000000.000000", "thread_not_found"},
		"to a reply":                      {reply, "cannot_reply_to_message"},
		"to no message":                   {"", ""},
		"to a message in another channel": {w.secondChannel(), "thread_not_found"},
	} {
		_, _, err := w.api.PostMessageContext(t.Context(), public, text("x"), api.MsgOptionTS(tt.ts))
		wantCode(t, "replying "+name, err, tt.want)
	}
}

// secondChannel returns the ts of a message in another channel.
func (w *world) secondChannel() string {
	_, ts := w.post(private, text("over there"))
	return ts
}

// Slack posts a reply to a deleted message at the channel's root. Only the response,
// which has no thread_ts, shows it: https://github.com/slack-go/slack/issues/1571
func TestReplyToDeletedMessage(t *testing.T) {
	w := newWorld(t)
	_, parent := w.post(public, text("parent"))
	if err := w.DeleteMessage(public, parent); err != nil {
		t.Fatal(err)
	}
	_, ts, m, err := w.api.PostMessageWithResponseContext(t.Context(), public, text("reply"), api.MsgOptionTS(parent))
	if err != nil || m.ThreadTimestamp != "" {
		t.Fatalf("got thread %q and %v, want no thread and no error", m.ThreadTimestamp, err)
	}
	if got := w.Messages(public); len(got) != 1 || got[0].TS != ts {
		t.Errorf("messages: got %v, want the reply at top level", got)
	}
}

// A deleted message with replies stays as a placeholder.
func TestDeletedParentKeepsReplies(t *testing.T) {
	w := newWorld(t)
	_, parent := w.post(public, text("parent"), approvalButtons())
	w.post(public, text("reply"), api.MsgOptionTS(parent))
	if err := w.DeleteMessage(public, parent); err != nil {
		t.Fatal(err)
	}
	m := w.message(public, parent)
	if !m.Deleted || m.Blocks != nil || len(m.Replies) != 1 {
		t.Errorf("got deleted %t, blocks %s, %d replies; want the placeholder and its reply", m.Deleted, m.Blocks, len(m.Replies))
	}
	w.post(public, text("another"), api.MsgOptionTS(parent))
	_, _, _, err := w.api.UpdateMessageContext(t.Context(), public, parent, text("back"))
	wantCode(t, "chat.update of a deleted message", err, "message_not_found")
}

func TestUpdateMessage(t *testing.T) {
	tests := []struct {
		name      string
		options   []api.MsgOption
		wantErr   string
		wantText  string
		hasBlocks bool
		edited    bool
	}{
		{name: "text removes the blocks", options: []api.MsgOption{text("new")}, wantText: "new", edited: true},
		{name: "blocks keep the text", options: []api.MsgOption{api.MsgOptionBlocks(section("new"))}, wantText: "old", hasBlocks: true},
		{name: "both", options: []api.MsgOption{text("new"), api.MsgOptionBlocks(section("new"))}, wantText: "new", hasBlocks: true},
		{name: "empty blocks", options: []api.MsgOption{api.MsgOptionBlocks()}, wantText: "old", edited: true},
		{name: "nothing", wantErr: "no_text"},
		{name: "empty text", options: []api.MsgOption{text("")}, wantErr: "no_text"},
		{name: "4,000 characters", options: []api.MsgOption{text(strings.Repeat("x", 4000))}, wantText: strings.Repeat("x", 4000), edited: true},
		{name: "4,001 characters", options: []api.MsgOption{text(strings.Repeat("x", 4001))}, wantErr: "msg_too_long"},
		{name: "bad blocks", options: []api.MsgOption{api.MsgOptionBlocks(section(""))}, wantErr: "invalid_blocks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			_, ts := w.post(public, text("old"), approvalButtons())
			before := w.message(public, ts)
			_, gotTS, _, err := w.api.UpdateMessageContext(t.Context(), public, ts, tt.options...)
			wantCode(t, "chat.update", err, tt.wantErr)
			got := w.message(public, ts)
			if tt.wantErr != "" {
				if diff := cmp.Diff(before, got); diff != "" {
					t.Errorf("a refused update changed the message (-before +after):\n%s", diff)
				}
				return
			}
			if gotTS != ts || got.Updates != 1 {
				t.Errorf("got ts %s and %d updates, want %s and 1", gotTS, got.Updates, ts)
			}
			if got.Text != tt.wantText || (got.Blocks != nil) != tt.hasBlocks || got.Edited != tt.edited {
				t.Errorf("got text %q, blocks %s, edited %t; want %q, %t, %t",
					got.Text, got.Blocks, got.Edited, tt.wantText, tt.hasBlocks, tt.edited)
			}
		})
	}
}

func TestUpdateMessageRefused(t *testing.T) {
	w := newWorld(t)
	dm, ts := w.post(ann, text("hello"))
	theirs, err := w.PostAs(ann, public, "", "mine")
	if err != nil {
		t.Fatal(err)
	}
	eph, err := w.api.PostEphemeralContext(t.Context(), public, ann, text("psst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, channel, ts, want string }{
		{"a DM by its D... ID", dm, ts, ""},
		{"a DM by the person's ID", ann, ts, "channel_not_found"},
		{"a channel by name", "approvals", ts, "channel_not_found"},
		{"a message in another channel", public, ts, "message_not_found"},
		{"a person's message", public, theirs, "cant_update_message"},
		{"an ephemeral message", public, eph, "message_not_found"},
		{"in an archived channel", closed, ts, "is_inactive"},
	} {
		_, _, _, err := w.api.UpdateMessageContext(t.Context(), tt.channel, tt.ts, text("new"))
		wantCode(t, "chat.update of "+tt.name, err, tt.want)
	}
}

func TestUpdateKeepsMetadata(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), api.MsgOptionMetadata(api.SlackMetadata{EventType: "asked", EventPayload: map[string]any{"id": "r1"}}))
	if _, _, _, err := w.api.UpdateMessageContext(t.Context(), public, ts, text("y")); err != nil {
		t.Fatal(err)
	}
	if got, want := string(w.message(public, ts).Metadata), `{"event_type":"asked","event_payload":{"id":"r1"}}`; got != want {
		t.Errorf("metadata after an update: got %s, want %s", got, want)
	}
}

func TestPostEphemeral(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ name, channel, user, want string }{
		{"to a member", public, ann, ""},
		{"to a user outside the channel", private, bob, "user_not_in_channel"},
		{"to an unknown user", public, "U0UNKNOWN", "user_not_in_channel"},
		{"to a deactivated user", shared, gone, "user_not_in_channel"},
		{"without the bot", open, ann, "not_in_channel"},
		{"in a hidden channel", hidden, ann, "channel_not_found"},
		{"in an archived channel", closed, ann, "is_archived"},
	} {
		ts, err := w.api.PostEphemeralContext(t.Context(), tt.channel, tt.user, text(tt.name))
		wantCode(t, "chat.postEphemeral "+tt.name, err, tt.want)
		if (ts != "") != (tt.want == "") {
			t.Errorf("%s: got ts %q", tt.name, ts)
		}
	}
	if got := w.Ephemerals(ann); len(got) != 1 || got[0].Text != "to a member" || !got[0].Ephemeral {
		t.Errorf("ann sees %v", got)
	}
	if got := w.Messages(public); len(got) != 0 {
		t.Errorf("others see %v", got)
	}
}

func TestPermalink(t *testing.T) {
	w := newWorld(t)
	_, parent := w.post(public, text("parent"))
	_, reply := w.post(public, text("reply"), api.MsgOptionTS(parent))
	link := func(channel, ts string) string {
		s, err := w.api.GetPermalinkContext(t.Context(), &api.PermalinkParameters{Channel: channel, Ts: ts})
		if err != nil {
			return code(err)
		}
		return s
	}
	base := w.origin + "/archives/" + public + "/p"
	for _, tt := range []struct{ name, got, want string }{
		{"a message", link(public, parent), base + strings.Replace(parent, ".", "", 1)},
		{"a reply", link(public, reply), base + strings.Replace(reply, ".", "", 1) + "?thread_ts=" + parent + "&cid=" + public},
		{"nothing", link(public, "1.2"), "message_not_found"},
		{"hidden", link(hidden, parent), "channel_not_found"},
	} {
		if tt.got != tt.want {
			t.Errorf("permalink of %s: got %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}

// Timestamps are unique and increase even if the clock stands still or goes back.
func TestTimestampsIncrease(t *testing.T) {
	w := newWorld(t)
	_, first := w.post(public, text("1"))
	_, second := w.post(private, text("2"))
	w.clock.add(-1e9)
	_, third := w.post(public, text("3"))
	if first != "1795424400.000000" {
		t.Errorf("the first ts: got %s, want the clock's time", first)
	}
	if !(first < second && second < third) {
		t.Errorf("timestamps do not increase: %s, %s, %s", first, second, third)
	}
}
