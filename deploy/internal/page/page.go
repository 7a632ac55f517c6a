package page

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/http"

	"countersign/deploy/gate"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// Config says what the page is of. All fields but Log must be set.
type Config struct {
	World    *sandbox.Sandbox
	Store    handle.Store // what the functions write to
	Template *gate.Template
	Log      *slog.Logger // nil: none
}

// Page serves the page of a made world. Somebody must call Run, or the world
// stands still and the page with it.
type Page struct {
	world    *sandbox.Sandbox
	store    handle.Store
	template *gate.Template
	log      *slog.Logger

	handler http.Handler
	seed    maphash.Seed
	sky     sky
	failed  failureLog
	stage   stage
	woken   chan struct{} // holds one wake-up for the world
}

// New makes the page.
func New(c Config) *Page {
	p := &Page{
		world: c.World, store: c.Store, template: c.Template, log: c.Log,
		seed: maphash.MakeSeed(), sky: sky{slack: c.World.Slack},
		stage: newStage(), woken: make(chan struct{}, 1),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.handler = guard(p.routes())
	return p
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Page) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.serveIndex)
	mux.HandleFunc("GET /storybook", serveStorybook)
	mux.Handle("GET /static/{file}", serveAssets())
	mux.HandleFunc("GET /api/state", p.serveState)
	mux.HandleFunc("GET /api/live", p.serveLive)
	for path, act := range map[string]func(context.Context, act) error{
		"launch": p.launch, "cancel": p.cancel, "signal": p.signal,
		"press": p.press, "submit": p.submit, "close": p.close,
		"advance": p.advance, "clear": p.clear,
	} {
		mux.HandleFunc("POST /api/"+path, p.serveAct(act))
	}
	return mux
}

// serveIndex serves the page as it now is: it can be read before any script has
// run.
func (p *Page) serveIndex(w http.ResponseWriter, r *http.Request) {
	v, err := p.view(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	write(w, "page", v)
}

// fail answers what went wrong on our side.
func (p *Page) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		return // nobody is left to be told
	}
	p.log.ErrorContext(r.Context(), "couldn't show the page", "path", r.URL.Path, "error", err)
	http.Error(w, "The page could not be drawn; the log of the program says why.", http.StatusInternalServerError)
}
