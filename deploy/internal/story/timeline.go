package story

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/bot/slacktest"
)

// item is one line of the timeline.
type item struct {
	at   time.Time
	who  string
	what string
}

// say prints a line at the present time.
func (t *teller) say(who, what string) { t.print(item{t.world.Clock.Now(), who, what}) }

func (t *teller) print(i item) {
	since := i.at.Sub(t.begun).Round(time.Second)
	clock := fmt.Sprintf("%02d:%02d:%02d", int(since.Hours()), int(since.Minutes())%60, int(since.Seconds())%60)
	lines := strings.Split(strings.TrimSpace(i.what), "\n")
	fmt.Fprintf(t.out, "  %s  %-14s %s\n", clock, i.who, lines[0])
	for _, l := range lines[1:] {
		fmt.Fprintf(t.out, "  %25s%s\n", "", l)
	}
}

// news prints what has happened since it was last printed, in order of time.
func (t *teller) news() {
	if t.printed == nil {
		t.printed = map[string]bool{}
	}
	var items []item
	once := func(key string, i item) {
		if !t.printed[key] {
			t.printed[key] = true
			items = append(items, i)
		}
	}
	for _, e := range slices.Backward(t.theStack().Events) {
		what := e.LogicalID + " " + string(e.Status)
		if e.Reason != "" {
			what += ": " + e.Reason
		}
		once("event "+e.ID, item{e.Timestamp, "CloudFormation", what})
	}
	for _, c := range t.world.Slack.Channels() {
		where := "Slack #" + c.Name
		if c.IMUserID != "" {
			where = "Slack → " + t.name(c.IMUserID)
		}
		for _, m := range t.world.Slack.Messages(c.ID) {
			t.message(once, where, m)
			for _, reply := range m.Replies {
				t.message(once, "  in its thread", reply)
			}
		}
	}
	for _, u := range t.world.Slack.Users() {
		for _, m := range t.world.Slack.Ephemerals(u.ID) {
			once("only "+u.ID+m.TS, item{slackTime(m.TS), "only " + t.name(u.ID), t.plain(m)})
		}
	}
	for i, m := range t.world.Mail.Messages() {
		once("mail "+strconv.Itoa(i), item{m.At, "Mail", m.Subject})
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	for _, i := range items {
		t.print(i)
	}
}

// message adds a message, and again whenever it has changed.
func (t *teller) message(once func(string, item), where string, m slacktest.Message) {
	at, what := slackTime(m.TS), t.plain(m)
	if m.Updates > 0 {
		at, what = t.world.Clock.Now(), "(now) "+what
	}
	once("message "+m.ChannelID+m.TS+what, item{at, where, what})
}

func slackTime(ts string) time.Time {
	seconds, err := strconv.ParseFloat(ts, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(seconds * 1e6)).UTC()
}

// plain is a message's text as a person reads it.
func (t *teller) plain(m slacktest.Message) string { return t.flat(slacktest.ParseMrkdwn(m.Text)) }

func (t *teller) flat(spans []slacktest.Span) string {
	var b strings.Builder
	for _, s := range spans {
		switch s.Kind {
		case slacktest.SpanUser:
			b.WriteString("@" + t.name(s.Target))
		case slacktest.SpanGroup:
			b.WriteString("@" + t.group(s.Target))
		case slacktest.SpanDate:
			b.WriteString(s.Text)
		case slacktest.SpanEmoji:
			b.WriteString(":" + s.Target + ":")
		default:
			b.WriteString(s.Text + t.flat(s.Children))
		}
	}
	return b.String()
}

// name is how a person is shown.
func (t *teller) name(id string) string {
	for _, u := range t.world.Slack.Users() {
		if u.ID == id {
			return u.DisplayName
		}
	}
	return id
}

func (t *teller) group(id string) string {
	for _, g := range t.world.Slack.UserGroups() {
		if g.ID == id {
			return g.Handle
		}
	}
	return id
}
