package page

import (
	"slices"

	"countersign/bot/slacktest"
)

// channel is the Slack pane: a channel as one person sees it, and the app's
// Home tab and direct messages to that person.
type channel struct {
	Name    string
	People  int
	Shared  bool // with another workspace
	Viewer  person
	Outside bool // the viewer is not in it
	Outage  outage
	Real    *Workspace // where the messages are instead; nil: here

	Messages     []message
	Direct       []message
	Command      string // that the viewer can run in the channel; empty for none
	Home         []block
	HomeBroken   bool
	Announcement string // the newest message in one sentence, for screen readers
}

// channel reads the channel with the given ID. People excludes bot users.
func (r reader) channel(w *slacktest.Workspace, id string, viewer person, failed buttonErrors, now outage) channel {
	c := r.names.channels[id]
	out := channel{Name: r.names.channel(id), Shared: c.ExtShared, Viewer: viewer, Outage: now}
	for _, m := range c.Members {
		if !r.names.users[m].Bot {
			out.People++
		}
	}
	direct := w.DMs(viewer.ID)
	out.Direct = r.read(direct, slices.DeleteFunc(w.Ephemerals(viewer.ID), func(m slacktest.Message) bool {
		return len(direct) == 0 || m.ChannelID != direct[0].ChannelID
	}), failed)
	if v, ok := w.Home(viewer.ID); ok {
		home := r
		home.on = surface{View: v.ID}
		home.failed = failed.on(r.viewer, home.on)
		var err error
		out.Home, err = home.blocks(v.Blocks)
		out.HomeBroken = err != nil
	}
	if out.Outside = !slices.Contains(c.Members, viewer.ID); out.Outside {
		return out
	}
	out.Command = command
	here := slices.DeleteFunc(w.Ephemerals(viewer.ID), func(m slacktest.Message) bool { return m.ChannelID != id })
	shared := w.Messages(id)
	out.Messages = r.read(shared, here, failed)
	out.Announcement = r.newest(shared, here)
	return out
}

// newest returns the newest message as a notification would show it.
func (r reader) newest(shared, private []slacktest.Message) string {
	var last slacktest.Message
	consider := func(m slacktest.Message) {
		if m.TS > last.TS {
			last = m
		}
	}
	for _, m := range shared {
		consider(m)
		for _, reply := range m.Replies {
			consider(reply)
		}
	}
	for _, m := range private {
		consider(m)
	}
	if last.TS == "" {
		return ""
	}
	text := r.names.user(last.UserID) + ": " + r.plain(last.Text)
	if last.Ephemeral {
		return "Only visible to you. " + text
	}
	return text
}

// plain renders mrkdwn as a notification does: names instead of IDs, no
// formatting.
func (r reader) plain(mrkdwn string) string {
	return flatten(r.inlines(slacktest.ParseMrkdwn(mrkdwn), true))
}

func flatten(spans []inline) string {
	var s string
	for _, in := range spans {
		s += in.Text + flatten(in.Children)
	}
	return s
}
