package page

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/bot/slacktest"
)

func TestSky(t *testing.T) {
	s := sky{slack: slacktest.New(slacktest.Config{Now: func() time.Time { return sampleTime }})}
	if before := s.turn(weather{Limit: limitedPosts}); before != (weather{}) {
		t.Errorf("at first the weather is %+v, want fair", before)
	}
	if f := s.fault("chat.update", nil); f != nil {
		t.Errorf("an update meets %+v, want nothing", f)
	}
	want := &slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: limitedWait}
	for i := range limitedPosts {
		if diff := cmp.Diff(want, s.fault("chat.postMessage", nil)); diff != "" {
			t.Errorf("post %d (-want +got)\n%s", i, diff)
		}
	}
	if f := s.fault("chat.postMessage", nil); f != nil {
		t.Errorf("a later post meets %+v, want nothing", f)
	}
	if got := s.now(); got != (weather{}) {
		t.Errorf("after the limit the weather is %+v, want fair", got)
	}
}
