package bot_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"countersign/handle"
	"countersign/handle/handletest"
)

// BenchmarkClick measures the bot itself: an approval from the signed request to the
// 200, with the store in memory and the user cached.
func BenchmarkClick(b *testing.B) {
	w := newInMemoryWorld(&testing.T{})
	w.bot.Log = nil
	w.bot.After = func(context.Context, handle.Request, string) {}
	var clicks []*http.Request
	launch := func() {
		memory := &handle.Memory{}
		w.bot.Store = memory
		clicks = clicks[:0]
		for n := range 500 {
			r, err := memory.Create(b.Context(), handletest.Request(n, launched, posted))
			if err != nil {
				b.Fatal(err)
			}
			clicks = append(clicks, w.signedRequest(payloadForm(b, w.approve(r))))
		}
	}
	launch()
	w.bot.ServeHTTP(httptest.NewRecorder(), clicks[0]) // caches the user
	clicks = clicks[1:]
	b.ReportAllocs()
	for b.Loop() {
		if len(clicks) == 0 {
			b.StopTimer()
			launch()
			b.StartTimer()
		}
		rec := httptest.NewRecorder()
		w.bot.ServeHTTP(rec, clicks[0])
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Code)
		}
		clicks = clicks[1:]
	}
	if n := w.slack.count("users.info"); n != 1 {
		b.Errorf("look-ups: got %d, want 1", n)
	}
}
