package page_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"countersign/deploy/internal/sandbox"
	"countersign/deploy/internal/testtools"
)

// tab is one browser tab on the page.
type tab struct {
	*fixture
	ctx context.Context
}

// waitLimit bounds every wait in a tab.
const waitLimit = 15 * time.Second

// startBrowser starts a browser in which tests open tabs. Without one installed the
// test is skipped, or fails with COUNTERSIGN_PEERS=required.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("browser tests are slow")
	}
	path := testtools.Browser(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-US"),
	)
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	browser, stopBrowser := chromedp.NewContext(allocated)
	t.Cleanup(stopBrowser)
	if err := chromedp.Do(browser); err != nil { // no deadline: it would also end the browser
		t.Fatalf("couldn't start %s: %v", path, err)
	}
	return browser
}

// openTab opens a tab on the page of s.
func openTab(browser context.Context, s *fixture, width, height int64) *tab {
	s.Helper()
	ctx, closeTab := chromedp.NewContext(browser)
	s.Cleanup(closeTab)
	t := &tab{s, ctx}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		s.Fatalf("couldn't open a tab: %v", err)
	}
	// Every tab behaves as if it had the focus.
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		s.Fatal(err)
	}
	t.colorScheme("light")
	t.collectErrors()
	t.do(chromedp.Navigate(s.url))
	return t
}

// colorScheme sets the preferred color scheme, light or dark, and turns animations off.
func (t *tab) colorScheme(scheme string) {
	t.Helper()
	_, err := chromedp.Call(t.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// collectErrors fails the test for errors of the page's script and violations of
// its policy. It ignores network errors, because tests provoke refused actions.
func (t *tab) collectErrors() {
	messages := chromedp.Console(t.ctx)
	done := make(chan struct{})
	var errors []string
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			if (m.IsException() || m.Type == "error") && m.Source != "network" {
				errors = append(errors, m.String())
			}
		}
	}()
	t.Cleanup(func() {
		_ = chromedp.Cancel(t.ctx) // ends the messages
		<-done
		for _, e := range errors {
			t.Errorf("browser error: %s", e)
		}
	})
}

// do runs steps in the tab.
func (t *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, waitLimit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.fatal(err)
	}
}

// fatal ends the test. It first writes a screenshot of the tab to the file named by
// COUNTERSIGN_FAILURE_SCREENSHOT, if set.
func (t *tab) fatal(why any) {
	t.Helper()
	if path := os.Getenv("COUNTERSIGN_FAILURE_SCREENSHOT"); path != "" {
		if shot, err := chromedp.Run(t.ctx, chromedp.FullScreenshot(90)); err == nil {
			_ = os.WriteFile(path, shot, 0o600)
		}
	}
	t.Fatal(why)
}

func (t *tab) click(selector string) {
	t.Helper()
	t.do(chromedp.Click(chromedp.CSS(selector)))
}

// become switches to another person.
func (t *tab) become(id string) {
	t.Helper()
	t.click(fmt.Sprintf(`label.person:has(input[value=%q])`, id))
	t.until("the page is viewed as "+id, fmt.Sprintf(`document.querySelector("#slack .bar").textContent.includes("viewed as %s")`, shortName(id)))
}

func shortName(id string) string {
	return map[string]string{
		sandbox.Rita: "Rita", sandbox.Ann: "Ann", sandbox.Bob: "Bob", sandbox.Dan: "Dan", sandbox.Gwen: "Gwen", sandbox.Olga: "Olga",
	}[id]
}

// until waits until a JavaScript condition holds.
func (t *tab) until(what, condition string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, waitLimit)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool]("!!("+condition+")", chromedp.WithPollingInterval(20*time.Millisecond))); err != nil {
		t.fatal(fmt.Sprintf("waiting until %s: %v", what, err))
	}
}

// sees waits until an element shows a text.
func (t *tab) sees(selector, text string) {
	t.Helper()
	t.until(fmt.Sprintf("%s shows %q", selector, text),
		fmt.Sprintf(`[...document.querySelectorAll(%q)].some((el) => el.checkVisibility() && el.innerText.includes(%q))`, selector, text))
}

// is checks that a JavaScript condition holds now.
func (t *tab) is(what, condition string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, waitLimit)
	defer cancel()
	holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+condition+")"))
	if err != nil {
		t.fatal(fmt.Sprintf("checking that %s: %v", what, err))
	}
	if !holds {
		t.Errorf("not true: %s", what)
	}
}

// fits checks that the page does not scroll horizontally.
func (t *tab) fits(when string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, waitLimit)
	defer cancel()
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
		const root = document.documentElement;
		if (root.scrollWidth <= root.clientWidth) return "";
		return [...document.querySelectorAll("body *")].filter((el) => el.getBoundingClientRect().right > root.clientWidth + 1)
			.slice(0, 3).map((el) => el.outerHTML.slice(0, 120)).join("\n");
	})()`))
	if err != nil {
		t.fatal(err)
	}
	if wide != "" {
		t.Errorf("%s the page scrolls horizontally:\n%s", when, wide)
	}
}

// hidesWaitURL checks that no wait URL is in the panes that people other than the
// requester can read.
func (t *tab) hidesWaitURL(when string) {
	t.Helper()
	for _, pane := range []string{"slack", "mail", "record", "modal"} {
		ctx, cancel := context.WithTimeout(t.ctx, waitLimit)
		rendered, err := chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("#"+pane)))
		cancel()
		if err != nil {
			t.fatal(err)
		}
		if strings.Contains(rendered, "X-Amz-") || strings.Contains(rendered, "/ApprovalHandle?") {
			t.Errorf("%s the pane %s shows the wait URL", when, pane)
		}
	}
}

// screenshot takes a screenshot and writes it to path. It may have up to most bytes.
func (t *tab) screenshot(path string, most int, take chromedp.Action[[]byte]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, waitLimit)
	defer cancel()
	shot, err := chromedp.Run(ctx, take)
	if err != nil {
		t.fatal(err)
	}
	shot, err = compress(shot)
	if err != nil {
		t.fatal(err)
	}
	if len(shot) > most {
		t.Errorf("%s has %d bytes, more than %d", path, len(shot), most)
	}
	if err := os.WriteFile(path, shot, 0o644); err != nil {
		t.Error(err)
	}
}

// compress re-encodes a PNG with a palette of its 256 most frequent colors, which
// text and plain backgrounds hardly exceed.
func compress(shot []byte) ([]byte, error) {
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return nil, err
	}
	count := map[color.Color]int{}
	bounds := img.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[img.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	reduced := image.NewPaletted(bounds, colors[:min(len(colors), 256)])
	draw.Draw(reduced, bounds, img, bounds.Min, draw.Src)
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, reduced)
	return b.Bytes(), err
}
