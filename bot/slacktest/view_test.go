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

// reasonModal asks for a reason of 3 to 20 characters and an optional code.
func reasonModal() api.ModalViewRequest {
	reason := api.NewInputBlock("reason", plain("Reason"), nil,
		api.NewPlainTextInputBlockElement(nil, "text").WithMinLength(3).WithMaxLength(20))
	option := func(v string) *api.OptionBlockObject { return api.NewOptionBlockObject(v, plain("Code "+v), nil) }
	code := api.NewInputBlock("code", plain("Code"), nil,
		api.NewOptionsSelectBlockElement(api.OptTypeStatic, nil, "pick", option("a"), option("b"))).WithOptional(true)
	return api.ModalViewRequest{
		Type: api.VTModal, Title: plain("Reject"), Submit: plain("Reject"), Close: plain("Back"),
		PrivateMetadata: "request-1", CallbackID: "reject", Blocks: api.Blocks{BlockSet: []api.Block{reason, code}},
	}
}

// opens makes the app open the modal at each click.
func (w *world) opens(view api.ModalViewRequest) {
	w.app.respond(func(http.ResponseWriter, *http.Request) {
		if _, err := w.api.OpenViewContext(w.t.Context(), w.app.last().TriggerID, view); err != nil {
			w.t.Errorf("views.open: %v", err)
		}
	})
}

// openModal opens the modal for ann.
func (w *world) openModal(view api.ModalViewRequest) slacktest.View {
	w.t.Helper()
	_, ts := w.post(public, text("x"), approvalButtons())
	w.opens(view)
	i, err := w.ClickButton(ann, public, ts, "reject")
	if err != nil || i.Opened == nil {
		w.t.Fatalf("got %+v, %v, want an open modal", i, err)
	}
	w.app.respond(nil)
	return *i.Opened
}

type filled map[string]map[string]string

var goodReason = filled{"reason": {"text": "too costly"}}

func TestOpenView(t *testing.T) {
	w := newWorld(t)
	v := w.openModal(reasonModal())
	if v.Title != "Reject" || v.Submit != "Reject" || v.Close != "Back" || v.PrivateMetadata != "request-1" ||
		v.CallbackID != "reject" || v.UserID != ann || v.Hash == "" || v.RootID != v.ID {
		t.Errorf("got %+v", v)
	}
	if shown, ok := w.Modal(ann); !ok || shown.ID != v.ID {
		t.Errorf("ann sees %+v, %t", shown, ok)
	}
	if _, ok := w.Modal(bob); ok {
		t.Error("bob sees ann's modal")
	}
}

func TestTriggers(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), approvalButtons())
	trigger := func() string {
		i, err := w.ClickButton(ann, public, ts, "reject")
		if err != nil {
			t.Fatal(err)
		}
		return i.TriggerID
	}
	open := func(id string) string {
		_, err := w.api.OpenViewContext(t.Context(), id, reasonModal())
		return code(err)
	}
	first := trigger()
	bad := reasonModal()
	bad.Title = plain(strings.Repeat("x", 25))
	_, err := w.api.OpenViewContext(t.Context(), first, bad)
	wantCode(t, "a bad view", err, "invalid_arguments")
	for _, tt := range []struct{ name, got, want string }{
		{"after a bad view", open(first), ""},
		{"once more", open(first), "exchanged_trigger_id"},
		{"made up", open("1.2.3"), "invalid_trigger_id"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	second := trigger()
	w.clock.add(3*time.Second - time.Millisecond)
	if got := open(second); got != "" {
		t.Errorf("just before 3 s: got %q", got)
	}
	third := trigger()
	w.clock.add(3 * time.Second)
	if got := open(third); got != "expired_trigger_id" {
		t.Errorf("after 3 s: got %q, want expired_trigger_id", got)
	}
}

func TestInvalidViewResponse(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"), approvalButtons())
	i, err := w.ClickButton(ann, public, ts, "reject")
	if err != nil {
		t.Fatal(err)
	}
	bad := reasonModal()
	bad.Submit = nil
	_, err = w.api.OpenViewContext(t.Context(), i.TriggerID, bad)
	var no api.SlackErrorResponse
	if !errors.As(err, &no) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]string{"[ERROR] missing required field: submit [json-pointer:/view]"}, no.ResponseMetadata.Messages); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	big := reasonModal()
	for range 84 {
		big.Blocks.BlockSet = append(big.Blocks.BlockSet, section(strings.Repeat("x", 3000)))
	}
	_, err = w.api.OpenViewContext(t.Context(), i.TriggerID, big)
	wantCode(t, "a big view", err, "view_too_large")
}

func TestSubmit(t *testing.T) {
	w := newWorld(t)
	v := w.openModal(reasonModal())
	i, err := w.Submit(ann, v.ID, filled{"reason": {"text": "too costly"}, "code": {"pick": "b"}})
	if err != nil || i.Failed {
		t.Fatalf("got %+v, %v", i, err)
	}
	p := w.app.last()
	if p.Type != "view_submission" || p.View.ID != v.ID || p.View.PrivateMetadata != "request-1" || p.View.Hash != v.Hash || p.User.ID != ann {
		t.Errorf("got %+v", p)
	}
	want := map[string]map[string]map[string]any{
		"reason": {"text": {"type": "plain_text_input", "value": "too costly"}},
		"code": {"pick": {"type": "static_select", "selected_option": map[string]any{
			"value": "b", "text": map[string]any{"type": "plain_text", "text": "Code b", "emoji": false},
		}}},
	}
	if diff := cmp.Diff(want, p.View.State.Values); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	var foreign api.InteractionCallback
	if err := json.Unmarshal(i.Payload, &foreign); err != nil || foreign.View.State.Values["reason"]["text"].Value != "too costly" {
		t.Errorf("slack-go reads %+v, %v", foreign.View.State, err)
	}
	if _, ok := w.Modal(ann); ok {
		t.Error("the modal is still open after an empty 200")
	}
	if _, err := w.Submit(ann, v.ID, goodReason); !errors.Is(err, slacktest.ErrNoView) {
		t.Errorf("submitting it again: got %v, want %v", err, slacktest.ErrNoView)
	}
}

// Clients do not submit invalid input.
func TestSubmitRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values filled
		want   string
	}{
		{"nothing", nil, "is required"},
		{"empty", filled{"reason": {"text": ""}}, "is required"},
		{"too short", filled{"reason": {"text": "no"}}, "is shorter than 3 characters"},
		{"too long", filled{"reason": {"text": strings.Repeat("é", 21)}}, "is longer than 20 characters"},
		{"no such option", filled{"reason": {"text": "okay"}, "code": {"pick": "z"}}, "has no such option"},
		{"an unknown block", filled{"reason": {"text": "okay"}, "other": {"text": "x"}}, "is not in this view"},
		{"an unknown action", filled{"reason": {"text": "okay", "other": "x"}}, "is not in this view"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			v := w.openModal(reasonModal())
			received := w.app.received()
			_, err := w.Submit(ann, v.ID, tt.values)
			var input *slacktest.InputError
			if !errors.As(err, &input) || input.Reason != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if w.app.received() != received {
				t.Error("the app was sent the submission")
			}
		})
	}
}

func TestSubmitResponses(t *testing.T) {
	other := func() api.ModalViewRequest {
		v := reasonModal()
		v.Title = plain("Sure?")
		v.Blocks.BlockSet = []api.Block{section("Really")}
		return v
	}
	answer := func(a *api.ViewSubmissionResponse) string {
		raw, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	broken := other()
	broken.Title = nil
	tests := []struct {
		name, body string
		status     int
		title      string // of the open modal afterwards; empty if none is open
		failed     bool
		errors     map[string]string
	}{
		{name: "empty"},
		{name: "blank", body: " \n"},
		{name: "clear", body: answer(api.NewClearViewSubmissionResponse())},
		{name: "update", body: answer(api.NewUpdateViewSubmissionResponse(new(other()))), title: "Sure?"},
		{name: "push", body: answer(api.NewPushViewSubmissionResponse(new(other()))), title: "Sure?"},
		{name: "errors", body: answer(api.NewErrorsViewSubmissionResponse(map[string]string{"reason": "be kind"})), title: "Reject", errors: map[string]string{"reason": "be kind"}},
		{name: "errors at no input", body: answer(api.NewErrorsViewSubmissionResponse(map[string]string{"decide": "x"})), title: "Reject", failed: true},
		{name: "no errors", body: `{"response_action":"errors","errors":{}}`, title: "Reject", failed: true},
		{name: "a bad view", body: answer(api.NewUpdateViewSubmissionResponse(&broken)), title: "Reject", failed: true},
		{name: "an unknown action", body: `{"response_action":"dance"}`, title: "Reject", failed: true},
		{name: "text", body: "ok", title: "Reject", failed: true},
		{name: "an empty object", body: "{}", title: "Reject", failed: true},
		{name: "500", status: 500, title: "Reject", failed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			v := w.openModal(reasonModal())
			w.app.respondWith(max(tt.status, 200), tt.body)
			i, err := w.Submit(ann, v.ID, goodReason)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := w.Modal(ann)
			if got.Title != tt.title || i.Failed != tt.failed || (got.Notice != "") != tt.failed {
				t.Errorf("got title %q, failed %t, notice %q; want %q, %t", got.Title, i.Failed, got.Notice, tt.title, tt.failed)
			}
			if diff := cmp.Diff(tt.errors, got.Errors); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if tt.errors != nil {
				if diff := cmp.Diff(map[string]map[string]string(goodReason), got.Values); diff != "" {
					t.Errorf("the input is lost (-want +got):\n%s", diff)
				}
				w.app.respondWith(500, "")
				if _, err := w.Submit(ann, v.ID, goodReason); err != nil {
					t.Fatal(err)
				}
				if got, _ := w.Modal(ann); got.Errors != nil || got.Notice == "" {
					t.Errorf("after another submission: still shows %v, notice %q", got.Errors, got.Notice)
				}
			}
		})
	}
}

// At most three modals can be stacked, and only the top one can be used.
func TestModalStack(t *testing.T) {
	w := newWorld(t)
	v := w.openModal(reasonModal())
	raw, err := json.Marshal(api.NewPushViewSubmissionResponse(new(reasonModal())))
	if err != nil {
		t.Fatal(err)
	}
	w.app.respondWith(200, string(raw))
	root := v
	for range 2 {
		i, err := w.Submit(ann, v.ID, goodReason)
		if err != nil || i.Opened == nil || i.Opened.PreviousID != v.ID || i.Opened.RootID != root.ID {
			t.Fatalf("got %+v, %v, want a pushed modal", i, err)
		}
		if _, err := w.Submit(ann, v.ID, goodReason); !errors.Is(err, slacktest.ErrNoView) {
			t.Errorf("submitting a covered modal: got %v", err)
		}
		v = *i.Opened
	}
	if i, err := w.Submit(ann, v.ID, goodReason); err != nil || !i.Failed {
		t.Errorf("a fourth modal: got %+v, %v", i, err)
	}
	w.app.respond(nil)
	if _, err := w.Submit(ann, v.ID, goodReason); err != nil {
		t.Fatal(err)
	}
	if top, _ := w.Modal(ann); top.ID != v.PreviousID {
		t.Errorf("an empty 200 leaves %s on top, want %s", top.ID, v.PreviousID)
	}
	w.app.respondWith(200, `{"response_action":"clear"}`)
	if _, err := w.Submit(ann, v.PreviousID, goodReason); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.Modal(ann); ok {
		t.Error("clear leaves a modal open")
	}
}

func TestPushView(t *testing.T) {
	w := newWorld(t)
	view := reasonModal()
	view.Blocks.BlockSet = append(view.Blocks.BlockSet, api.NewActionBlock("more", api.NewButtonBlockElement("more", "", plain("More"))))
	v := w.openModal(view)
	w.app.respond(func(http.ResponseWriter, *http.Request) {
		if _, err := w.api.PushViewContext(t.Context(), w.app.last().TriggerID, reasonModal()); err != nil {
			t.Errorf("views.push: %v", err)
		}
	})
	i, err := w.Click(ann, slacktest.Target{ViewID: v.ID, ActionID: "more"})
	if err != nil || i.Opened == nil || i.Opened.PreviousID != v.ID {
		t.Fatalf("got %+v, %v", i, err)
	}
	if got := w.app.last(); got.Type != "block_actions" || got.View.ID != v.ID || got.View.PrivateMetadata != "request-1" {
		t.Errorf("payload: got %+v", got)
	}
	w.app.respond(nil)
	push := func(v slacktest.View) (*api.ViewResponse, error) {
		i, err := w.Click(ann, slacktest.Target{ViewID: v.ID, ActionID: "more"})
		if err != nil {
			t.Fatal(err)
		}
		return w.api.PushViewContext(t.Context(), i.TriggerID, view)
	}
	if _, err := w.CloseView(ann, i.Opened.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		top, _ := w.Modal(ann)
		if _, err := push(top); err != nil {
			t.Fatalf("views.push below the limit: %v", err)
		}
	}
	top, _ := w.Modal(ann)
	_, err = push(top)
	wantCode(t, "views.push of a fourth", err, "push_limit_reached")

	_, ts := w.post(public, text("x"), approvalButtons())
	i, err = w.ClickButton(ann, public, ts, "approve")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.api.PushViewContext(t.Context(), i.TriggerID, reasonModal())
	wantCode(t, "views.push with a message's trigger", err, "not_found")
}

func TestUpdateView(t *testing.T) {
	w := newWorld(t)
	v := w.openModal(reasonModal())
	next := reasonModal()
	next.Title = plain("Next")
	res, err := w.api.UpdateViewContext(t.Context(), next, "", v.Hash, v.ID)
	if err != nil || res.ID != v.ID || res.Hash == v.Hash {
		t.Fatalf("got %+v, %v", res, err)
	}
	if got, _ := w.Modal(ann); got.Title != "Next" {
		t.Errorf("ann sees %q", got.Title)
	}
	_, err = w.api.UpdateViewContext(t.Context(), next, "", v.Hash, v.ID)
	wantCode(t, "an old hash", err, "hash_conflict")
	_, err = w.api.UpdateViewContext(t.Context(), next, "", "", "V0NONE")
	wantCode(t, "no such view", err, "not_found")
	if _, err := w.CloseView(ann, v.ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.api.UpdateViewContext(t.Context(), next, "", "", v.ID)
	wantCode(t, "a closed view", err, "not_found")
}

func TestExternalID(t *testing.T) {
	w := newWorld(t)
	named := reasonModal()
	named.ExternalID = "mine"
	v := w.openModal(named)
	next := named
	next.Title = plain("Next")
	if _, err := w.api.UpdateViewContext(t.Context(), next, "mine", "", ""); err != nil {
		t.Fatal(err)
	}
	if got, _ := w.Modal(ann); got.ID != v.ID || got.Title != "Next" {
		t.Errorf("got %+v", got)
	}
	_, ts := w.post(public, text("x"), approvalButtons())
	i, err := w.ClickButton(bob, public, ts, "approve")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.api.OpenViewContext(t.Context(), i.TriggerID, named)
	wantCode(t, "the same external_id again", err, "duplicate_external_id")
}

func TestCloseView(t *testing.T) {
	w := newWorld(t)
	quiet := w.openModal(reasonModal())
	received := w.app.received()
	if i, err := w.CloseView(ann, quiet.ID); err != nil || i.Payload != nil || w.app.received() != received {
		t.Errorf("closing without notify_on_close: got %+v, %v, notified %t", i, err, w.app.received() != received)
	}
	loud := reasonModal()
	loud.NotifyOnClose, loud.ClearOnClose = true, true
	v := w.openModal(loud)
	if _, err := w.CloseView(bob, v.ID); !errors.Is(err, slacktest.ErrNoView) {
		t.Errorf("closing another user's modal: got %v", err)
	}
	if _, err := w.CloseView(ann, v.ID); err != nil {
		t.Fatal(err)
	}
	if p := w.app.last(); p.Type != "view_closed" || !p.IsCleared || p.View.ID != v.ID {
		t.Errorf("got %+v", p)
	}
	if _, ok := w.Modal(ann); ok {
		t.Error("the modal is still open")
	}
}

func TestPublishView(t *testing.T) {
	w := newWorld(t)
	home := func(s string) api.HomeTabViewRequest {
		return api.HomeTabViewRequest{Type: api.VTHomeTab, Blocks: api.Blocks{BlockSet: []api.Block{
			section(s), api.NewActionBlock("act", api.NewButtonBlockElement("refresh", "", plain("Refresh"))),
		}}}
	}
	first, err := w.api.PublishViewContext(t.Context(), api.PublishViewContextRequest{UserID: ann, View: home("one")})
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.api.PublishViewContext(t.Context(), api.PublishViewContextRequest{UserID: ann, View: home("two"), Hash: &first.Hash})
	if err != nil || second.ID != first.ID || second.Hash == first.Hash {
		t.Fatalf("got %+v, %v", second, err)
	}
	_, err = w.api.PublishViewContext(t.Context(), api.PublishViewContextRequest{UserID: ann, View: home("three"), Hash: &first.Hash})
	wantCode(t, "an old hash", err, "hash_conflict")
	_, err = w.api.PublishViewContext(t.Context(), api.PublishViewContextRequest{UserID: "U0UNKNOWN", View: home("x")})
	wantCode(t, "unknown user", err, "invalid_arguments")
	got, ok := w.Home(ann)
	if !ok || !strings.Contains(string(got.Blocks), "two") {
		t.Errorf("ann's home: got %+v, %t", got, ok)
	}
	if _, err := w.Click(ann, slacktest.Target{ViewID: got.ID, ActionID: "refresh"}); err != nil {
		t.Fatal(err)
	}
	if p := w.app.last(); p.View.ID != got.ID || p.ResponseURL != "" {
		t.Errorf("payload: got %+v", p)
	}
	if _, err := w.Submit(ann, got.ID, nil); !errors.Is(err, slacktest.ErrNoButton) {
		t.Errorf("submitting a Home tab: got %v", err)
	}
}
