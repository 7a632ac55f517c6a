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

// line is one entry of the timeline; what may have several lines of text.
type line struct {
	at   time.Time
	who  string
	what string
}

// print prints an entry with the current time.
func (run *runner) print(who, what string) { run.printLine(line{run.sandbox.Clock.Now(), who, what}) }

func (run *runner) printLine(i line) {
	since := i.at.Sub(run.start).Round(time.Second)
	clock := fmt.Sprintf("%02d:%02d:%02d", int(since.Hours()), int(since.Minutes())%60, int(since.Seconds())%60)
	lines := strings.Split(strings.TrimSpace(i.what), "\n")
	fmt.Fprintf(run.out, "  %s  %-20s %s\n", clock, i.who, lines[0])
	for _, l := range lines[1:] {
		fmt.Fprintf(run.out, "%33s%s\n", "", l)
	}
}

// printNew prints what has happened since the call before, in order of time.
func (run *runner) printNew() {
	if run.printed == nil {
		run.printed = map[string]bool{}
	}
	var items []line
	once := func(key string, i line) {
		if !run.printed[key] {
			run.printed[key] = true
			items = append(items, i)
		}
	}
	for _, e := range slices.Backward(run.currentStack().Events) {
		what := e.LogicalID + " " + string(e.Status)
		if e.Reason != "" {
			what += ": " + e.Reason
		}
		once("event "+e.ID, line{e.Timestamp, "CloudFormation", what})
	}
	for _, c := range run.sandbox.Slack.Channels() {
		run.messages(once, "#"+c.Name, "  reply in thread", run.sandbox.Slack.Messages(c.ID))
	}
	for _, u := range run.sandbox.Slack.Users() {
		run.messages(once, "DM to "+run.name(u.ID), "  reply in DM", run.sandbox.Slack.DMs(u.ID))
		for _, m := range run.sandbox.Slack.Ephemerals(u.ID) {
			once("only "+u.ID+m.TS, line{slackTime(m.TS), "only to " + run.name(u.ID), run.text(m)})
		}
	}
	for i, m := range run.sandbox.Mail.Messages() {
		once("mail "+strconv.Itoa(i), line{m.At, "Mail", m.Subject})
	}
	slices.SortStableFunc(items, func(a, b line) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	for _, i := range items {
		run.printLine(i)
	}
}

func (run *runner) messages(once func(string, line), where, replyWhere string, messages []slacktest.Message) {
	for _, m := range messages {
		run.message(once, where, m)
		for _, reply := range m.Replies {
			run.message(once, replyWhere, reply)
		}
	}
}

// message adds a message, and adds it again each time it has changed.
func (run *runner) message(once func(string, line), where string, m slacktest.Message) {
	at, what := slackTime(m.TS), run.text(m)
	if m.Updates > 0 {
		at, what = run.sandbox.Clock.Now(), "(now) "+what
	}
	once("message "+m.ChannelID+m.TS+what, line{at, where, what})
}

func slackTime(ts string) time.Time {
	seconds, err := strconv.ParseFloat(ts, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(seconds * 1e6)).UTC()
}

// text returns the text of a message as Slack displays it.
func (run *runner) text(m slacktest.Message) string {
	return run.spansText(slacktest.ParseMrkdwn(m.Text))
}

func (run *runner) spansText(spans []slacktest.Span) string {
	var b strings.Builder
	for _, s := range spans {
		switch s.Kind {
		case slacktest.SpanUser:
			b.WriteString("@" + run.name(s.Target))
		case slacktest.SpanGroup:
			b.WriteString("@" + run.group(s.Target))
		case slacktest.SpanDate:
			b.WriteString(s.Text)
		case slacktest.SpanEmoji:
			b.WriteString(":" + s.Target + ":")
		default:
			b.WriteString(s.Text + run.spansText(s.Children))
		}
	}
	return b.String()
}

// name returns a user's display name.
func (run *runner) name(id string) string {
	for _, u := range run.sandbox.Slack.Users() {
		if u.ID == id || u.EnterpriseUserID == id {
			return u.DisplayName
		}
	}
	return id
}

func (run *runner) group(id string) string {
	for _, g := range run.sandbox.Slack.UserGroups() {
		if g.ID == id {
			return g.Handle
		}
	}
	return id
}
