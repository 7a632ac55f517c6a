package slacktest

import (
	"fmt"
	"time"
)

// Press presses a button on a message as that person: on a message of a channel,
// or on one that only they see. It answers with an error, and tells the app
// nothing, if the person could not press that button.
func (w *Workspace) ClickButton(userID, channelID, ts, actionID string) (Interaction, error) {
	return w.Click(userID, Target{ChannelID: channelID, TS: ts, ActionID: actionID})
}

// PressStale presses a button on a message as a client remembers it, which may
// have changed or gone since, or, with a message that was never posted, as an
// attacker with a signing secret would like to.
func (w *Workspace) ClickStale(userID string, seen Message, actionID string) (Interaction, error) {
	return w.Click(userID, Target{ActionID: actionID, Stale: &seen})
}

// Target says which button is pressed.
type Target struct {
	ChannelID, TS string   // on a message
	ViewID        string   // or in a modal or home tab
	Stale         *Message // or on a message as it is remembered

	BlockID  string // needed only if several blocks have the action_id
	ActionID string
}

// Click presses any button.
func (w *Workspace) Click(userID string, at Target) (Interaction, error) {
	now := w.config.Now()
	d, err := w.buildClick(userID, at, now)
	if err != nil {
		return Interaction{}, fmt.Errorf("couldn't press %s: %w", at.ActionID, err)
	}
	i := w.deliver(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	i.Opened = w.openedView(i.TriggerID)
	return i, nil
}

// clicked builds what the app is told.
func (w *Workspace) buildClick(userID string, at Target, now time.Time) (delivery, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.actor(userID)
	if err != nil {
		return delivery{}, err
	}
	payload := blockActions{payloadHead: w.payloadHead("block_actions", u)}
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
	payload.State = &viewState{Values: map[string]map[string]any{}}
	payload.ResponseURL = w.newMessageResponseURL(p, u.ID, now)
	if !p.Ephemeral { // Slack does not send ephemeral messages back
		m := w.wire(p)
		payload.Message = &m
	}
	return b, nil
}

// shown is the message that the person presses on.
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

// viewOf is the person's home tab, or their top modal: the ones under it cannot
// be reached.
func (w *Workspace) viewOf(u *User, viewID string) (*view, error) {
	if v, ok := w.homes[u.ID]; ok && v.ID == viewID {
		return v, nil
	}
	if stack := w.modals[u.ID]; len(stack) > 0 && stack[len(stack)-1].ID == viewID {
		return stack[len(stack)-1], nil
	}
	return nil, fmt.Errorf("%w: %s", ErrNoView, viewID)
}

// pick finds the one button that is meant.
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
