package slacktest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	api "github.com/slack-go/slack"
)

// serve calls a method without a network.
func (w *world) serve(method string, form url.Values) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/api/"+method, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+token)
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, req)
	return rec
}

// BenchmarkPost posts a message of ordinary size without a network, as a simulation does.
func BenchmarkPost(b *testing.B) {
	w := newWorld(b)
	_, post, err := api.UnsafeApplyMsgOptions("", public, "", text("Approve?"))
	if err != nil {
		b.Fatal(err)
	}
	post.Set("blocks", wideMessage)
	b.ReportAllocs()
	for b.Loop() {
		rec := w.serve("chat.postMessage", post)
		if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), `"ok":true`) {
			b.Fatalf("got %d %s", rec.Code, rec.Body)
		}
	}
}

const wideMessage = `[{"type":"header","block_id":"h","text":{"type":"plain_text","text":"Approval needed"}},
{"type":"section","block_id":"s","fields":[{"type":"mrkdwn","text":"*Product*\nPostgreSQL"},{"type":"mrkdwn","text":"*By*\n<@U0ANN>"}]},
{"type":"actions","block_id":"a","elements":[{"type":"button","action_id":"approve","style":"primary","value":"r1","text":{"type":"plain_text","text":"Approve"}}]},
{"type":"context","block_id":"c","elements":[{"type":"mrkdwn","text":"Request r1"}]}]`
