// Package loopback protects servers on loopback ports from web pages that are open
// in the developer's browser.
package loopback

import (
	"net"
	"net/http"
	"strings"
)

// Guard rejects what other sites send to a page: DNS rebinding by the Host header,
// cross-site forms and scripts by http.CrossOriginProtection. Links to the page
// work.
func Guard(h http.Handler) http.Handler {
	h = http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			http.Error(w, "Open this page as http://127.0.0.1 or http://localhost; other host names are refused.", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// GuardAPI is Guard for a server that no browser needs: it also rejects every
// request that a web page's code, images or links cause. Browsers mark those with
// Sec-Fetch-Site or Origin, which a page can neither set nor remove. See
// https://developer.mozilla.org/en-US/docs/Glossary/Forbidden_request_header
func GuardAPI(h http.Handler) http.Handler {
	return Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "" {
			http.Error(w, "This server is for programs, not for browsers.", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	}))
}

// isLoopback reports whether a Host header names localhost or a loopback address.
func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}
