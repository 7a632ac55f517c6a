package page

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakecfn"
)

// action is the JSON document that the page posts for everything a visitor does.
// Which fields besides As are used depends on the endpoint.
type action struct {
	As    string `json:"as"`    // Slack user ID
	Stack string `json:"stack"` // update, cancel, signal: stack ID

	// launch; of update the parameters
	Name       string            `json:"name"`
	Parameters map[string]string `json:"parameters"`
	Failure    string            `json:"failure"` // ID of a failureOption

	// click: the button, on a message or in a view. submit, close: the view.
	Channel string                       `json:"channel"`
	TS      string                       `json:"ts"`
	View    string                       `json:"view"`
	Block   string                       `json:"block"`
	Action  string                       `json:"action"`
	Values  map[string]map[string]string `json:"values"` // by block_id and action_id

	// command: what is typed after it.
	Text string `json:"text"`

	// advance: by this long, or to just past the next deadline.
	Seconds  int  `json:"seconds"`
	Deadline bool `json:"deadline"`
}

// refusal is an error whose text is shown to the visitor as it is.
type refusal struct {
	text   string
	fields []string // form fields to highlight
}

func (e *refusal) Error() string { return e.text }

func refuse(text string) error { return &refusal{text: text} }

const maxActionBytes = 64 << 10 // size limit of the JSON document

// serveAction decodes an action, performs it, and answers {} or an errorBody.
func (p *Page) serveAction(do func(context.Context, action) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			writeJSON(w, http.StatusUnsupportedMediaType, errorBody{Error: "The Content-Type must be application/json."})
			return
		}
		var a action
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxActionBytes)).Decode(&a); err != nil {
			writeJSON(w, http.StatusBadRequest, errorBody{Error: "The request body is not valid JSON for this endpoint."})
			return
		}
		err := do(r.Context(), a)
		p.wake()
		if err != nil {
			status, f := p.describeError(r.Context(), err)
			writeJSON(w, status, f)
			return
		}
		writeJSON(w, http.StatusOK, struct{}{})
	}
}

// errorBody is the answer to an action that failed.
type errorBody struct {
	Error  string   `json:"error"`
	Fields []string `json:"fields,omitempty"`
}

// describeError maps an error to a status code and a message for the visitor.
func (p *Page) describeError(ctx context.Context, err error) (status int, f errorBody) {
	var refused *refusal
	var aws *fakecfn.Error
	var input *slacktest.InputError
	switch {
	case errors.As(err, &refused) && refused.fields != nil:
		return http.StatusUnprocessableEntity, errorBody{refused.text, refused.fields}
	case refused != nil:
		return http.StatusConflict, errorBody{Error: refused.text}
	case errors.As(err, &aws):
		return http.StatusUnprocessableEntity, errorBody{aws.Code + ": " + aws.Message, fieldsNamedIn(aws.Message, p.template.Parameters())}
	case errors.As(err, &input):
		return http.StatusUnprocessableEntity, errorBody{"This field " + input.Reason + ".", []string{input.BlockID}}
	}
	for known, text := range slackRefusals {
		if errors.Is(err, known) {
			return http.StatusConflict, errorBody{Error: text}
		}
	}
	p.log.ErrorContext(ctx, "couldn't perform an action", "error", err)
	return http.StatusInternalServerError, errorBody{Error: "Something went wrong; see the program's log."}
}

// slackRefusals are the messages for the simulated Slack's errors.
var slackRefusals = map[error]string{
	slacktest.ErrDown:       "Slack is down, so its buttons do not work.",
	slacktest.ErrNoUser:     "There is no such Slack user.",
	slacktest.ErrNoChannel:  "There is no such channel.",
	slacktest.ErrNoMessage:  "This message no longer exists.",
	slacktest.ErrNoView:     "This form is no longer open.",
	slacktest.ErrNoButton:   "This button no longer exists; someone may already have decided.",
	slacktest.ErrAmbiguous:  "Several buttons have this ID.",
	slacktest.ErrNotVisible: "You cannot see this channel.",
	slacktest.ErrNotAllowed: "Slack does not allow you to do this.",
}

// writeJSON answers with a JSON document.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "Couldn't encode the response.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
