package local

import (
	"context"
	"errors"
	"fmt"
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

// resourceDelay makes the stack's progress visible to the eye.
const resourceDelay = 1500 * time.Millisecond

// serve runs the made world with its page until ctx ends.
func (o options) serve(ctx context.Context, template *gate.Template, log *slog.Logger) (err error) {
	store, done, err := o.store()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	listener, err := listenLoopback(o.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	w, err := sandbox.New(sandbox.Config{Store: store, Delay: resourceDelay, Log: log})
	if err != nil {
		return err
	}
	defer w.Close()
	p := page.New(page.Config{World: w, Store: store, Template: template, Log: log})
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(listener) }()
	go func() { ended <- p.Run(ctx) }()
	fmt.Printf("Countersign is at http://%s/ (stop with Ctrl-C)\n", listener.Addr())
	err = <-ended
	closing, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(closing))
}

// store opens the file that keeps the requests; by default one that goes with
// the program.
func (o options) store() (*bolt.Store, func() error, error) {
	path, remove := o.Data, func() error { return nil }
	if path == "" {
		dir, err := os.MkdirTemp("", "countersign-")
		if err != nil {
			return nil, nil, fmt.Errorf("couldn't make a place for the requests: %w", err)
		}
		path, remove = filepath.Join(dir, "requests.db"), func() error { return os.RemoveAll(dir) }
	}
	store, err := bolt.Open(path)
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return store, func() error { return errors.Join(store.Close(), remove()) }, nil
}

// listenLoopback listens on addr, which must be on this machine alone: the page
// lets anybody be anybody.
func listenLoopback(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--addr must be an address with a port, such as 127.0.0.1:8080: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--addr must be on loopback, such as 127.0.0.1:%s: the page lets anybody be anybody", port)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("couldn't listen on %s; choose another with --addr: %w", addr, err)
	}
	return l, nil
}
