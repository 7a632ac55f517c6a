package doctor

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestWrongClockIsFound(t *testing.T) {
	const minute = time.Minute
	for _, test := range []struct {
		name            string
		aws, api, slack time.Duration // ahead of this machine
		level           Level
		found           string
	}{
		{"together", 0, time.Second, -2 * time.Second, OK, "agree within 2s"},
		{"here behind", 10 * minute, 10*minute + time.Second, 10 * minute, Warning, "this machine's clock is 10m1s behind"},
		{"here ahead", -3 * minute, -3 * minute, -3 * minute, Warning, "this machine's clock is 3m0s ahead"},
		{"Slack a little off", 0, 0, 2 * minute, Warning, "the clock of Slack is 2m0s ahead"},
		{"Slack off", 0, 0, -6 * minute, Fault, "the clock of Slack is 6m0s behind"},
		{"the API off", time.Second, -7 * minute, 0, Fault, "the clock of the bot's API is 7m0s behind"},
		{"AWS off", 20 * minute, 0, 0, Fault, "the clock of AWS is 20m0s ahead"},
		{"here off, and the API", 20 * minute, 0, 20 * minute, Fault, "the clock of"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := judgeClocks(map[string]time.Duration{clockAWS: test.aws, clockAPI: test.api, clockSlack: test.slack})
			if f.Level != test.level || !strings.Contains(f.Found, test.found) {
				t.Errorf("got %s: %s", f.Level, f.Found)
			}
			if f.Level != OK && f.Do == "" {
				t.Error("no advice")
			}
		})
	}
	if f := judgeClocks(nil); f.Level != Unchecked {
		t.Errorf("without responses: got %s: %s", f.Level, f.Found)
	}
}

// A wrong clock on this machine is a warning and causes no other finding, because the
// doctor signs by the API's clock.
func TestWrongLocalClockIsAWarning(t *testing.T) {
	p := newFixture(t)
	p.now = func() time.Time { return time.Now().Add(-time.Hour) }
	p.want(p.checkAll(), expectation{"clocks", Warning, "1h0m0s behind", "timedatectl"})
}

// A bot with a wrong clock refuses requests that Slack signs.
func TestWrongBotClockIsAFault(t *testing.T) {
	p := newFixture(t)
	p.botTime = func() time.Time { return time.Now().Add(20 * time.Minute) }
	p.want(p.checkAll(), expectation{"API signature", Fault, "its clock is wrong", "logs tail"})
}

func TestWrongSlackClockIsAFault(t *testing.T) {
	p := newFixture(t)
	early := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-8*time.Minute).UTC().Format(http.TimeFormat))
		p.slack.ServeHTTP(w, r)
	}))
	for _, f := range p.aws.functions {
		f.env[envSlackAPI] = early.URL + "/api/"
	}
	p.want(p.checkAll(), expectation{"clocks", Fault, "the clock of Slack is 8m", "5 minutes"})
}
