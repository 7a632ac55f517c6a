package page

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/bot/slacktest"
)

// message is one Slack message as one person sees it.
type message struct {
	Key       string
	Author    string
	Avatar    avatar
	App       bool
	At        time.Time
	Private   bool // ephemeral: only the viewer sees it
	Edited    bool
	Deleted   bool
	ForMe     bool // the viewer was notified
	Text      *text
	Blocks    []block
	Broken    bool // the blocks do not parse
	Reactions []reaction
	Replies   []message
}

type reaction struct {
	Glyph, Name string
	Count       int
}

// avatar is the square beside a name: initials on a color, or the app's logo.
type avatar struct {
	Initials string
	Color    int
	App      bool
}

func avatarOf(n names, id string) avatar {
	u := n.users[id]
	return avatar{Initials: initials(n.user(id)), Color: colorOf(id), App: u.Bot}
}

// read merges shared messages, their threads and the viewer's ephemeral messages,
// in order of time.
func (r reader) read(shared, private []slacktest.Message, failed buttonErrors) []message {
	var out []message
	for _, m := range shared {
		mine := slices.DeleteFunc(slices.Clone(private), func(p slacktest.Message) bool { return p.ThreadTS != m.TS })
		v := r.message(m, failed)
		v.Replies = r.read(m.Replies, mine, failed)
		out = append(out, v)
	}
	for _, p := range private {
		known := slices.ContainsFunc(shared, func(m slacktest.Message) bool { return m.TS == p.ThreadTS })
		if !known {
			out = append(out, r.message(p, failed))
		}
	}
	slices.SortStableFunc(out, func(a, b message) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key)) })
	return out
}

func (r reader) message(m slacktest.Message, failed buttonErrors) message {
	out := message{
		Key:    "m" + m.TS,
		Author: r.names.user(m.UserID), Avatar: avatarOf(r.names, m.UserID), App: r.names.users[m.UserID].Bot,
		At: timeOf(m.TS), Private: m.Ephemeral, Edited: m.Edited, Deleted: m.Deleted,
		ForMe: slices.Contains(m.Notified, r.viewer),
	}
	r.on = surface{Channel: m.ChannelID, TS: m.TS}
	r.failed = failed.on(r.viewer, r.on)
	var err error
	out.Blocks, err = r.blocks(m.Blocks)
	out.Broken = err != nil
	if len(m.Blocks) == 0 {
		out.Text = r.text(&wireText{Type: "mrkdwn", Text: m.Text})
	}
	for _, x := range m.Reactions {
		out.Reactions = append(out.Reactions, reaction{emoji(x.Name), x.Name, x.Count})
	}
	return out
}

// timeOf parses a message's ts: Unix seconds, with microseconds that make it
// unique.
func timeOf(ts string) time.Time {
	seconds, micros, _ := strings.Cut(ts, ".")
	s, _ := strconv.ParseInt(seconds, 10, 64)
	u, _ := strconv.ParseInt(micros, 10, 64)
	return time.Unix(s, u*1000).UTC()
}
