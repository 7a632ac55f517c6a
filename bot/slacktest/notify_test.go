package slacktest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	api "github.com/slack-go/slack"
)

// Mentions count wherever they are in a message.
func TestMentions(t *testing.T) {
	tests := []struct {
		name            string
		to              string
		options         []api.MsgOption
		notifies        []string
		notified        []string
		mentionsChannel bool
	}{
		{name: "no user", to: public, options: []api.MsgOption{text("ann @here")}},
		{name: "a member", to: public, options: []api.MsgOption{text("<@U0ANN>, <@U0ANN>")}, notifies: []string{ann}, notified: []string{ann}},
		{name: "user outside the channel", to: private, options: []api.MsgOption{text("<@U0BOB>")}, notifies: []string{bob}},
		{name: "deactivated user", to: shared, options: []api.MsgOption{text("<@U0GONE>")}, notifies: []string{gone}},
		{name: "a group", to: public, options: []api.MsgOption{text("<!subteam^S0GROUP>")}, notifies: []string{group}, notified: []string{ann, bob}},
		{name: "a disabled group", to: public, options: []api.MsgOption{text("<!subteam^S0OLD>")}, notifies: []string{oldGroup}},
		{name: "here", to: shared, options: []api.MsgOption{text("<!here>")}, notifies: []string{"here"}, notified: []string{ann, olga}, mentionsChannel: true},
		{name: "escaped", to: public, options: []api.MsgOption{api.MsgOptionText("<!channel> <@U0ANN>", true)}},
		{name: "in a section", to: public, options: []api.MsgOption{text("x"), api.MsgOptionBlocks(section("<@U0BOB>"))}, notifies: []string{bob}, notified: []string{bob}},
		{name: "in a field", to: public, options: []api.MsgOption{text("x"), api.MsgOptionBlocks(api.NewSectionBlock(nil, []*api.TextBlockObject{mrkdwn("<!channel>")}, nil))}, notifies: []string{"channel"}, notified: []string{ann, bob}, mentionsChannel: true},
		{name: "in a context", to: public, options: []api.MsgOption{text("x"), api.MsgOptionBlocks(api.NewContextBlock("", mrkdwn("<@U0ANN>")))}, notifies: []string{ann}, notified: []string{ann}},
		{name: "in markdown", to: public, options: []api.MsgOption{text("x"), api.MsgOptionBlocks(api.NewMarkdownBlock("", "<@U0ANN>"))}, notifies: []string{ann}, notified: []string{ann}},
		{name: "in plain_text", to: public, options: []api.MsgOption{text("x"), api.MsgOptionBlocks(api.NewSectionBlock(plain("<@U0ANN> <!here>"), nil, nil))}},
		{name: "a direct message", to: ann, options: []api.MsgOption{text("x")}, notified: []string{ann}},
		{name: "parse=full", to: public, options: []api.MsgOption{text("hello @here and @approvers."), api.MsgOptionParse(true)}, notifies: []string{"here", group}, notified: []string{ann, bob}, mentionsChannel: true},
		{name: "link_names", to: public, options: []api.MsgOption{text("a@here @approvers-not @everyone"), api.MsgOptionLinkNames(true)}, notifies: []string{"everyone"}, notified: []string{ann, bob}, mentionsChannel: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			channel, ts := w.post(tt.to, tt.options...)
			m := w.message(channel, ts)
			if diff := cmp.Diff(tt.notifies, m.Mentions); diff != "" {
				t.Errorf("notifies (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.notified, m.Notified); diff != "" {
				t.Errorf("notified (-want +got):\n%s", diff)
			}
			if m.MentionsChannel != tt.mentionsChannel {
				t.Errorf("mentions the channel: got %t, want %t", m.MentionsChannel, tt.mentionsChannel)
			}
		})
	}
}

// Mentions in an update notify no one.
func TestUpdateSendsNoNotifications(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("<@U0ANN>"))
	if _, _, _, err := w.api.UpdateMessageContext(t.Context(), public, ts, text("<@U0BOB> <!here>")); err != nil {
		t.Fatal(err)
	}
	m := w.message(public, ts)
	if diff := cmp.Diff([]string{bob, "here"}, m.Mentions); diff != "" || !m.MentionsChannel {
		t.Errorf("notifies (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{ann}, m.Notified); diff != "" {
		t.Errorf("notified (-want +got):\n%s", diff)
	}
	if _, _, _, err := w.api.UpdateMessageContext(t.Context(), public, ts, text("no mention")); err != nil {
		t.Fatal(err)
	}
	if m := w.message(public, ts); m.MentionsChannel || m.Mentions != nil {
		t.Errorf("got %v", m.Mentions)
	}
}

func TestUnfurlFlags(t *testing.T) {
	w := newWorld(t)
	_, loud := w.post(public, text("x"))
	_, quiet := w.post(public, text("x"), api.MsgOptionDisableLinkUnfurl(), api.MsgOptionDisableMediaUnfurl())
	if m := w.message(public, loud); !m.UnfurlLinks || !m.UnfurlMedia {
		t.Error("by default, links should be unfurled")
	}
	if m := w.message(public, quiet); m.UnfurlLinks || m.UnfurlMedia {
		t.Error("links are unfurled despite unfurl_links=false")
	}
}
