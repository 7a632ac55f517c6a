package slacktest

import (
	"fmt"
	"time"
)

// ClickButton clicks a button on a message as the user, which can be an ephemeral
// message. If the user could not click that button, it returns an error and sends
// the app nothing.
func (w *Workspace) ClickButton(userID, channelID, ts, actionID string) (Interaction, error) {
	return w.Click(userID, Target{ChannelID: channelID, TS: ts, ActionID: actionID})
}

// ClickStale clicks a button on a message as an outdated client shows it: the
// message may have changed or be deleted. A message that was never posted simulates
// an attacker who has the signing secret.
func (w *Workspace) ClickStale(userID string, seen Message, actionID string) (Interaction, error) {
	return w.Click(userID, Target{ActionID: actionID, Stale: &seen})
}

// Target says which button is clicked.
type Target struct {
	ChannelID, TS string   // on a message
	ViewID        string   // or in a modal or Home tab
	Stale         *Message // or on a message as an outdated client shows it

	BlockID  string // required only if several blocks use the action_id
	ActionID string
}

// Click clicks any button.
func (w *Workspace) Click(userID string, at Target) (Interaction, error) {
	now := w.config.Now()
	d, err := w.buildClick(userID, at, now)
	if err != nil {
		return Interaction{}, fmt.Errorf("couldn't click %s: %w", at.ActionID, err)
	}
	i := w.deliver(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	i.Opened = w.openedView(i.TriggerID)
	return i, nil
}

// buildClick builds the block_actions payload.
func (w *Workspace) buildClick(userID string, at Target, now time.Time) (delivery, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.actor(userID)
	if err != nil {
		return delivery{}, err
	}
	payload := blockActions{payloadHead: w.payloadHead("block_actions", u, userID)}
	var b Button
	if at.ViewID != "" {
		b, err = w.clickInView(&payload, u, at)
	} else {
		b, err = w.clickOnMessage(&payload, u, at, now)
	}
	if err != nil {
		return delivery{}, err
	}
	payload.TriggerID = w.newTrigger(u.ID, at.ViewID, now)
	payload.Actions = []action{b.action(formatTS(now.UnixMicro()))}
	return delivery{url: w.config.RequestURL, field: "payload", i: Interaction{
		Payload: encode(payload), TriggerID: payload.TriggerID, ResponseURL: payload.ResponseURL,
	}}, nil
}

func (w *Workspace) clickOnMessage(payload *blockActions, u *User, at Target, now time.Time) (Button, error) {
	p, err := w.clickedMessage(u, at)
	if err != nil {
		return Button{}, err
	}
	b, err := findButton(p.Buttons(), at)
	if err != nil {
		return Button{}, err
	}
	payload.Container = container{
		Type: "message", MessageTS: p.TS, ThreadTS: p.ThreadTS, ChannelID: p.ChannelID, IsEphemeral: &p.Ephemeral,
	}
	payload.Channel = &payloadChannel{p.ChannelID, payloadName(w.channels.byID[p.ChannelID])}
	state := w.viewState(nil)
	payload.State = &state
	payload.ResponseURL = w.newMessageResponseURL(p, u.ID, now)
	if !p.Ephemeral { // payloads do not include ephemeral messages
		m := w.wire(p)
		payload.Message = &m
	}
	return b, nil
}

// clickedMessage returns the message with the button.
func (w *Workspace) clickedMessage(u *User, at Target) (*storedMessage, error) {
	if at.Stale != nil {
		return &storedMessage{Message: *at.Stale}, nil
	}
	for _, p := range w.ephemeral[u.ID] {
		if p.ChannelID == at.ChannelID && p.TS == at.TS {
			return p, nil
		}
	}
	r, ok := w.channels.byID[at.ChannelID]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoChannel, at.ChannelID)
	}
	if !w.canSee(u, r) {
		return nil, ErrNotVisible
	}
	p, ok := r.byTS[at.TS]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoMessage, at.TS)
	}
	return p, nil
}

func (w *Workspace) clickInView(payload *blockActions, u *User, at Target) (Button, error) {
	v, err := w.viewOf(u, at.ViewID)
	if err != nil {
		return Button{}, err
	}
	b, err := findButton(v.Buttons(), at)
	if err != nil {
		return Button{}, err
	}
	wire := w.wireView(v, nil)
	payload.Container = container{Type: "view", ViewID: v.ID}
	payload.View = &wire
	return b, nil
}

// viewOf returns the user's Home tab or top modal. Modals below it cannot be reached.
func (w *Workspace) viewOf(u *User, viewID string) (*view, error) {
	if v, ok := w.homes[u.ID]; ok && v.ID == viewID {
		return v, nil
	}
	if stack := w.modals[u.ID]; len(stack) > 0 && stack[len(stack)-1].ID == viewID {
		return stack[len(stack)-1], nil
	}
	return nil, fmt.Errorf("%w: %s", ErrNoView, viewID)
}

// findButton returns the one button that at means.
func findButton(buttons []Button, at Target) (Button, error) {
	var found []Button
	for _, b := range buttons {
		if b.ActionID == at.ActionID && (at.BlockID == "" || b.BlockID == at.BlockID) {
			found = append(found, b)
		}
	}
	switch len(found) {
	case 0:
		return Button{}, ErrNoButton
	case 1:
		return found[0], nil
	}
	return Button{}, ErrAmbiguous
}
