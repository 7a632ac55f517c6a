package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/laws"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// checkLaws checks what must hold at the end of every scenario: the messages match
// the record, one decision was signalled, and no secret leaked.
func (l *launch) checkLaws() {
	l.t.Helper()
	l.checkMessages()
	l.checkOneDecision()
	l.checkSecrets()
}

// checkMessages waits until nothing is due and the messages match the record.
func (l *launch) checkMessages() {
	l.t.Helper()
	checker := laws.Checker{Team: sandbox.Team, Slack: l.slack}
	eventually(l.t, waitLimit, "the laws", func(ctx context.Context) error {
		requests, err := l.requests(ctx)
		if err != nil {
			return err
		}
		for _, r := range requests {
			if due := r.Due(time.Now()); len(due) > 0 {
				return fmt.Errorf("still due of %s: %v", r.ID, due)
			}
			if r.GrantFrom == "" {
				continue
			}
			given, err := l.store.Load(ctx, r.GrantFrom)
			if err != nil {
				return err
			}
			requests = append(requests, given)
		}
		if found := checker.Check(requests, time.Now()); len(found) > 0 {
			return fmt.Errorf("violations: %v", found)
		}
		return nil
	})
}

// checkOneDecision checks that one of our signals arrived for each request, and that
// it says what the record says.
func (l *launch) checkOneDecision() {
	l.t.Helper()
	requests, err := l.requests(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range requests {
		if r.Update == nil {
			l.checkOneSignal(r)
		} else if l.relay != nil {
			l.checkOneAnswer(r)
		}
	}
}

// checkOneAnswer checks that the held event of an update got one answer.
func (l *launch) checkOneAnswer(r handle.Request) {
	l.t.Helper()
	signal, _ := r.StackSignal()
	want, ok := signal.(handle.Response)
	if !ok {
		l.t.Errorf("the signal of the update's request %s is %+v", r.ID, signal)
	}
	for _, e := range l.relay.all(r.Stack.Gate) {
		if e.requestID != r.Update.RequestID {
			continue
		}
		if got := l.answers.at(e.answer); len(got) != 1 || got[0] != (answer{want.Status, want.Reason, want.PhysicalResourceID}) {
			l.t.Errorf("CloudFormation got the answers %+v, want only %+v", got, want)
		}
		return
	}
	l.t.Errorf("no event %s was delivered", r.Update.RequestID)
}

// checkOneSignal checks the signals to the launch's wait handle. MiniStack has an
// event for every signal that arrives while the stack waits.
func (l *launch) checkOneSignal(r handle.Request) {
	l.t.Helper()
	want, _ := r.SignalBody()
	var arrived []string
	for _, e := range l.events(l.t.Context()) {
		if strings.HasPrefix(e.Reason, "Received ") && strings.HasSuffix(e.Reason, r.ID) {
			arrived = append(arrived, e.Reason)
		}
	}
	one := fmt.Sprintf("Received %s signal with UniqueId %s", want.Status, want.UniqueID)
	switch {
	case r.State() == handle.Withdrawn && len(arrived) == 0: // the stack no longer waited
	case r.GrantFrom != "" && len(arrived) == 0: // the stack did not wait yet
	case len(arrived) != 1 || arrived[0] != one:
		l.t.Errorf("the wait handle received %q, want only %q", arrived, one)
	}
}

// checkSecrets checks that no wait URL and no part of the deployment's secret is in
// Slack, in mail, or in the functions' logs.
func (l *launch) checkSecrets() {
	l.t.Helper()
	hidden := []string{"/_ministack/", l.answers.origin, botToken, signingSecret, mailKey}
	look := func(where, text string) {
		for _, s := range hidden {
			if strings.Contains(text, s) {
				l.t.Errorf("%s: %q is in %s", s, text, where)
			}
		}
	}
	for _, c := range l.slack.Channels() {
		l.messages(look, l.slack.Messages(c.ID))
	}
	for _, u := range l.slack.Users() {
		l.messages(look, l.slack.DMs(u.ID))
		l.messages(look, l.slack.Ephemerals(u.ID))
	}
	for _, m := range l.mailbox.all() {
		look("a mail", m.Subject+m.Body)
	}
	for _, line := range l.logs(l.t.Context()) {
		look("a log", line)
		if lambda := strings.HasPrefix(line, "START ") || strings.HasPrefix(line, "END ") || strings.HasPrefix(line, "REPORT "); !lambda && !json.Valid([]byte(withoutTime(line))) {
			l.t.Errorf("a log line is not JSON: %s", line)
		}
	}
}

// withoutTime returns a log line without the time that aws-lambda-go puts before the
// error of an invocation.
func withoutTime(line string) string {
	const layout = "2006/01/02 15:04:05 "
	if len(line) > len(layout) {
		if _, err := time.Parse(layout, line[:len(layout)]); err == nil {
			return line[len(layout):]
		}
	}
	return line
}

func (l *launch) messages(look func(where, text string), list []slacktest.Message) {
	for _, m := range list {
		look("Slack", m.Text+string(m.Blocks)+string(m.Metadata))
		if m.MentionsChannel {
			l.t.Errorf("a message pings a channel: %s", m.Text)
		}
		l.messages(look, m.Replies)
	}
}

// logs returns all lines of the functions' logs.
func (l *launch) logs(ctx context.Context) (lines []string) {
	l.t.Helper()
	client := cloudwatchlogs.NewFromConfig(l.aws)
	for _, logicalID := range []string{"BotLog", "NotifierLog"} {
		group := l.resource(ctx, logicalID)
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(client, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group})
		before := len(lines)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				l.t.Fatalf("couldn't read the log %s: %v", group, err)
			}
			for _, e := range page.Events {
				lines = append(lines, *e.Message)
			}
		}
		if len(lines) == before && logicalID == "NotifierLog" {
			l.t.Errorf("the log %s is empty, so the test checks nothing", group)
		}
	}
	return lines
}
