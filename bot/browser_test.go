package bot_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"countersign/handle"
)

// browser is the path of a Chromium. Without one the test is skipped, or fails
// where peers are required.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("COUNTERSIGN_PEERS") == "required" {
		t.Fatal("no browser found, and peers are required: run .ci/peers")
	}
	t.Skip("no browser found: run .ci/peers to run this test")
	return ""
}

// TestPageInABrowser decides as a person does, in a real browser: its policies
// are what no other client has. A browser sends the form of a page without
// referrer from the origin "null".
func TestPageInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes a second")
	}
	chromium := browser(t)
	w := newWorld(t)
	r := w.launch()
	link := w.link(r, handle.Reject)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(chromedp.ExecPath(chromium), chromedp.NoSandbox))
	defer cancel()
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	see := func(a chromedp.Action[string]) string {
		t.Helper()
		v, err := chromedp.Run(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(w.url+link))
	height := see(chromedp.Evaluate[string](`getComputedStyle(document.querySelector("button")).minHeight`))
	trapped := see(chromedp.Evaluate[string](`String(document.querySelector(".honeypot").getBoundingClientRect().right <= 0)`))
	do(
		chromedp.SendKeys[chromedp.CSS]("#name", "Kim Lee"),
		chromedp.SendKeys[chromedp.CSS]("#code", wrongCode(link)),
		chromedp.SendKeys[chromedp.CSS]("#reason", "too dear"),
		chromedp.Click[chromedp.CSS]("button"),
		chromedp.WaitVisible[chromedp.CSS]("#code-fault"),
	)
	name := see(chromedp.Value[chromedp.CSS]("#name"))
	do(
		chromedp.SetValue[chromedp.CSS]("#code", code(link)),
		chromedp.Click[chromedp.CSS]("button"),
		chromedp.WaitNotPresent[chromedp.CSS]("form"),
	)
	heading := see(chromedp.Text[chromedp.CSS]("h1"))
	if height != "44px" || trapped != "true" {
		t.Errorf("the style: got a button of %s, and the trap out of sight: %s; want 44px and true", height, trapped)
	}
	if name != "Kim Lee" {
		t.Errorf("after a wrong code: got name %q, want what was typed", name)
	}
	if !strings.HasPrefix(heading, "Recorded: rejected by Kim Lee") {
		t.Errorf("the result: got %q", heading)
	}
	w.votes(r.ID, 1, handle.Rejected)
}
