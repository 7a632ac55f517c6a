package slacktest

import "time"

// maxStack is the largest number of stacked modals.
const maxStack = 3

// triggerLifetime is how long a trigger_id can be exchanged for a modal.
const triggerLifetime = 3 * time.Second

// trigger is the state of a trigger_id.
type trigger struct {
	userID string
	viewID string // the view of the interaction; empty if there was none
	at     time.Time
	opened string // the ID of the view it was exchanged for
}

func (w *Workspace) newTrigger(userID, viewID string, now time.Time) string {
	id := w.newID("") + "." + w.config.TeamID + ".trigger"
	w.triggers[id] = &trigger{userID: userID, viewID: viewID, at: now}
	return id
}

// AddTrigger makes id a trigger_id of the user's that was issued now and not
// exchanged yet, for tests that write interaction payloads themselves.
func (w *Workspace) AddTrigger(id, userID string) {
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.triggers[id] = &trigger{userID: w.localID(userID), at: now}
}

// exchange returns the trigger of the call's trigger_id if it is still valid.
func (c *call) exchange() (*trigger, *apiError) {
	t, found := c.triggers[c.form.Get("trigger_id")]
	switch {
	case !found:
		return nil, errCode("invalid_trigger_id")
	case t.opened != "":
		return nil, errCode("exchanged_trigger_id")
	case c.now.Sub(t.at) >= triggerLifetime:
		return nil, errCode("expired_trigger_id")
	}
	return t, nil
}

// viewResponse is the response of the methods about views.
type viewResponse struct {
	envelope
	View wireView `json:"view"`
}

// openView implements views.open, which starts a new stack of modals.
func (c *call) openView() (any, *apiError) {
	doc, t, err := c.newModal()
	if err != nil {
		return nil, err
	}
	delete(c.modals, t.userID)
	return c.push(t, doc), nil
}

// pushView implements views.push, which adds a modal to the trigger's stack.
func (c *call) pushView() (any, *apiError) {
	doc, t, err := c.newModal()
	if err != nil {
		return nil, err
	}
	if v := c.viewByID(t.viewID, ""); v == nil || v.Type != "modal" {
		return nil, errCode("not_found")
	}
	if len(c.modals[t.userID]) >= maxStack {
		return nil, errCode("push_limit_reached")
	}
	return c.push(t, doc), nil
}

func (c *call) newModal() (viewDoc, *trigger, *apiError) {
	doc, err := c.readView([]byte(c.form.Get("view")), "modal", nil)
	if err != nil {
		return doc, nil, err
	}
	t, err := c.exchange()
	return doc, t, err
}

func (c *call) push(t *trigger, doc viewDoc) viewResponse {
	v := c.pushModal(t.userID, doc, c.now)
	t.opened = v.ID
	c.entry.User = t.userID
	return viewResponse{okEnvelope, c.wireView(v, nil)}
}

// pushModal adds a modal to the user's stack.
func (w *Workspace) pushModal(userID string, doc viewDoc, now time.Time) *view {
	v := &view{View: View{ID: w.newID("V"), UserID: userID}}
	v.RootID = v.ID
	if stack := w.modals[userID]; len(stack) > 0 {
		v.RootID, v.PreviousID = stack[0].ID, stack[len(stack)-1].ID
	}
	w.setView(v, doc, now)
	w.modals[userID] = append(w.modals[userID], v)
	return v
}

// updateView implements views.update.
func (c *call) updateView() (any, *apiError) {
	v := c.viewByID(c.form.Get("view_id"), c.form.Get("external_id"))
	if v == nil {
		return nil, errCode("not_found")
	}
	doc, err := c.readView([]byte(c.form.Get("view")), v.Type, v)
	if err != nil {
		return nil, err
	}
	if hash := c.form.Get("hash"); hash != "" && hash != v.Hash {
		return nil, errCode("hash_conflict")
	}
	c.setView(v, doc, c.now)
	c.entry.User = v.UserID
	return viewResponse{okEnvelope, c.wireView(v, nil)}, nil
}

// publishView implements views.publish, which sets a user's Home tab.
func (c *call) publishView() (any, *apiError) {
	if !c.config.HomeTab {
		return nil, errCode("not_enabled")
	}
	u := c.userByID(c.form.Get("user_id"))
	if u == nil || u.Bot || u.Deleted {
		return nil, invalidArguments([]Problem{{"/user_id", "invalid `user_id`"}})
	}
	v, published := c.homes[u.ID]
	doc, err := c.readView([]byte(c.form.Get("view")), "home", v)
	if err != nil {
		return nil, err
	}
	hash := c.form.Get("hash")
	switch {
	case hash != "" && (!published || hash != v.Hash):
		return nil, errCode("hash_conflict")
	case !published:
		v = &view{View: View{ID: c.newID("V"), UserID: u.ID}}
		v.RootID = v.ID
		c.homes[u.ID] = v
	}
	c.setView(v, doc, c.now)
	c.entry.User = u.ID
	return viewResponse{okEnvelope, c.wireView(v, nil)}, nil
}
