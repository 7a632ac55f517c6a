package page

import (
	"net/http"
	"net/url"
	"sync"
	"time"

	"countersign/bot/slacktest"
)

// sky makes the weather of the made Slack.
type sky struct {
	slack *slacktest.Workspace

	mu      sync.Mutex
	weather weather
}

const (
	limitedPosts = 2                // how many posts are answered with 429
	limitedWait  = 10 * time.Second // what the 429 asks for
)

func (s *sky) now() weather {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.weather
}

// turn makes the weather w, and returns what it was.
func (s *sky) turn(w weather) (before weather) {
	s.mu.Lock()
	before, s.weather = s.weather, w
	s.mu.Unlock()
	s.slack.SetDown(w.Down)
	s.slack.SetFault(s.fault)
	return before
}

// fault answers posts with 429, as many as the weather says.
func (s *sky) fault(method string, _ url.Values) *slacktest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if method != "chat.postMessage" || s.weather.Limit == 0 {
		return nil
	}
	s.weather.Limit--
	return &slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: limitedWait}
}
