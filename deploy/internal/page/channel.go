package page

import (
	"slices"

	"countersign/bot/slacktest"
)

// channel is the Slack pane: a channel as one person sees it, and what the app
// wrote to that person alone.
type channel struct {
	Name    string
	People  int
	Shared  bool // with another workspace
	Viewer  person
	Outside bool // the viewer is not in it
	Weather weather

	Messages []message
	Direct   []message
	Said     string // the newest message in one sentence, for screen readers
}

// weather is what goes wrong with the made Slack.
type weather struct {
	Down  bool
	Limit int // how many more posts are answered with 429
}

// channel reads the channel with that ID. The app's own name counts as nobody
// among its people.
func (r reader) channel(w *slacktest.Workspace, id string, viewer person, failed failures, sky weather) channel {
	c := r.names.channels[id]
	out := channel{Name: r.names.channel(id), Shared: c.ExtShared, Viewer: viewer, Weather: sky}
	for _, m := range c.Members {
		if !r.names.users[m].Bot {
			out.People++
		}
	}
	out.Direct = r.read(w.DMs(viewer.ID), nil, failed)
	if out.Outside = !slices.Contains(c.Members, viewer.ID); out.Outside {
		return out
	}
	here := slices.DeleteFunc(w.Ephemerals(viewer.ID), func(m slacktest.Message) bool { return m.ChannelID != id })
	shared := w.Messages(id)
	out.Messages = r.read(shared, here, failed)
	out.Said = r.newest(shared, here)
	return out
}

// newest is the newest message, as a notification would word it.
func (r reader) newest(shared, private []slacktest.Message) string {
	var last slacktest.Message
	look := func(m slacktest.Message) {
		if m.TS > last.TS {
			last = m
		}
	}
	for _, m := range shared {
		look(m)
		for _, reply := range m.Replies {
			look(reply)
		}
	}
	for _, m := range private {
		look(m)
	}
	if last.TS == "" {
		return ""
	}
	said := r.names.user(last.UserID) + ": " + r.plain(last.Text)
	if last.Ephemeral {
		return "Only to you, " + said
	}
	return said
}

// plain is what a notification shows of mrkdwn: names instead of IDs, no
// styling.
func (r reader) plain(mrkdwn string) string {
	return flat(r.inlines(slacktest.ParseMrkdwn(mrkdwn), true))
}

func flat(spans []inline) string {
	var s string
	for _, in := range spans {
		s += in.Text + flat(in.Children)
	}
	return s
}
