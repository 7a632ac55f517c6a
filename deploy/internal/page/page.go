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

// Config configures a Page. All fields but Log and Workspace are required.
type Config struct {
	Sandbox  *sandbox.Sandbox
	Store    handle.Store // that the functions write to
	Template *gate.Template
	Log      *slog.Logger // nil: none

	Workspace *Workspace // nil: the simulated one
}

// Page serves the page of a sandbox. Nothing happens in the sandbox, and open
// pages do not update, unless Run is running.
type Page struct {
	sandbox  *sandbox.Sandbox
	store    handle.Store
	template *gate.Template
	log      *slog.Logger

	workspace *Workspace

	handler      http.Handler
	seed         maphash.Seed
	outage       outageControl
	buttonErrors buttonErrorLog
	hub          hub
	woken        chan struct{} // capacity 1: run the sandbox now
}

// New returns a page.
func New(c Config) *Page {
	p := &Page{
		sandbox: c.Sandbox, store: c.Store, template: c.Template, log: c.Log, workspace: c.Workspace,
		seed: maphash.MakeSeed(), outage: outageControl{slack: c.Sandbox.Slack},
		hub: newHub(), woken: make(chan struct{}, 1),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if c.Workspace != nil {
		c.Workspace.adopt(c.Sandbox)
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
	for path, do := range map[string]func(context.Context, action) error{
		"launch": p.launch, "update": p.update, "cancel": p.cancel, "signal": p.signal,
		"click": p.click, "submit": p.submit, "close": p.close, "command": p.command, "home": p.home,
		"advance": p.advance, "clear": p.clear,
	} {
		mux.HandleFunc("POST /api/"+path, p.serveAction(do))
	}
	return mux
}

// serveIndex serves the complete current page, readable without the script.
func (p *Page) serveIndex(w http.ResponseWriter, r *http.Request) {
	v, err := p.view(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	writePage(w, "page", v)
}

// fail logs an internal error and answers 500.
func (p *Page) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		return // the client is gone
	}
	p.log.ErrorContext(r.Context(), "couldn't show the page", "path", r.URL.Path, "error", err)
	http.Error(w, "Couldn't render the page; see the program's log.", http.StatusInternalServerError)
}
