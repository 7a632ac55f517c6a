package page_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"countersign/deploy/internal/sandbox"
	"countersign/deploy/internal/testtools"
)

// screenshotsEnv names a directory, relative to the module's root, to which
// TestScreenshots writes the images of the documentation.
const screenshotsEnv = "COUNTERSIGN_SCREENSHOTS"

// Size limits of the images, so that pages with them load fast.
const (
	maxLocalBytes   = 400_000
	maxMessageBytes = 150_000
)

// TestScreenshots takes the screenshots of the documentation. The messages need an
// emoji font, such as Debian's fonts-noto-color-emoji.
//
//	COUNTERSIGN_SCREENSHOTS=docs/images go test ./deploy/internal/page -run TestScreenshots
func TestScreenshots(t *testing.T) {
	dir := os.Getenv(screenshotsEnv)
	if dir == "" {
		t.Skipf("%s names no directory", screenshotsEnv)
	}
	dir = filepath.Join(testtools.Root(t), dir)
	browser := startBrowser(t)
	s := newFixture(t)
	s.live()
	tab := openTab(browser, s, 1280, 900)
	s.launch(sandbox.Rita, body{"parameters": map[string]string{
		"UserEmail": "rita@example.com", "Purpose": "Orders wait here while the warehouse is offline", "Environment": "production",
	}})
	tab.become(sandbox.Ann)
	tab.sees("#slack", "Approval needed")
	tab.click("#launch-fold > summary")
	tab.is("the page is at its top", `(window.scrollTo(0, 0), document.activeElement?.blur(), true)`)
	tab.screenshot(filepath.Join(dir, "local.png"), maxLocalBytes, chromedp.CaptureScreenshot())

	tab.do(chromedp.EmulateViewport(1280, 900, chromedp.EmulateScale(2)))
	tab.is("the thread is removed", `(document.querySelectorAll("#slack .thread").forEach((el) => el.remove()), true)`)
	tab.screenshot(filepath.Join(dir, "message.png"), maxMessageBytes, chromedp.Screenshot(chromedp.CSS("#slack .message")))

	newest := func(name, words string) {
		t.Helper()
		tab.sees("#channel > .message:last-child", words)
		tab.until("the thread has begun", `document.querySelector("#channel > .message:last-child .thread")`) // its arrival renders the message anew
		tab.is("the thread is removed", `(document.querySelectorAll("#slack .thread").forEach((el) => el.remove()), true)`)
		tab.screenshot(filepath.Join(dir, name), maxMessageBytes, chromedp.Screenshot(chromedp.CSS("#channel > .message:last-child")))
	}
	s.clickButton(sandbox.Ann, "approve")
	s.do("advance", sandbox.Rita, body{"seconds": 3600})
	s.do("update", sandbox.Rita, body{"stack": s.stack().ID, "parameters": map[string]string{"RetentionDays": "14", "MaxReceives": "10"}})
	newest("update.png", "Update needs approval")

	s.do("advance", sandbox.Rita, body{"deadline": true}) // the update expires
	s.launch(sandbox.Rita, body{"name": "orders-queue-2"})
	s.do("advance", sandbox.Rita, body{"deadline": true})
	s.do("advance", sandbox.Rita, body{"seconds": 60}) // the sweep
	newest("relaunch.png", "Approve for relaunch")
	s.clickButton(sandbox.Ann, "approve")
	newest("granted.png", "Approved for relaunch")

	tab.do(chromedp.Navigate(s.url + "/storybook"))
	for name, title := range map[string]string{
		"direct.png": "Pending, question open: to the requester", "home.png": "Home after an action", "several.png": "Approve several: review",
	} {
		article := `article.example[data-title="` + title + `"]`
		tab.until(title+" is shown", `document.querySelector('`+article+`')`)
		tab.screenshot(filepath.Join(dir, name), maxMessageBytes, chromedp.Screenshot(chromedp.CSS(article+" .message")))
	}
}
