package handle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

func TestReminderTimes(t *testing.T) {
	const layout = "Mon 15:04"
	for _, tt := range []struct {
		name              string
		zone, hours, days string
		created           string
		lasts             time.Duration
		percent           []int
		want              []string
	}{
		{"at any time", "", "", "", "2026-11-23T20:00:00Z", 10 * time.Hour, []int{50, 25, 5}, []string{"Tue 01:00", "Tue 03:30", "Tue 05:30"}},
		{"within working hours", "UTC", "09:00-17:00", "", "2026-11-23T09:00:00Z", 8 * time.Hour, []int{50, 25}, []string{"Mon 13:00", "Mon 15:00"}},
		{"at the next morning, once", "UTC", "09:00-17:00", "", "2026-11-23T16:00:00Z", 20 * time.Hour, []int{75, 50, 25}, []string{"Tue 09:00"}},
		{"the deadline comes before the morning", "UTC", "09:00-17:00", "", "2026-11-23T18:00:00Z", 10 * time.Hour, []int{50, 5}, []string{"Mon 23:00", "Tue 03:30"}},
		{"over the weekend", "Europe/Berlin", "09:00-17:00", "Mon-Fri", "2026-11-27T12:00:00Z", 72 * time.Hour, []int{50, 25}, []string{"Mon 08:00"}},
		{"the week begins on Sunday", "UTC", "09:00-17:00", "Sun-Thu", "2026-11-27T12:00:00Z", 72 * time.Hour, []int{75}, []string{"Sun 09:00"}},
		{"the clocks go forward", "Europe/Berlin", "09:00-17:00", "Mon-Sun", "2026-03-28T20:00:00Z", 12 * time.Hour, []int{50}, []string{"Sun 07:00"}},
		{"the clocks go back, and the day begins an hour later", "Europe/Berlin", "09:00-17:00", "Mon-Sun", "2026-10-24T20:00:00Z", 13 * time.Hour, []int{50}, []string{"Sun 08:00"}},
		{"within the hour that comes twice", "Europe/Berlin", "00:00-24:00", "Sun", "2026-10-25T00:00:00Z", 2 * time.Hour, []int{50, 25}, []string{"Sun 01:00", "Sun 01:30"}},
		{"hours that the clocks skip", "America/New_York", "02:00-02:30", "Sun", "2026-03-08T05:00:00Z", 12 * time.Hour, []int{90}, []string{"Sun 06:12"}},
		{"the clocks go forward on the other side of the world", "Australia/Lord_Howe", "09:00-17:00", "Mon-Sun", "2026-10-03T12:00:00Z", 12 * time.Hour, []int{50}, []string{"Sat 22:00"}},
		{"a zone of three quarters of an hour", "Asia/Kathmandu", "09:00-17:00", "Sun-Fri", "2026-11-23T22:00:00Z", 12 * time.Hour, []int{75}, []string{"Tue 03:15"}},
		{"the weekend is over elsewhere already", "Pacific/Auckland", "09:00-17:00", "Mon-Fri", "2026-11-29T12:00:00Z", 12 * time.Hour, []int{90}, []string{"Sun 20:00"}},
		{"a whole weekend is too long to wait", "Europe/Berlin", "09:00-17:00", "Mon-Fri", "2026-11-27T17:00:00Z", 12 * time.Hour, []int{50, 25, 5}, []string{"Fri 23:00", "Sat 02:00", "Sat 04:24"}},
		{"too close to the deadline", "", "", "", "2026-11-23T09:00:00Z", 10 * time.Minute, []int{50, 5}, []string{"Mon 09:05"}},
		{"percentages that say nothing", "", "", "", "2026-11-23T09:00:00Z", time.Hour, []int{0, 100, -5, 200}, nil},
		{"until midnight", "UTC", "22:00-24:00", "", "2026-11-23T20:00:00Z", 8 * time.Hour, []int{90, 50}, []string{"Mon 22:00", "Tue 00:00"}},
	} {
		hours, err := handle.ParseWorkingHours(tt.zone, tt.hours, tt.days)
		if err != nil {
			t.Fatal(err)
		}
		created, err := time.Parse(time.RFC3339, tt.created)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, at := range handle.ReminderTimes(created, created.Add(tt.lasts), tt.percent, hours) {
			got = append(got, at.UTC().Format(layout))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestEscalationTime(t *testing.T) {
	hours, err := handle.ParseWorkingHours("UTC", "10:00-17:00", "")
	if err != nil {
		t.Fatal(err)
	}
	deadline := at.Add(8 * time.Hour) // 17:00
	for after, want := range map[time.Duration]time.Time{
		0:                              {},
		10 * time.Minute:               at.Add(time.Hour),
		2 * time.Hour:                  at.Add(2 * time.Hour),
		8*time.Hour - 30*time.Second:   {},
		9 * time.Hour:                  {},
		7*time.Hour + 50*time.Minute:   at.Add(7*time.Hour + 50*time.Minute),
		-time.Hour:                     {},
		8*time.Hour - 61*time.Second:   at.Add(8*time.Hour - 61*time.Second),
		100 * 365 * 24 * time.Hour / 2: {},
	} {
		if got := handle.EscalationTime(at, deadline, after, hours); !got.Equal(want) {
			t.Errorf("after %s: got %s, want %s", after, got, want)
		}
	}
}

func TestWorkingHoursErrorsNameTheValue(t *testing.T) {
	for want, in := range map[string][3]string{
		`"Mars/Base" is not a known time zone: use a name of the IANA database, such as Europe/Berlin or UTC`: {"Mars/Base", "09:00-17:00", ""},
		`"17:00-09:00" are not working hours: use a form such as 09:00-17:00, within one day`:                 {"UTC", "17:00-09:00", ""},
		`"9-17" are not working hours: use a form such as 09:00-17:00, within one day`:                        {"UTC", "9-17", ""},
		`"25:00-26:00" are not working hours: use a form such as 09:00-17:00, within one day`:                 {"UTC", "25:00-26:00", ""},
		`"weekdays" are not working days: use a form such as Mon-Fri or Sun,Tue-Thu`:                          {"UTC", "09:00-17:00", "weekdays"},
		"working hours need a time zone, such as Europe/Berlin or UTC":                                        {"", "09:00-17:00", ""},
		"a time zone or working days need working hours, such as 09:00-17:00":                                 {"UTC", "", ""},
	} {
		if _, err := handle.ParseWorkingHours(in[0], in[1], in[2]); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
	if _, err := handle.ParseWorkingHours("../../etc/passwd", "09:00-17:00", ""); err == nil {
		t.Error("a path is taken for a time zone")
	}
}

// Slack was down from before the first reminder until after the last: one goes out.
func TestOneReminderAfterAnOutage(t *testing.T) {
	reminders := func(r *handle.Request) {
		r.Terms.RemindAt = time.Time{}
		r.Terms.Reminders = handle.ReminderTimes(at, r.Terms.Deadline, handle.DefaultReminders(), handle.WorkingHours{})
	}
	told := func(run *runner) (list []string) {
		for key := range run.r.Delivered {
			if key[:min(len(key), 15)] == "reply/reminder-" {
				list = append(list, key)
			}
		}
		return list
	}
	run := newRunner(launch(reminders))
	run.runUntil(t, at.Add(time.Hour))
	run.fail = func(s handle.Step) (handle.Failure, bool) {
		return handle.Failure{Reason: "Slack is down"}, s.Kind == handle.StepNotify
	}
	run.runUntil(t, run.r.Terms.Reminders[2].Add(time.Minute))
	run.fail = nil
	run.runUntil(t, run.r.Terms.Deadline.Add(-1))
	if got := told(run); len(got) != 1 || got[0] != "reply/reminder-2" {
		t.Errorf("told %q, want the last reminder only", got)
	}

	// No sweep ran during that time.
	run = newRunner(launch(reminders))
	run.runUntil(t, at.Add(time.Hour))
	run.now = run.r.Terms.Reminders[1].Add(time.Minute)
	run.runDue(t)
	if got := told(run); len(got) != 1 || got[0] != "reply/reminder-1" {
		t.Errorf("told %q, want the last due reminder only", got)
	}
	run.runUntil(t, run.r.Terms.Deadline.Add(-1))
	if got := told(run); len(got) != 2 {
		t.Errorf("told %q, want the last one at its time", got)
	}

	// The message itself could not be posted before: it says all that a reminder would.
	run = newRunner(launch(reminders))
	run.now = run.r.Terms.Reminders[1].Add(time.Minute)
	run.runDue(t)
	if got := told(run); len(got) != 0 {
		t.Errorf("told %q at once after the approvers were asked", got)
	}
}
