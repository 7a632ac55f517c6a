package slacktest

import (
	"encoding/json"
	"maps"
	"strconv"
	"time"
)

// View is a user's modal or Home tab.
type View struct {
	ID              string // V...
	Type            string // modal or home
	UserID          string // the viewer
	CallbackID      string
	ExternalID      string
	PrivateMetadata string
	Title           string
	Submit          string // the submit button's text; empty if there is none
	Close           string
	Blocks          json.RawMessage
	Hash            string // changes with each update
	RootID          string // the first view of the stack
	PreviousID      string // the view below this one; empty for the first
	ClearOnClose    bool
	NotifyOnClose   bool

	Values map[string]map[string]string // last submitted, by block_id and action_id
	Errors map[string]string            // from the app, by block_id
	Notice string                       // shown by Slack if the app answers wrongly
}

// view is a View with the document that the app sent.
type view struct {
	View
	doc viewDoc
}

// viewDoc is a view as the app sends it.
type viewDoc struct {
	Type            string          `json:"type"`
	Title           json.RawMessage `json:"title,omitempty"`
	Submit          json.RawMessage `json:"submit,omitempty"`
	Close           json.RawMessage `json:"close,omitempty"`
	Blocks          json.RawMessage `json:"blocks"`
	PrivateMetadata string          `json:"private_metadata"`
	CallbackID      string          `json:"callback_id"`
	ExternalID      string          `json:"external_id"`
	ClearOnClose    bool            `json:"clear_on_close"`
	NotifyOnClose   bool            `json:"notify_on_close"`
}

// wireView is a view in API responses and payloads.
type wireView struct {
	ID     string `json:"id"`
	TeamID string `json:"team_id"`
	viewDoc
	State              viewState `json:"state"`
	Hash               string    `json:"hash"`
	RootViewID         string    `json:"root_view_id"`
	PreviousViewID     *string   `json:"previous_view_id"`
	AppID              string    `json:"app_id"`
	AppInstalledTeamID string    `json:"app_installed_team_id"`
	BotID              string    `json:"bot_id"`
}

type viewState struct {
	Values any `json:"values"` // by block_id and action_id
}

// viewState returns the state with these values.
func (w *Workspace) viewState(values map[string]map[string]any) viewState {
	switch {
	case len(values) > 0:
		return viewState{values}
	case w.config.EmptyStateAsList:
		return viewState{[]any{}}
	}
	return viewState{map[string]any{}}
}

func (w *Workspace) wireView(v *view, values map[string]map[string]any) wireView {
	wire := wireView{
		ID: v.ID, TeamID: w.config.TeamID, viewDoc: v.doc, State: w.viewState(values), Hash: v.Hash,
		RootViewID: v.RootID, AppID: w.config.AppID, AppInstalledTeamID: w.config.TeamID, BotID: w.config.BotID,
	}
	if v.PreviousID != "" {
		wire.PreviousViewID = &v.PreviousID
	}
	return wire
}

// readView validates a view of type kind. If own is not nil, the view is to replace
// it.
func (w *Workspace) readView(raw []byte, kind string, own *view) (viewDoc, *apiError) {
	var doc viewDoc
	if len(raw) == 0 {
		return doc, invalidArguments([]Problem{{"/view", "missing required field: view"}})
	}
	if len(raw) > maxViewBytes {
		return doc, errCode("view_too_large")
	}
	in := &validator{path: []string{"view"}}
	blocks := in.view(raw)
	if problems := in.result(); problems != nil {
		return doc, invalidArguments(problems)
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return doc, invalidArguments([]Problem{{"/view", "must be valid JSON"}}) // unreachable: in.view parsed it
	}
	if doc.Type != kind {
		return doc, invalidArguments([]Problem{{"/view/type", "must be " + kind}})
	}
	if other := w.viewByID("", doc.ExternalID); other != nil && other != own {
		return doc, errCode("duplicate_external_id")
	}
	doc.Blocks = assignIDs(blocks, w.newBlockID)
	return doc, nil
}

// setView replaces the view's document.
func (w *Workspace) setView(v *view, doc viewDoc, now time.Time) {
	v.doc = doc
	v.Type, v.CallbackID, v.ExternalID, v.PrivateMetadata = doc.Type, doc.CallbackID, doc.ExternalID, doc.PrivateMetadata
	v.Title, v.Submit, v.Close = textOf(doc.Title), textOf(doc.Submit), textOf(doc.Close)
	v.Blocks, v.ClearOnClose, v.NotifyOnClose = doc.Blocks, doc.ClearOnClose, doc.NotifyOnClose
	v.Errors, v.Notice = nil, ""
	v.Hash = strconv.FormatInt(now.Unix(), 10) + "." + w.newID("")
	w.version++
}

func textOf(raw json.RawMessage) string {
	var t struct{ Text string }
	if json.Unmarshal(raw, &t) != nil {
		return ""
	}
	return t.Text
}

func (v *view) copyView() View {
	c := v.View
	c.Errors = maps.Clone(c.Errors)
	c.Values = maps.Clone(c.Values)
	for id, actions := range c.Values {
		c.Values[id] = maps.Clone(actions)
	}
	return c
}

// Modal returns the top modal that the user has open.
func (w *Workspace) Modal(userID string) (View, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stack := w.modals[w.localID(userID)]
	if len(stack) == 0 {
		return View{}, false
	}
	return stack[len(stack)-1].copyView(), true
}

// Home returns the Home tab that the app published for the user.
func (w *Workspace) Home(userID string) (View, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.homes[w.localID(userID)]
	if !ok {
		return View{}, false
	}
	return v.copyView(), true
}

// viewByID returns an open modal or a Home tab by its ID, or by external_id if id is
// empty.
func (w *Workspace) viewByID(id, externalID string) *view {
	match := func(v *view) bool {
		return id != "" && v.ID == id || id == "" && externalID != "" && v.ExternalID == externalID
	}
	for _, stack := range w.modals {
		for _, v := range stack {
			if match(v) {
				return v
			}
		}
	}
	for _, v := range w.homes {
		if match(v) {
			return v
		}
	}
	return nil
}
