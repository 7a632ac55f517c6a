package handle_test

import (
	"slices"
	"testing"
	"time"

	"countersign/handle"
)

// remindedAt returns the reminders and escalations that are due at now.
func remindedAt(r handle.Request, now time.Time) (due []string) {
	for _, s := range r.Due(now) {
		if kind := s.Notification.Kind(); s.Kind == handle.StepNotify && (kind == handle.NotifyReminder || kind == handle.NotifyEscalated) {
			due = append(due, s.Notification.Name)
		}
	}
	return due
}

// No one is mentioned twice for the same: reminders merge with each other and with
// whatever else mentions the approvers within a minute.
func TestRemindersThatSayNothingNewAreNotSent(t *testing.T) {
	deadline := at.Add(8 * time.Hour)
	posted := launch()
	posted.Terms.Deadline, posted.Terms.RemindAt = deadline, time.Time{}
	posted.Terms.Reminders = []time.Time{at.Add(4 * time.Hour), at.Add(6 * time.Hour), at.Add(7 * time.Hour)}
	posted = posted.MarkPosted("C0APPROVALS", "1.000001", "", at).MarkDelivered("reply/asked", "C0APPROVALS", "1.000002", at).MarkDelivered("direct/asked", "D0RITA", "1.000003", at)
	told := func(r handle.Request, key string, t time.Time) handle.Request {
		return r.MarkDelivered(key, "C0APPROVALS", "2.0", t)
	}
	escalates := posted.Clone()
	escalates.Terms.EscalateAt, escalates.Terms.EscalateTo = at.Add(4*time.Hour+time.Minute), []string{"U0SECOND"}
	escalated := escalates.Escalate(escalates.Terms.EscalateAt)
	replaced := escalated.Clone()
	replaced.Terms.Approvers = []string{"U0OTHER"}
	nudged := posted.Clone()
	nudged.Nudges = []handle.Nudge{{At: at.Add(3*time.Hour + 59*time.Minute)}}
	for _, tt := range []struct {
		name string
		r    handle.Request
		at   time.Duration
		want []string
	}{
		{"at its time", posted, 4 * time.Hour, []string{"reminder-0"}},
		{"after an outage only the last", posted, 6*time.Hour + time.Minute, []string{"reminder-1"}},
		{"a later one went out", told(posted, "reply/reminder-1", at.Add(6*time.Hour)), 6*time.Hour + time.Minute, nil},
		{"a minute before the escalation", escalates, 4 * time.Hour, nil},
		{"the escalation mentions those who are missing", escalated, 4*time.Hour + time.Minute, []string{"escalated"}},
		{"escalated a minute ago", told(told(escalated, "reply/escalated", at.Add(4*time.Hour+time.Minute)), "direct/escalated", at.Add(4*time.Hour+time.Minute)), 4*time.Hour + time.Minute, nil},
		{"escalated two hours ago", told(told(escalated, "reply/escalated", at.Add(4*time.Hour+time.Minute)), "direct/escalated", at.Add(4*time.Hour+time.Minute)), 6 * time.Hour, []string{"reminder-1"}},
		{"escalated to people who were replaced since", replaced, 4*time.Hour + 2*time.Minute, []string{"reminder-0"}},
		{"a nudge is on its way", nudged, 4 * time.Hour, nil},
		{"nudged a minute ago", told(nudged, "reply/nudge-0", at.Add(3*time.Hour+59*time.Minute)), 4 * time.Hour, nil},
		{"nudged two hours ago", told(nudged, "reply/nudge-0", at.Add(3*time.Hour+59*time.Minute)), 6 * time.Hour, []string{"reminder-1"}},
		{"decided", posted.Withdraw("no longer needed", at.Add(time.Hour)), 4 * time.Hour, nil},
	} {
		got := remindedAt(tt.r, at.Add(tt.at))
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v is due, want %v", tt.name, got, tt.want)
		}
		if bulk := tt.r.BulkDue(at.Add(tt.at)); bulk != (len(got) > 0) {
			t.Errorf("%s: bulk messages are due: %v", tt.name, bulk)
		}
	}
}

func TestExpiryNoticesAreBulkAndDecisionsAreNot(t *testing.T) {
	r := launch().MarkPosted("C0APPROVALS", "1.000001", "", at)
	for state, closed := range closedRequests(t, r) {
		now := closed.Decision.At.Add(time.Second)
		if bulk := closed.BulkDue(now); bulk != (state == handle.Expired) {
			t.Errorf("%s: bulk messages are due: %v", state, bulk)
		}
	}
}
