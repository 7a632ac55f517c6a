package slacktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Submit fills in and submits the user's top modal. Values are keyed by block_id and
// action_id: typed text, or the chosen value of a menu, radio button or picker; for
// several choices, their values joined by commas. Blocks without a value keep their
// initial value.
//
// Like Slack's clients, it does not submit but returns an [InputError] if a required
// block is empty or a text is too long or too short.
//
// An empty 200 from the app closes the modal; the response_actions errors, update,
// push and clear work as in Slack. Any other response leaves the modal open with a
// notice.
func (w *Workspace) Submit(userID, viewID string, values map[string]map[string]string) (Interaction, error) {
	d, err := w.buildSubmission(userID, viewID, values)
	if err != nil {
		return Interaction{}, fmt.Errorf("couldn't submit %s: %w", viewID, err)
	}
	i := w.deliver(d)
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	v, err := w.viewOf(&User{ID: w.localID(userID)}, viewID)
	if err == nil { // otherwise it was closed or covered in the meantime
		w.applySubmissionResponse(v, &i, now)
	}
	if i.Opened == nil {
		i.Opened = w.openedView(i.TriggerID)
	}
	return i, nil
}

// actorsView returns a person who acts, and one of their open views.
func (w *Workspace) actorsView(userID, viewID string) (*User, *view, error) {
	u, err := w.actor(userID)
	if err != nil {
		return nil, nil, err
	}
	v, err := w.viewOf(u, viewID)
	return u, v, err
}

// buildSubmission builds the view_submission payload and clears the errors shown.
func (w *Workspace) buildSubmission(userID, viewID string, values map[string]map[string]string) (delivery, error) {
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	u, v, err := w.actorsView(userID, viewID)
	if err != nil {
		return delivery{}, err
	}
	if v.Type != "modal" || v.Submit == "" {
		return delivery{}, ErrNoButton
	}
	state, err := w.inputState(v.Blocks, values)
	if err != nil {
		return delivery{}, err
	}
	v.Values = make(map[string]map[string]string, len(values))
	for id, actions := range values {
		v.Values[id] = maps.Clone(actions)
	}
	v.Errors, v.Notice = nil, ""
	w.version++
	payload := viewSubmission{
		payloadHead: w.payloadHead("view_submission", u, userID), TriggerID: w.newTrigger(u.ID, v.ID, now),
		View: w.wireView(v, state), ResponseURLs: []string{},
	}
	return delivery{url: w.config.RequestURL, field: "payload", i: Interaction{
		Payload: encode(payload), TriggerID: payload.TriggerID,
	}}, nil
}

// responseAction is the body of a response to view_submission.
type responseAction struct {
	Action string            `json:"response_action"`
	View   json.RawMessage   `json:"view"`
	Errors map[string]string `json:"errors"`
}

// applySubmissionResponse carries out the app's response. A response that Slack does
// not accept leaves the view open with a notice.
func (w *Workspace) applySubmissionResponse(v *view, i *Interaction, now time.Time) {
	w.version++
	if !i.Failed && w.applyResponseAction(v, i, now) {
		return
	}
	i.Failed, i.Notice = true, failedViewNotice
	v.Notice = failedViewNotice
}

// applyResponseAction reports whether Slack accepts the response.
func (w *Workspace) applyResponseAction(v *view, i *Interaction, now time.Time) bool {
	if strings.TrimSpace(i.Body) == "" {
		w.popModals(v.UserID, 1)
		return true
	}
	var answer responseAction
	if json.Unmarshal([]byte(i.Body), &answer) != nil {
		return false
	}
	switch answer.Action {
	case "clear":
		w.popModals(v.UserID, maxStack)
		return true
	case "errors":
		return v.showErrors(answer.Errors)
	case "update":
		doc, apiErr := w.readView(answer.View, "modal", v)
		if apiErr != nil {
			return false
		}
		w.setView(v, doc, now)
		return true
	case "push":
		doc, apiErr := w.readView(answer.View, "modal", nil)
		if apiErr != nil || len(w.modals[v.UserID]) >= maxStack {
			return false
		}
		pushed := w.pushModal(v.UserID, doc, now).copyView()
		i.Opened = &pushed
		return true
	}
	return false
}

// showErrors shows errors at input blocks. Slack accepts no errors at other blocks
// and no empty ones.
func (v *view) showErrors(errors map[string]string) bool {
	inputs := inputBlocks(v.Blocks)
	for id, text := range errors {
		if text == "" || !slices.ContainsFunc(inputs, func(b inputBlock) bool { return b.BlockID == id }) {
			return false
		}
	}
	if len(errors) == 0 {
		return false
	}
	v.Errors = errors
	return true
}

// popModals closes the top n modals of the user's stack.
func (w *Workspace) popModals(userID string, n int) {
	stack := w.modals[userID]
	if n >= len(stack) {
		delete(w.modals, userID)
		return
	}
	w.modals[userID] = stack[: len(stack)-n : len(stack)-n]
}

// CloseView closes the user's top modal, or the whole stack if the modal has
// clear_on_close. The app is notified only if the modal has notify_on_close;
// otherwise the Interaction has no Payload.
func (w *Workspace) CloseView(userID, viewID string) (Interaction, error) {
	d, err := w.buildClose(userID, viewID)
	if err != nil {
		return Interaction{}, fmt.Errorf("couldn't close %s: %w", viewID, err)
	}
	if d.i.Payload == nil {
		return Interaction{}, nil
	}
	return w.deliver(d), nil
}

func (w *Workspace) buildClose(userID, viewID string) (delivery, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, v, err := w.actorsView(userID, viewID)
	if err != nil {
		return delivery{}, err
	}
	if v.Type != "modal" {
		return delivery{}, ErrNoButton
	}
	n := 1
	if v.ClearOnClose {
		n = maxStack
	}
	w.popModals(u.ID, n)
	w.version++
	if !v.NotifyOnClose {
		return delivery{}, nil
	}
	return delivery{url: w.config.RequestURL, field: "payload", i: Interaction{Payload: encode(viewClosed{
		payloadHead: w.payloadHead("view_closed", u, userID), View: w.wireView(v, nil), IsCleared: v.ClearOnClose,
	})}}, nil
}
