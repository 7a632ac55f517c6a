package doctor

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The finding says what was measured: a cold start only if the bot had been idle.
func TestResponseTimeIsComparedWithSlacksTimeout(t *testing.T) {
	for _, tt := range []struct {
		took  time.Duration
		idle  idleTime
		level Level
		found string
	}{
		{210 * time.Millisecond, idleTime{least: 47 * time.Minute}, OK, "answered in 0.21 s, from this machine (most likely a cold start, after 47 minutes or more without a request); Slack waits 3 s"},
		{210 * time.Millisecond, idleTime{least: idleWindow}, OK, "after 3 hours or more without a request"},
		{90 * time.Millisecond, idleTime{least: 19 * time.Minute}, OK, "not a cold start, as the bot had a request within the last 20 minutes; to time one, run the doctor after a longer pause"},
		{90 * time.Millisecond, idleTime{err: http.ErrServerClosed}, OK, "maybe a cold start"},
		{2100 * time.Millisecond, idleTime{least: time.Hour}, Warning, "close to the 3 s"},
		{3100 * time.Millisecond, idleTime{least: time.Hour}, Fault, "Slack gives up after 3 s"},
	} {
		f := (&doctor{}).judgeResponseTime(tt.took, tt.idle, deployedFunction{logGroup: "log-of-bot"})
		if f.Level != tt.level || !strings.Contains(f.Found, tt.found) || (f.Do != "") != (tt.level != OK) {
			t.Errorf("%s, %+v: %+v", tt.took, tt.idle, f)
		}
	}
}

// The time is that of the doctor's first request, and the idle time is read before it.
func TestFirstRequestIsTimed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		invoked time.Duration // ago; 0: not within hours
		denied  string
		found   string
	}{
		{"idle for hours", 0, "", "after 3 hours or more without a request"},
		{"idle for a while", 50 * time.Minute, "", "most likely a cold start, after 4"}, // 48 or 49 minutes
		{"in use", 2 * time.Minute, "", "not a cold start"},
		{"metrics denied", 0, "cloudwatch:GetMetricStatistics", "maybe a cold start"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newFixture(t)
			if tt.invoked != 0 {
				p.aws.invoked = time.Now().Add(-tt.invoked)
			}
			if tt.denied != "" {
				p.aws.denied = []string{tt.denied}
			}
			real, requests := p.bot(), 0
			p.replaceBot(func(w http.ResponseWriter, r *http.Request) {
				if requests++; requests == 1 {
					if r.Header.Get("X-Slack-Signature") == "" {
						t.Error("the first request has no signature, so the bot does not read its secret")
					}
					time.Sleep(120 * time.Millisecond)
				}
				real.ServeHTTP(w, r)
			})
			found := ""
			for _, f := range p.checkAll().Findings {
				if f.Name == nameResponseTime {
					found += f.Found
				}
			}
			if !strings.Contains(found, tt.found) || strings.Contains(found, "in 0.0") || strings.Contains(found, "in 0.10") {
				t.Errorf("found %q", found)
			}
		})
	}
}
