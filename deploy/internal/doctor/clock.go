package doctor

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// clocks reads, off the Date header of every answer, how far the clock of whoever
// answered is from this machine's.
type clocks struct {
	now func() time.Time

	mu    sync.Mutex
	names map[string]string                   // whose a host is; AWS's if it is not named
	ahead map[string]map[string]time.Duration // by whose it is and host: the latest
}

const (
	clockAWS   = "AWS"
	clockAPI   = "the bot's API"
	clockSlack = "Slack"

	clockTolerance = 30 * time.Second // half a minute does no harm yet
	clockLimit     = 4 * time.Minute  // the bot refuses what is 5 minutes old
)

// name says whose clock the host of rawURL has.
func (c *clocks) name(rawURL, whose string) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil {
		c.names = map[string]string{}
	}
	c.names[u.Host] = whose
}

type watched struct {
	clocks *clocks
	base   http.RoundTripper
}

func (c *clocks) watch(base http.RoundTripper) http.RoundTripper { return watched{c, base} }

// RoundTrip implements http.RoundTripper.
func (w watched) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := w.clocks.now()
	res, err := w.base.RoundTrip(req)
	if err == nil {
		w.clocks.see(req.URL.Host, res.Header.Get("Date"), sent, w.clocks.now())
	}
	return res, err
}

// see notes what an answer says. The header has whole seconds, cut off.
func (c *clocks) see(host, date string, sent, received time.Time) {
	t, err := http.ParseTime(date)
	if err != nil {
		return
	}
	here := sent.Add(received.Sub(sent) / 2)
	c.mu.Lock()
	defer c.mu.Unlock()
	whose := c.names[host]
	if whose == "" {
		whose = clockAWS
	}
	if c.ahead == nil {
		c.ahead = map[string]map[string]time.Duration{}
	}
	if c.ahead[whose] == nil {
		c.ahead[whose] = map[string]time.Duration{}
	}
	c.ahead[whose][host] = t.Add(500 * time.Millisecond).Sub(here)
}

// of is how far whose clock is ahead of ours: the median of its hosts.
func (c *clocks) of(whose string) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hosts := slices.Sorted(maps.Values(c.ahead[whose]))
	if len(hosts) == 0 {
		return 0, false
	}
	return hosts[len(hosts)/2], true
}

// check compares all the clocks that have been seen.
func (c *clocks) check() Finding {
	ahead := map[string]time.Duration{}
	for _, whose := range []string{clockAWS, clockAPI, clockSlack} {
		if d, ok := c.of(whose); ok {
			ahead[whose] = d
		}
	}
	return judgeClocks(ahead)
}

// judgeClocks says which clock is wrong. If the others agree with each other and
// not with this machine, it is this machine's; that harms nothing but what this
// machine signs.
func judgeClocks(ahead map[string]time.Duration) Finding {
	const name = "clocks"
	if len(ahead) == 0 {
		return unchecked(name, "nobody's answer told the time", "Look at the network between here and AWS, and run the doctor again.")
	}
	whose := slices.Sorted(maps.Keys(ahead))
	low, high := slices.Min(slices.Collect(maps.Values(ahead))), slices.Max(slices.Collect(maps.Values(ahead)))
	switch {
	case high <= clockTolerance && low >= -clockTolerance:
		return ok(name, "%s and this machine agree within %s", strings.Join(whose, ", "), max(high, -low, time.Second).Round(time.Second))
	case high-low <= clockTolerance:
		return warning(name, fmt.Sprintf("this machine's clock is %s, by the clocks of %s", offset(-high), strings.Join(whose, ", ")),
			"Set this machine's clock. Countersign itself is not affected, but AWS refuses commands that are signed with a wrong time.\n  sudo timedatectl set-ntp true")
	}
	odd := oddOne(ahead)
	found := fmt.Sprintf("the clock of %s is %s, against this machine's", odd, offset(ahead[odd]))
	do := "Slack signs each request with its time, and the bot refuses what is more than 5 minutes off. Look at status.slack.com and health.aws.amazon.com, " +
		"and whether a proxy between here and there answers in place of " + odd + "."
	if high-low < clockLimit {
		return warning(name, found, do)
	}
	return fault(name, found, do)
}

// oddOne is whose clock is farthest from the others', this machine's among them.
func oddOne(ahead map[string]time.Duration) string {
	all := append(slices.Collect(maps.Values(ahead)), 0) // this machine
	slices.Sort(all)
	middle := all[len(all)/2]
	if len(all)%2 == 0 {
		middle = (all[len(all)/2-1] + middle) / 2
	}
	odd := ""
	for _, whose := range slices.Sorted(maps.Keys(ahead)) {
		if odd == "" || (ahead[whose]-middle).Abs() > (ahead[odd]-middle).Abs() {
			odd = whose
		}
	}
	return odd
}

func offset(ahead time.Duration) string {
	if ahead < 0 {
		return ahead.Abs().Round(time.Second).String() + " behind"
	}
	return ahead.Round(time.Second).String() + " ahead"
}
