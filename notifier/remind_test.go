package notifier_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
	"countersign/notifier"
)

func workingHours(t *testing.T, zone, hours, days string) handle.WorkingHours {
	t.Helper()
	h, err := handle.ParseWorkingHours(zone, hours, days)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The deployment says when people are reminded, and to whom a request may go; a
// template has no say in it.
func TestLaunchTakesRemindersAndEscalationFromTheDeployment(t *testing.T) {
	w := newWorld(t)
	w.notifier.Defaults.Reminders = []int{50, 10}
	w.notifier.Defaults.Hours = workingHours(t, "Europe/Berlin", "09:00-13:00", "Mon-Fri")
	w.notifier.Defaults.EscalateAfter, w.notifier.Defaults.EscalateTo = 90*time.Minute, []string{bob}
	w.notifier.Defaults.ReassignTo = []string{ann}
	got, err := w.handle(w.event(map[string]any{"Timeout": "36000", "Approvers": ann, "EscalateTo": rita, "ReassignTo": rita}, nil))
	if err != nil || got.Status != "SUCCESS" {
		t.Fatal(got, err)
	}
	terms := w.load(got.PhysicalResourceId).Terms
	// Half of the time is left at 13:59 UTC, after the last working hour in Berlin, whose
	// next one begins after the deadline.
	decide := 10*time.Hour - handle.MinMargin
	if diff := cmp.Diff([]time.Time{start.Add(decide / 2), start.Add(decide - decide/10)}, terms.Reminders); diff != "" {
		t.Error(diff)
	}
	if want := start.Add(90 * time.Minute); !terms.EscalateAt.Equal(want) {
		t.Errorf("escalated at %v, want %v", terms.EscalateAt, want)
	}
	if diff := cmp.Diff([][]string{{ann}, {bob}, {ann}}, [][]string{terms.Approvers, terms.EscalateTo, terms.ReassignTo}); diff != "" {
		t.Error(diff)
	}
}

func TestLaunchWithoutRemindersAndEscalation(t *testing.T) {
	w := newWorld(t)
	w.notifier.Defaults.Reminders = []int{}
	w.notifier.Defaults.EscalateAfter, w.notifier.Defaults.EscalateTo = 11*time.Hour, []string{bob}
	got, err := w.handle(w.event(map[string]any{"Timeout": "3600"}, nil))
	if err != nil || got.Status != "SUCCESS" {
		t.Fatal(got, err)
	}
	// The request would be escalated only after its deadline.
	if terms := w.load(got.PhysicalResourceId).Terms; len(terms.Reminders) > 0 || !terms.EscalateAt.IsZero() || len(terms.EscalateTo) > 0 {
		t.Errorf("got %+v", terms)
	}
}

// Mail tells no people apart, so no one can be reminded, replaced or added.
func TestMailOnlyLaunchIsNotEscalated(t *testing.T) {
	w := newWorld(t)
	w.notifier.Slack = nil
	w.notifier.Defaults = notifier.Defaults{Approvals: 1, Margin: handle.MinMargin, EscalateAfter: time.Hour, EscalateTo: []string{bob}, ReassignTo: []string{bob}}
	if terms := w.launch().Terms; !terms.EscalateAt.IsZero() || len(terms.EscalateTo) > 0 || len(terms.ReassignTo) > 0 {
		t.Errorf("got %+v", terms)
	}
}
