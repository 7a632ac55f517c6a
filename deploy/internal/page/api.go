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

// act is what a visitor does: a JSON document that says as whom, and what the
// act needs of the rest.
type act struct {
	As    string `json:"as"`    // Slack user ID
	Stack string `json:"stack"` // of cancel and signal: the stack's ID

	// Of launch.
	Name       string            `json:"name"`
	Parameters map[string]string `json:"parameters"`
	Mishap     string            `json:"mishap"`

	// Of press: the button, on a message or in a view. Of submit and close: the
	// view.
	Channel string                       `json:"channel"`
	TS      string                       `json:"ts"`
	View    string                       `json:"view"`
	Block   string                       `json:"block"`
	Action  string                       `json:"action"`
	Values  map[string]map[string]string `json:"values"` // by block_id and action_id

	// Of advance: for so long, or to just past the next deadline.
	Seconds  int  `json:"seconds"`
	Deadline bool `json:"deadline"`
}

// refusal is why an act came to nothing, in a sentence for whoever acted.
type refusal struct {
	text   string
	fields []string // the fields of the form that it is about
}

func (e *refusal) Error() string { return e.text }

func refuse(text string) error { return &refusal{text: text} }

const maxAct = 64 << 10 // bytes

// serveAct reads an act, does it, and answers {} or {"error": a sentence}.
func (p *Page) serveAct(do func(context.Context, act) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			answer(w, http.StatusUnsupportedMediaType, fault{Error: "Send JSON."})
			return
		}
		var a act
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAct)).Decode(&a); err != nil {
			answer(w, http.StatusBadRequest, fault{Error: "That is no JSON document that this page sends."})
			return
		}
		err := do(r.Context(), a)
		p.wake()
		if err != nil {
			status, f := p.sentence(r.Context(), err)
			answer(w, status, f)
			return
		}
		answer(w, http.StatusOK, struct{}{})
	}
}

// fault is the answer to an act that came to nothing.
type fault struct {
	Error  string   `json:"error"`
	Fields []string `json:"fields,omitempty"`
}

// sentence words an error for whoever acted.
func (p *Page) sentence(ctx context.Context, err error) (status int, f fault) {
	var refused *refusal
	var aws *fakecfn.Error
	var input *slacktest.InputError
	switch {
	case errors.As(err, &refused) && refused.fields != nil:
		return http.StatusUnprocessableEntity, fault{refused.text, refused.fields}
	case refused != nil:
		return http.StatusConflict, fault{Error: refused.text}
	case errors.As(err, &aws):
		return http.StatusUnprocessableEntity, fault{aws.Code + ": " + aws.Message, accused(aws.Message, p.template.Parameters())}
	case errors.As(err, &input):
		return http.StatusUnprocessableEntity, fault{"This field " + input.Reason + ".", []string{input.BlockID}}
	}
	for known, text := range slackRefusals {
		if errors.Is(err, known) {
			return http.StatusConflict, fault{Error: text}
		}
	}
	p.log.ErrorContext(ctx, "an act came to nothing", "error", err)
	return http.StatusInternalServerError, fault{Error: "That did not work; the log of the program says why."}
}

// slackRefusals words why Slack lets somebody not do something.
var slackRefusals = map[error]string{
	slacktest.ErrDown:       "Slack is down: nobody can press anything there.",
	slacktest.ErrNoUser:     "Slack knows nobody of that name.",
	slacktest.ErrNoChannel:  "There is no such channel.",
	slacktest.ErrNoMessage:  "That message is no longer there.",
	slacktest.ErrNoView:     "That form is no longer open.",
	slacktest.ErrNoButton:   "That button is no longer there: somebody was faster.",
	slacktest.ErrAmbiguous:  "Several buttons have that name.",
	slacktest.ErrNotVisible: "You cannot see that channel.",
	slacktest.ErrNotAllowed: "Slack does not let you do that.",
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "The answer could not be written.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // whoever left does not need it
}
