package bot_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"countersign/bot"
	"countersign/handle"
)

// answer is a Slack that gives one answer to every call.
type answer struct {
	status int
	body   string
}

func (a answer) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(a.body)), Request: req}, nil
}

func clientOf(t http.RoundTripper) *slack.Client {
	return slack.New(token, slack.OptionAPIURL("http://slack.test/api/"), slack.OptionHTTPClient(&http.Client{Transport: bot.Answers(t)}))
}

// strangeEchoes are messages and views that slack-go cannot decode, or not as of this
// version.
var strangeEchoes = []string{
	`null`, `[]`, `"x"`, `1`, `{}`, `{"blocks":{}}`, `{"blocks":[1]}`, `{"ts":1,"thread_ts":[]}`, `{"id":1,"state":[]}`, `{"state":{"values":[]}}`,
	`{"blocks":[{"type":"actions","elements":[{"type":"made_up"}]}]}`, `{"blocks":[{"type":"section","text":[],"accessory":7}]}`, `{"blocks":[{"type":"rich_text","elements":[{"type":"made_up","elements":{}}]}]}`,
}

// TestEchoesAreNotDecoded calls every method whose answer echoes what was sent. A call
// that Slack accepted has succeeded, whatever it echoes.
func TestEchoesAreNotDecoded(t *testing.T) {
	for _, echo := range strangeEchoes {
		c := clientOf(answer{200, `{"ok":true,"channel":"C0APPROVALS","ts":"1.000100","message_ts":"1.000100","message":` + echo + `,"view":` + echo + `}`})
		view := slack.ModalViewRequest{Type: slack.VTModal}
		_, opened := c.OpenViewContext(t.Context(), "trigger", view)
		_, pushed := c.PushViewContext(t.Context(), "trigger", view)
		_, updated := c.UpdateViewContext(t.Context(), view, "", "", "V0VIEW")
		_, published := c.PublishViewContext(t.Context(), slack.PublishViewContextRequest{UserID: "U0ANN", View: slack.HomeTabViewRequest{Type: slack.VTHomeTab}})
		channel, ts, posted := c.PostMessageContext(t.Context(), "C0APPROVALS", slack.MsgOptionText("x", false))
		_, _, _, edited := c.UpdateMessageContext(t.Context(), "C0APPROVALS", "1.000100", slack.MsgOptionText("x", false))
		_, told := c.PostEphemeralContext(t.Context(), "C0APPROVALS", "U0ANN", slack.MsgOptionText("x", false))
		for method, err := range map[string]error{
			"views.open": opened, "views.push": pushed, "views.update": updated, "views.publish": published,
			"chat.postMessage": posted, "chat.update": edited, "chat.postEphemeral": told,
		} {
			if err != nil {
				t.Errorf("%s that echoes %s: %v", method, echo, err)
			}
		}
		if channel != "C0APPROVALS" || ts != "1.000100" {
			t.Errorf("chat.postMessage that echoes %s: got %q, %q", echo, channel, ts)
		}
	}
}

// TestAnswersKeepTheRest keeps errors, and where an echoed reply is.
func TestAnswersKeepTheRest(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{`{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["x"]}}`, `{"error":"invalid_blocks","ok":false,"response_metadata":{"messages":["x"]}}`},
		{`{"ok":true,"ts":"2","message":{"ts":"2","thread_ts":"1","blocks":[]}}`, `{"message":{"ts":"2","thread_ts":"1"},"ok":true,"ts":"2"}`},
		{`{"ok":true,"message":{"ts":"2","thread_ts":7}}`, `{"message":{"ts":"2"},"ok":true}`},
		{`{"ok":true,"message":"x"}`, `{"ok":true}`},
		{`{"ok":true,"view":{"id":"V0","hash":"1.a","root_view_id":"V1","external_id":"e","state":{"values":[]}}}`, `{"ok":true,"view":{"id":"V0","hash":"1.a","root_view_id":"V1","external_id":"e"}}`},
		{`no JSON`, `no JSON`}, {`[]`, `[]`}, {`null`, `null`},
	} {
		for url, want := range map[string]string{"http://slack.test/api/chat.postMessage": tt.want, "http://slack.test/api/users.info": tt.body} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
			res, err := bot.Answers(answer{200, tt.body}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if string(got) != want {
				t.Errorf("%s: %s becomes %s, want %s", url, tt.body, got, want)
			}
		}
	}
}

// TestFormWithValuesList opens the form with Slack's own answer, in which the values are
// a list. It is open, so the person gets no word.
func TestFormWithValuesList(t *testing.T) {
	b, err := os.ReadFile("testdata/views.open-values-list.json")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	r := w.launch()
	w.bot.Slack = clientOf(viewsAnswer{w.slack, answer{200, string(b)}})
	w.wantAck(w.send(w.reject(r)))
	w.wantPrivate()
	w.wantVotes(r.ID, 0, handle.Pending)
	d := w.document("reject.json", handle.Action{ID: r.ID, Name: "details"}.String()).set("details", "actions", "0", "action_id")
	w.wantAck(w.send(d))
	w.wantPrivate()
}

// TestEmptyObjectsAsLists: Slack writes [] for objects without members.
func TestEmptyObjectsAsLists(t *testing.T) {
	empty := []any{}
	for _, field := range []string{"enterprise", "view", "message", "channel"} {
		w := newWorld(t)
		r := w.launch()
		w.wantAck(w.send(w.approve(r).set(empty, field)))
		w.wantVotes(r.ID, 1, handle.Approved)
	}
	w := newWorld(t)
	r := w.launch()
	w.send(w.approve(r).set(empty, "user")) // no one, who cannot be answered
	w.wantVotes(r.ID, 0, handle.Pending)
}

// viewsAnswer answers views.open itself.
type viewsAnswer struct {
	slack http.RoundTripper
	views answer
}

func (v viewsAnswer) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/views.open") {
		return v.views.RoundTrip(req)
	}
	return v.slack.RoundTrip(req)
}

// TestSubmissionWithoutValues submits the form with values of every unexpected type.
// Slack gets 200 with the error at the reason, so the form stays open.
func TestSubmissionWithoutValues(t *testing.T) {
	for _, values := range []string{`[]`, `{}`, `null`, `""`, `7`, `{"reason":[]}`, `{"reason":{"reason":[]}}`, `{"reason":{"reason":{"value":null}}}`, `{"reason":{"reason":{"value":["x"]}}}`} {
		w := newWorld(t)
		r := w.launch()
		var v any
		if err := json.Unmarshal([]byte(values), &v); err != nil {
			t.Fatal(err)
		}
		res := w.send(w.submission(r).set(v, "view", "state", "values"))
		if res.status != 200 || !strings.Contains(res.body, `"response_action":"errors"`) || !strings.Contains(res.body, "Give a reason") {
			t.Errorf("values %s: got %d %s", values, res.status, res.body)
		}
		w.wantVotes(r.ID, 0, handle.Pending)
	}
	w := newWorld(t)
	r := w.launch()
	for _, state := range []any{nil, []any{}, "", 7} {
		if res := w.send(w.submission(r).set(state, "view", "state")); res.status != 200 || !strings.Contains(res.body, "Give a reason") {
			t.Errorf("state %v: got %d %s", state, res.status, res.body)
		}
	}
	for _, reason := range []string{"\u3164\u3164\u3164", "a\u200b\u200b\u200b", "\u2800\u2800\u2800\u2800", "   "} {
		res := w.send(w.submission(r).set(reason, "view", "state", "values", "reason", "reason", "value"))
		if res.status != 200 || !strings.Contains(res.body, "Give a reason") {
			t.Errorf("reason %+q: got %d %s", reason, res.status, res.body)
		}
	}
	w.wantVotes(r.ID, 0, handle.Pending)
}

// TestAnswersAreBounded does not read an endless answer to its end.
func TestAnswersAreBounded(t *testing.T) {
	c := clientOf(endless{})
	done := make(chan error, 1)
	go func() {
		_, err := c.OpenViewContext(t.Context(), "trigger", slack.ModalViewRequest{Type: slack.VTModal})
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("an endless answer is taken for a success")
		}
	case <-time.After(30 * time.Second):
		t.Error("the call does not return")
	}
}

type endless struct{}

func (endless) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(endlessReader{}), Request: req}, nil
}

type endlessReader struct{}

func (endlessReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}
