package page

import (
	"net/http"
	"net/url"
	"sync"
	"time"

	"countersign/bot/slacktest"
)

// outage is what currently fails in the simulated Slack. The zero value means
// that Slack works.
type outage struct {
	Down        bool
	RateLimited int // how many more posts are answered with 429
}

// outageControl applies an outage to the simulated Slack.
type outageControl struct {
	slack *slacktest.Workspace

	mu     sync.Mutex
	outage outage
}

const (
	rateLimitedPosts    = 2                // how many posts are answered with 429
	rateLimitRetryAfter = 10 * time.Second // the 429's Retry-After
)

func (s *outageControl) get() outage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outage
}

// set starts outage o and returns the previous one.
func (s *outageControl) set(o outage) (before outage) {
	s.mu.Lock()
	before, s.outage = s.outage, o
	s.mu.Unlock()
	s.slack.SetDown(o.Down)
	s.slack.SetFault(s.fault)
	return before
}

// fault answers the next RateLimited posts with 429.
func (s *outageControl) fault(method string, _ url.Values) *slacktest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if method != "chat.postMessage" || s.outage.RateLimited == 0 {
		return nil
	}
	s.outage.RateLimited--
	return &slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: rateLimitRetryAfter}
}
