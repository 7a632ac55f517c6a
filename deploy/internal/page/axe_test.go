package page_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"countersign/deploy/internal/testtools"
)

// axeScript returns axe-core's source. Without the peer the test is skipped, or
// fails with COUNTERSIGN_PEERS=required.
func axeScript(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(testtools.Path(t, "axe/node_modules"), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// axeLimit bounds one run of axe-core. The storybook has every message in every state.
const axeLimit = time.Minute

// axe runs all rules of axe-core on the current document and returns the
// violations. See https://github.com/dequelabs/axe-core/blob/develop/doc/API.md
func (t *tab) axe(script string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, axeLimit)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script+"\n;true")); err != nil {
		t.fatal(fmt.Sprintf("loading axe-core: %v", err))
	}
	violations, err := chromedp.Run(ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then((r) =>
		r.violations.map((v) => v.id + ": " + v.help + "\n" + v.nodes.slice(0, 3).map((n) => "  " + n.html.slice(0, 160)).join("\n")).join("\u0000"))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		t.fatal(fmt.Sprintf("running axe-core: %v", err))
	}
	if violations == "" {
		return nil
	}
	return strings.Split(violations, "\x00")
}
