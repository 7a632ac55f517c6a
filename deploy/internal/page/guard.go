package page

import (
	"net/http"

	"countersign/deploy/internal/loopback"
)

// policy is the Content-Security-Policy: resources from this server only, no
// inline scripts or styles, no framing.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// guard rejects requests from other sites, and tells the browser what the page may
// load.
func guard(h http.Handler) http.Handler {
	return loopback.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.ServeHTTP(w, r)
	}))
}
