package handle

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WorkingHours are the hours in which approvers are reminded and requests escalated. The
// zero value means always.
type WorkingHours struct {
	zone     *time.Location
	from, to time.Duration // local time since midnight, from < to
	days     [7]bool       // by time.Weekday
}

var weekdays = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"} // by time.Weekday

// ParseWorkingHours reads working hours: an IANA time zone such as Europe/Berlin, the
// hours such as 09:00-17:30, and the days such as Mon-Fri or Sun,Tue-Thu. With empty
// hours, people are reminded at any time; without days, the days are Mon-Fri. The error
// says which value is wrong.
func ParseWorkingHours(zone, hours, days string) (WorkingHours, error) {
	if hours == "" {
		if zone != "" || days != "" {
			return WorkingHours{}, errors.New("a time zone or working days need working hours, such as 09:00-17:00")
		}
		return WorkingHours{}, nil
	}
	if zone == "" || zone == "Local" {
		return WorkingHours{}, errors.New("working hours need a time zone, such as Europe/Berlin or UTC")
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return WorkingHours{}, fmt.Errorf("%q is not a known time zone: use a name of the IANA database, such as Europe/Berlin or UTC", OneLine(zone, 40))
	}
	w := WorkingHours{zone: location}
	from, to, _ := strings.Cut(hours, "-")
	var okFrom, okTo bool
	w.from, okFrom = parseClock(from)
	w.to, okTo = parseClock(to)
	if !okFrom || !okTo || w.from >= w.to {
		return WorkingHours{}, fmt.Errorf("%q are not working hours: use a form such as 09:00-17:00, within one day", OneLine(hours, 40))
	}
	if days == "" {
		days = "Mon-Fri"
	}
	for part := range strings.SplitSeq(days, ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			last = first
		}
		i, j := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if i < 0 || j < 0 {
			return WorkingHours{}, fmt.Errorf("%q are not working days: use a form such as Mon-Fri or Sun,Tue-Thu", OneLine(days, 40))
		}
		for ; ; i = (i + 1) % 7 {
			w.days[i] = true
			if i == j {
				break
			}
		}
	}
	return w, nil
}

// parseClock reads a time of day such as 09:00, up to 24:00.
func parseClock(s string) (time.Duration, bool) {
	h, m, ok := strings.Cut(strings.TrimSpace(s), ":")
	hour, errHour := strconv.ParseUint(h, 10, 8)
	minute, errMinute := strconv.ParseUint(m, 10, 8)
	if !ok || len(h) != 2 || len(m) != 2 || errHour != nil || errMinute != nil || minute > 59 || hour > 24 || hour == 24 && minute > 0 {
		return 0, false
	}
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute, true
}

// next returns the first working time at or after t.
func (w WorkingHours) next(t time.Time) time.Time {
	if w.zone == nil {
		return t
	}
	local := t.In(w.zone)
	for day := 0; day <= 7; day++ {
		clock := func(d time.Duration) time.Time {
			return time.Date(local.Year(), local.Month(), local.Day()+day, int(d/time.Hour), int(d%time.Hour/time.Minute), 0, 0, w.zone)
		}
		from, to := clock(w.from), clock(w.to)
		if !w.days[clock(12*time.Hour).Weekday()] || !local.Before(to) {
			continue
		}
		if local.Before(from) {
			return from
		}
		return t
	}
	return t // not reached: at least one day is a working day
}

// shift moves t to the next working hours. If they begin too late for the deadline, it
// returns t. ok is false if t itself is too late.
func (w WorkingHours) shift(t, deadline time.Time) (_ time.Time, ok bool) {
	latest := deadline.Add(-minRemind)
	if next := w.next(t); !next.After(latest) {
		return next, true
	}
	return t, !t.After(latest)
}

// minRemind is the least time to decide that a reminder leaves.
const minRemind = time.Minute

// ReminderTimes returns when approvers are reminded, sorted and without duplicates: when
// the given percentages of the time to decide are left. A reminder outside working hours
// moves to when they next begin, unless that is too late for the deadline.
func ReminderTimes(created, deadline time.Time, percentLeft []int, hours WorkingHours) []time.Time {
	var times []time.Time
	for _, percent := range percentLeft {
		if percent <= 0 || percent >= 100 {
			continue
		}
		at := deadline.Add(-deadline.Sub(created) / 100 * time.Duration(percent))
		if at, ok := hours.shift(at, deadline); ok {
			times = append(times, at)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return slices.CompactFunc(times, time.Time.Equal)
}

// DefaultReminders are the percentages of the time to decide at which approvers are
// reminded by default.
func DefaultReminders() []int { return []int{50, 25, 5} }

// EscalationTime returns when a request is escalated: at created + after, moved to
// working hours as reminders are. It is zero if that is too late for the deadline, or if
// after is zero.
func EscalationTime(created, deadline time.Time, after time.Duration, hours WorkingHours) time.Time {
	if after <= 0 {
		return time.Time{}
	}
	at, ok := hours.shift(created.Add(after), deadline)
	if !ok {
		return time.Time{}
	}
	return at
}
