package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/page"
	"countersign/deploy/internal/sandbox"
	"countersign/handle/bolt"
)

// resourceDelay is how long each simulated resource takes, so that people can
// follow a stack's progress on the page.
const resourceDelay = 1500 * time.Millisecond

// serve runs the simulation and its page until ctx ends.
func (c Command) serve(ctx context.Context, w io.Writer, template *gate.Template, log *slog.Logger) (err error) {
	var slack *workspace
	if c.Slack {
		if slack, err = c.check(ctx, log); err != nil {
			return err
		}
	}
	store, done, err := c.store()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	listener, err := listenLoopback(c.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	config := sandbox.Config{Store: store, Delay: resourceDelay, Log: log}
	if slack != nil {
		config.Workspace = &slack.Workspace
	} else {
		config.Defaults = sandbox.EveryAction
	}
	sim, err := sandbox.New(config)
	if err != nil {
		return err
	}
	defer sim.Close()
	look := page.Config{Sandbox: sim, Store: store, Template: template, Log: log}
	if slack != nil {
		look.Workspace = &page.Workspace{Name: slack.name, URL: slack.url, Requester: page.Person{Name: slack.requester.RealName, Email: c.Requester}}
	}
	p := page.New(look)
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	ended := make(chan error, 3)
	go func() { ended <- server.Serve(listener) }()
	go func() { ended <- p.Run(ctx) }()
	if slack != nil {
		slack.client.Bot, slack.client.Now = sim.Functions.Bot, sim.Clock.Now
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { ended <- slack.client.Run(ctx) }()
		slack.announce(w)
	}
	fmt.Fprintf(w, "Countersign is at http://%s/ (stop with Ctrl-C)\n", listener.Addr())
	err = <-ended
	closing, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(closing))
}

// store opens the file that keeps the requests. The default is a temporary file,
// which the returned function removes.
func (c Command) store() (*bolt.Store, func() error, error) {
	path, remove := c.Data, func() error { return nil }
	if path == "" {
		dir, err := os.MkdirTemp("", "countersign-")
		if err != nil {
			return nil, nil, fmt.Errorf("couldn't create a temporary folder for the requests: %w", err)
		}
		path, remove = filepath.Join(dir, "requests.db"), func() error { return os.RemoveAll(dir) }
	}
	store, err := bolt.Open(path)
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return store, func() error { return errors.Join(store.Close(), remove()) }, nil
}

// listenLoopback listens on addr, which must be a loopback address: the page has
// no sign-in and lets its reader act as anyone.
func listenLoopback(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--addr must be an address with a port, such as 127.0.0.1:8080: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--addr must be on loopback, such as 127.0.0.1:%s: the page has no sign-in", port)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("couldn't listen on %s; choose another with --addr: %w", addr, err)
	}
	return l, nil
}
