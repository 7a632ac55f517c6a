package function

import (
	"context"
	"crypto/x509"
	"net/http"

	"countersign/handle"
)

// SetStore lets a function work on another store.
func (f *Function) SetStore(s handle.Store) { f.notifier.Store = s }

// SetHandler lets the bot serve its requests with h.
func (f *Function) SetHandler(h http.Handler) { f.serve = h }

// Address returns the bot's URL for the work of ctx.
func (f *Function) Address(ctx context.Context) string { return f.address(ctx) }

// SlackClient is the client that carries the Slack token.
var SlackClient = slackClient

// Trust makes the transport trust the authorities of roots.
func (w *Transport) Trust(roots *x509.CertPool) { w.tlsConfig.RootCAs = roots }
