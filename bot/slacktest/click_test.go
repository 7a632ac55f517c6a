package slacktest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	api "github.com/slack-go/slack"

	"countersign/bot/slacktest"
)

func TestClickPayload(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("Approve this?"), approvalButtons())
	w.clock.add(time.Minute)
	i, err := w.ClickButton(ann, public, ts, "approve")
	if err != nil {
		t.Fatal(err)
	}
	if i.Failed || i.Notice != "" || i.Status != http.StatusOK {
		t.Errorf("got %+v, want an answered click", i)
	}
	var got map[string]any
	if err := json.Unmarshal(w.app.last().raw, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(i.Payload), string(w.app.last().raw)); diff != "" {
		t.Errorf("the app got another payload (-reported +got):\n%s", diff)
	}
	message, _ := got["message"].(map[string]any)
	blocks, _ := message["blocks"].([]any)
	if len(blocks) != 2 || message["ts"] != ts || message["bot_id"] != "B0BOT" || message["text"] != "Approve this?" {
		t.Errorf("message: got %v", message)
	}
	delete(got, "message")
	want := map[string]any{
		"type":                  "block_actions",
		"user":                  map[string]any{"id": ann, "username": "ann", "name": "ann", "team_id": team},
		"api_app_id":            "A0APP",
		"token":                 "verification-token",
		"team":                  map[string]any{"id": team, "domain": "here"},
		"enterprise":            nil,
		"is_enterprise_install": false,
		"container":             map[string]any{"type": "message", "message_ts": ts, "channel_id": public, "is_ephemeral": false},
		"trigger_id":            i.TriggerID,
		"channel":               map[string]any{"id": public, "name": "approvals"},
		"state":                 map[string]any{"values": map[string]any{}},
		"response_url":          i.ResponseURL,
		"actions": []any{map[string]any{
			"type": "button", "block_id": "decide", "action_id": "approve", "value": "request-1", "style": "primary",
			"text":      map[string]any{"type": "plain_text", "text": "Approve", "emoji": false},
			"action_ts": "1795424460.000000",
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(i.ResponseURL, w.origin+"/actions/"+team+"/") {
		t.Errorf("response_url: got %s", i.ResponseURL)
	}
}

// slack-go decodes the payload.
func TestSlackGoDecodesClickPayload(t *testing.T) {
	w := newWorld(t)
	_, parent := w.post(private, text("x"))
	_, ts := w.post(private, text("Approve this?"), approvalButtons(), api.MsgOptionTS(parent))
	var got api.InteractionCallback
	w.app.respond(func(rw http.ResponseWriter, r *http.Request) {})
	i, err := w.ClickButton(ann, private, ts, "reject")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(i.Payload, &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != api.InteractionTypeBlockActions || got.User.ID != ann || got.Channel.ID != private ||
		got.Channel.Name != "privategroup" || got.Container.ThreadTs != parent || got.Message.ThreadTimestamp != parent ||
		len(got.Message.Blocks.BlockSet) != 2 || got.ActionCallback.BlockActions[0].Value != "request-1" {
		t.Errorf("slack-go reads %+v", got)
	}
}

// The payload of a Slack Connect user has their own workspace in user.team_id and
// the workspace of the installation in team.
func TestClickFromOtherWorkspace(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(shared, text("x"), approvalButtons())
	if _, err := w.ClickButton(olga, shared, ts, "approve"); err != nil {
		t.Fatal(err)
	}
	if p := w.app.last(); p.User.TeamID != elsewhere || p.Team.ID != team {
		t.Errorf("got user.team_id %s and team %s", p.User.TeamID, p.Team.ID)
	}
}

func TestClickRefused(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), approvalButtons())
	_, hiddenTS := w.post(private, text("x"), approvalButtons())
	twins := api.MsgOptionBlocks(
		api.NewActionBlock("one", api.NewButtonBlockElement("go", "1", plain("Go"))),
		api.NewActionBlock("two", api.NewButtonBlockElement("go", "2", plain("Go"))),
	)
	_, twinTS := w.post(public, text("x"), twins)
	dm, dmTS := w.post(ann, text("x"), approvalButtons())
	for _, tt := range []struct {
		name, user, channel, ts, action string
		want                            error
	}{
		{"by a member", bob, public, ts, "approve", nil},
		{"by a guest outside", guest, public, ts, "approve", slacktest.ErrNotVisible},
		{"by a partner outside", olga, public, ts, "approve", slacktest.ErrNotVisible},
		{"in a private channel by a member", ann, private, hiddenTS, "approve", nil},
		{"in a private channel from outside", bob, private, hiddenTS, "approve", slacktest.ErrNotVisible},
		{"in a direct message", ann, dm, dmTS, "approve", nil},
		{"in another user's direct message", bob, dm, dmTS, "approve", slacktest.ErrNotVisible},
		{"by an unknown user", "U0UNKNOWN", public, ts, "approve", slacktest.ErrNoUser},
		{"by a deactivated user", gone, public, ts, "approve", slacktest.ErrNoUser},
		{"by the bot", bot, public, ts, "approve", slacktest.ErrNoUser},
		{"another button", ann, public, ts, "explode", slacktest.ErrNoButton},
		{"on nothing", ann, public, "1.2", "approve", slacktest.ErrNoMessage},
		{"nowhere", ann, "C0NOWHERE", ts, "approve", slacktest.ErrNoChannel},
		{"one of two", ann, public, twinTS, "go", slacktest.ErrAmbiguous},
	} {
		before := w.app.received()
		_, err := w.ClickButton(tt.user, tt.channel, tt.ts, tt.action)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if sent := w.app.received() > before; sent != (tt.want == nil) {
			t.Errorf("%s: sent to the app: %t", tt.name, sent)
		}
	}
	if _, err := w.Click(ann, slacktest.Target{ChannelID: public, TS: twinTS, BlockID: "two", ActionID: "go"}); err != nil {
		t.Errorf("one of two, by block_id: %v", err)
	}
	if got := w.app.last().Actions[0]; got.BlockID != "two" || got.Value != "2" {
		t.Errorf("one of two, by block_id: got %+v", got)
	}
}

// Only an outdated client can click a button that is gone.
func TestClickStale(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), approvalButtons())
	seen := w.message(public, ts)
	if _, _, _, err := w.api.UpdateMessageContext(t.Context(), public, ts, text("decided")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ClickButton(ann, public, ts, "approve"); !errors.Is(err, slacktest.ErrNoButton) {
		t.Errorf("an up-to-date client: got %v, want %v", err, slacktest.ErrNoButton)
	}
	i, err := w.ClickStale(ann, seen, "approve")
	if err != nil || i.Failed {
		t.Fatalf("an outdated client: %+v, %v", i, err)
	}
	if got := w.app.last().Actions[0].Value; got != "request-1" {
		t.Errorf("value: got %q", got)
	}
	if err := w.DeleteMessage(public, ts); err != nil {
		t.Fatal(err)
	}
	if i, err := w.ClickStale(ann, seen, "approve"); err != nil || i.Failed {
		t.Errorf("on a deleted message: %+v, %v", i, err)
	}
}

// A user sees an error when the app answers late or wrongly.
func TestClickFailed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(*world) http.HandlerFunc
		failed bool
	}{
		{"200", func(*world) http.HandlerFunc { return func(http.ResponseWriter, *http.Request) {} }, false},
		{"200 with a body", func(*world) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("ok")) }
		}, false},
		{"500", func(*world) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) }
		}, true},
		{"202", func(*world) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(202) }
		}, true},
		{"a redirect", func(*world) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/elsewhere", http.StatusFound) }
		}, true},
		{"no answer", func(*world) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, true},
		{"in 3 s", func(w *world) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { w.clock.add(3 * time.Second) }
		}, false},
		{"after 3 s", func(w *world) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { w.clock.add(3*time.Second + time.Millisecond) }
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			_, ts := w.post(public, text("x"), approvalButtons())
			w.app.respond(tt.answer(w))
			i, err := w.ClickButton(ann, public, ts, "approve")
			if err != nil {
				t.Fatal(err)
			}
			if i.Failed != tt.failed || (i.Notice != "") != tt.failed {
				t.Errorf("got failed %t, notice %q, want failed %t", i.Failed, i.Notice, tt.failed)
			}
			if got := w.app.received(); got != 1 {
				t.Errorf("requests: got %d, want 1, because Slack does not retry interactions", got)
			}
		})
	}
}

// The app may call Slack before it answers an interaction.
func TestAppCallsSlackDuringClick(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), approvalButtons())
	w.app.respond(func(http.ResponseWriter, *http.Request) {
		if _, _, _, err := w.api.UpdateMessageContext(t.Context(), public, ts, text("approved")); err != nil {
			t.Errorf("update during the click: %v", err)
		}
	})
	if i, err := w.ClickButton(ann, public, ts, "approve"); err != nil || i.Failed {
		t.Fatalf("got %+v, %v", i, err)
	}
	if got := w.message(public, ts); got.Text != "approved" || len(got.Buttons()) != 0 {
		t.Errorf("got %q with %d buttons", got.Text, len(got.Buttons()))
	}
}

func TestReplay(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), approvalButtons())
	first, err := w.ClickButton(ann, public, ts, "approve")
	if err != nil {
		t.Fatal(err)
	}
	w.clock.add(4 * time.Minute)
	if again := w.Replay(first); again.Failed || w.app.received() != 2 {
		t.Errorf("got %+v after %d requests", again, w.app.received())
	}
	if diff := cmp.Diff(string(first.Payload), string(w.app.last().raw)); diff != "" {
		t.Errorf("the replayed request differs:\n%s", diff)
	}
}

func TestClickOnEphemeral(t *testing.T) {
	w := newWorld(t)
	ts, err := w.api.PostEphemeralContext(t.Context(), public, ann, text("x"), approvalButtons())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ClickButton(bob, public, ts, "approve"); !errors.Is(err, slacktest.ErrNoMessage) {
		t.Errorf("by another user: got %v", err)
	}
	if _, err := w.ClickButton(ann, public, ts, "approve"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Message   json.RawMessage
		Container struct {
			IsEphemeral bool `json:"is_ephemeral"`
		}
	}
	if err := json.Unmarshal(w.app.last().raw, &got); err != nil || got.Message != nil || !got.Container.IsEphemeral {
		t.Errorf("got message %s, ephemeral %t (%v); Slack does not send ephemeral messages back", got.Message, got.Container.IsEphemeral, err)
	}
}

func TestCommand(t *testing.T) {
	w := newWorld(t)
	w.app.respondWith(200, "3 approvals wait")
	i, err := w.Command(ann, public, "/approvals", "mine & <all>")
	if err != nil || i.Failed {
		t.Fatalf("got %+v, %v", i, err)
	}
	form := w.app.last().form
	for name, want := range map[string]string{
		"command": "/approvals", "text": "mine & <all>", "user_id": ann, "team_id": team, "channel_id": public,
		"trigger_id": i.TriggerID, "response_url": i.ResponseURL,
	} {
		if got := form.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := w.Ephemerals(ann); len(got) != 1 || got[0].Text != "3 approvals wait" {
		t.Errorf("ann sees %v", got)
	}
	w.app.respondWith(200, `{"response_type":"in_channel","text":"to all"}`)
	if _, err := w.Command(ann, public, "/approvals", ""); err != nil {
		t.Fatal(err)
	}
	if got := w.Messages(public); len(got) != 1 || got[0].Text != "to all" {
		t.Errorf("the channel sees %v", got)
	}
	for _, tt := range []struct {
		status     int
		body, want string
	}{{200, "", ""}, {500, "", "dispatch_failed"}, {200, `{"blocks":[{"type":"spaceship"}]}`, "dispatch_failed"}} {
		w.app.respondWith(tt.status, tt.body)
		if i, err := w.Command(ann, public, "/approvals", ""); err != nil || i.Notice != tt.want || i.Failed != (tt.want != "") {
			t.Errorf("%d %s: got %q, failed %t, %v, want %q", tt.status, tt.body, i.Notice, i.Failed, err, tt.want)
		}
	}
	w.app.respond(func(http.ResponseWriter, *http.Request) { w.clock.add(4 * time.Second) })
	if i, _ := w.Command(ann, public, "/approvals", ""); i.Notice != "operation_timeout" {
		t.Errorf("after 4 s: got %q, want operation_timeout", i.Notice)
	}
	if _, err := w.Command(olga, shared, "/approvals", ""); !errors.Is(err, slacktest.ErrNotAllowed) {
		t.Errorf("by a user in another workspace: got %v, want %v", err, slacktest.ErrNotAllowed)
	}
	if _, err := w.Command(guest, public, "/approvals", ""); !errors.Is(err, slacktest.ErrNotVisible) {
		t.Errorf("by a user outside the channel: got %v, want %v", err, slacktest.ErrNotVisible)
	}
	without := newWorld(t, func(c *slacktest.Config) { c.Scopes = []string{"chat:write"} })
	if _, err := without.Command(ann, public, "/approvals", ""); !errors.Is(err, slacktest.ErrNotAllowed) {
		t.Errorf("without the scope: got %v, want %v", err, slacktest.ErrNotAllowed)
	}
}

func TestResponseURL(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), approvalButtons())
	click := func() string {
		i, err := w.ClickButton(ann, public, ts, "approve")
		if err != nil {
			t.Fatal(err)
		}
		return i.ResponseURL
	}
	send := func(url string, m *api.WebhookMessage) error {
		return api.PostWebhookContext(t.Context(), url, m)
	}
	url := click()
	if err := send(url, &api.WebhookMessage{Text: "only you"}); err != nil {
		t.Fatal(err)
	}
	if got := w.Ephemerals(ann); len(got) != 1 || got[0].Text != "only you" {
		t.Errorf("ann sees %v", got)
	}
	if err := send(url, &api.WebhookMessage{Text: "for all", ResponseType: "in_channel"}); err != nil {
		t.Fatal(err)
	}
	if got := w.Messages(public); len(got) != 2 || got[1].Text != "for all" {
		t.Errorf("the channel sees %v", got)
	}
	if err := send(url, &api.WebhookMessage{Text: "decided", ReplaceOriginal: true}); err != nil {
		t.Fatal(err)
	}
	if got := w.message(public, ts); got.Text != "decided" || got.Blocks != nil {
		t.Errorf("the original: got %q with %s", got.Text, got.Blocks)
	}
	if err := send(url, &api.WebhookMessage{}); err == nil {
		t.Error("an empty message was taken")
	}
	for range 2 {
		if err := send(url, &api.WebhookMessage{Text: "more"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := send(url, &api.WebhookMessage{Text: "once more"}); err == nil {
		t.Error("a sixth use was taken")
	}

	_, ts = w.post(public, text("x"), approvalButtons())
	url = click()
	w.clock.add(30*time.Minute + time.Second)
	if err := send(url, &api.WebhookMessage{Text: "late"}); err == nil {
		t.Error("a use after 30 minutes was taken")
	}
	if err := send(click(), &api.WebhookMessage{DeleteOriginal: true}); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.Message(public, ts); ok {
		t.Error("the original is still there")
	}
}
