package page

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/bot/slacktest"
)

func TestRateLimitEndsAfterItsPosts(t *testing.T) {
	s := outageControl{slack: slacktest.New(slacktest.Config{Now: func() time.Time { return sampleTime }})}
	if before := s.set(outage{RateLimited: rateLimitedPosts}); before != (outage{}) {
		t.Errorf("initially the outage is %+v, want none", before)
	}
	if f := s.fault("chat.update", nil); f != nil {
		t.Errorf("an update gets %+v, want nil", f)
	}
	want := &slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: rateLimitRetryAfter}
	for i := range rateLimitedPosts {
		if diff := cmp.Diff(want, s.fault("chat.postMessage", nil)); diff != "" {
			t.Errorf("post %d (-want +got)\n%s", i, diff)
		}
	}
	if f := s.fault("chat.postMessage", nil); f != nil {
		t.Errorf("a later post gets %+v, want nil", f)
	}
	if got := s.get(); got != (outage{}) {
		t.Errorf("after the rate limit the outage is %+v, want none", got)
	}
}
