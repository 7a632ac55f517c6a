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

// clocks compares this machine's clock with other parties', by the Date header of
// every response.
type clocks struct {
	now func() time.Time

	mu    sync.Mutex
	names map[string]string                   // party by host; AWS if absent
	ahead map[string]map[string]time.Duration // latest offset, by party and host
}

const (
	clockAWS   = "AWS"
	clockAPI   = "the bot's API"
	clockSlack = "Slack"

	clockTolerance = 30 * time.Second // below this, no harm
	clockLimit     = 4 * time.Minute  // the bot refuses signatures older than 5 minutes
)

// name records which party the host of rawURL belongs to.
func (c *clocks) name(rawURL, party string) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil {
		c.names = map[string]string{}
	}
	c.names[u.Host] = party
}

type clockTransport struct {
	clocks *clocks
	base   http.RoundTripper
}

// transport returns a RoundTripper that records the clocks of all who answer.
func (c *clocks) transport(base http.RoundTripper) http.RoundTripper { return clockTransport{c, base} }

// RoundTrip implements http.RoundTripper.
func (w clockTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := w.clocks.now()
	res, err := w.base.RoundTrip(req)
	if err == nil {
		w.clocks.record(req.URL.Host, res.Header.Get("Date"), sent, w.clocks.now())
	}
	return res, err
}

// record notes the offset that a Date header shows. The header has whole seconds,
// rounded down.
func (c *clocks) record(host, date string, sent, received time.Time) {
	t, err := http.ParseTime(date)
	if err != nil {
		return
	}
	middle := sent.Add(received.Sub(sent) / 2)
	c.mu.Lock()
	defer c.mu.Unlock()
	party := c.names[host]
	if party == "" {
		party = clockAWS
	}
	if c.ahead == nil {
		c.ahead = map[string]map[string]time.Duration{}
	}
	if c.ahead[party] == nil {
		c.ahead[party] = map[string]time.Duration{}
	}
	c.ahead[party][host] = t.Add(500 * time.Millisecond).Sub(middle)
}

// offset returns how far a party's clock is ahead of ours: the median of its hosts.
func (c *clocks) offset(party string) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hosts := slices.Sorted(maps.Values(c.ahead[party]))
	if len(hosts) == 0 {
		return 0, false
	}
	return hosts[len(hosts)/2], true
}

// check compares all recorded clocks.
func (c *clocks) check() Finding {
	ahead := map[string]time.Duration{}
	for _, party := range []string{clockAWS, clockAPI, clockSlack} {
		if d, ok := c.offset(party); ok {
			ahead[party] = d
		}
	}
	return judgeClocks(ahead)
}

// judgeClocks reports which clock is wrong, given each party's offset from this
// machine's. If the others agree with each other but not with this machine, it is
// this machine's, which does not affect the deployment.
func judgeClocks(ahead map[string]time.Duration) Finding {
	const name = "clocks"
	if len(ahead) == 0 {
		return unchecked(name, "no response had a Date header", "Check the network between this machine and AWS (a proxy may remove headers), then run the doctor again.")
	}
	parties := slices.Sorted(maps.Keys(ahead))
	low, high := slices.Min(slices.Collect(maps.Values(ahead))), slices.Max(slices.Collect(maps.Values(ahead)))
	switch {
	case high <= clockTolerance && low >= -clockTolerance:
		return ok(name, "%s and this machine agree within %s", strings.Join(parties, ", "), max(high, -low, time.Second).Round(time.Second))
	case high-low <= clockTolerance:
		return warning(name, fmt.Sprintf("this machine's clock is %s, compared with %s", describeOffset(-high), strings.Join(parties, ", ")),
			"Set this machine's clock. The deployment is not affected, but AWS rejects requests that are signed at the wrong time.\n  sudo timedatectl set-ntp true")
	}
	odd := outlier(ahead)
	found := fmt.Sprintf("the clock of %s is %s, compared with this machine", odd, describeOffset(ahead[odd]))
	do := "The bot refuses clicks that Slack signed more than 5 minutes ago. Check whether a proxy on this network answers for " + odd +
		", and look at https://slack-status.com and https://health.aws.amazon.com."
	if high-low < clockLimit {
		return warning(name, found, do)
	}
	return fault(name, found, do)
}

// outlier returns the party whose clock differs most from the others, including this machine's.
func outlier(ahead map[string]time.Duration) string {
	all := append(slices.Collect(maps.Values(ahead)), 0) // this machine
	slices.Sort(all)
	middle := all[len(all)/2]
	if len(all)%2 == 0 {
		middle = (all[len(all)/2-1] + middle) / 2
	}
	odd := ""
	for _, party := range slices.Sorted(maps.Keys(ahead)) {
		if odd == "" || (ahead[party]-middle).Abs() > (ahead[odd]-middle).Abs() {
			odd = party
		}
	}
	return odd
}

func describeOffset(ahead time.Duration) string {
	if ahead < 0 {
		return ahead.Abs().Round(time.Second).String() + " behind"
	}
	return ahead.Round(time.Second).String() + " ahead"
}
