package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var (
	approveLink = regexp.MustCompile(`(?s)To approve.*?(http\S+)\s+Code: (\d{6})`)
	anyLink     = regexp.MustCompile(`http\S+/decide/\S+`)
)

// scanMail does what a mail scanner does: it opens each link, submits the form
// empty, and must not decide anything.
func (run *runner) scanMail(ctx context.Context) error {
	for _, m := range run.sandbox.Mail.Messages() {
		for _, link := range anyLink.FindAllString(m.Body, -1) {
			for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
				if status, _, err := sendForm(ctx, method, link, nil); err != nil || status != http.StatusOK {
					return fmt.Errorf("%s of a mailed link: status %d, %w", method, status, err)
				}
			}
			if status, _, err := sendForm(ctx, http.MethodPost, link, url.Values{}); err != nil || status == http.StatusOK {
				return fmt.Errorf("an empty form was accepted: status %d, %w", status, err)
			}
		}
	}
	return nil
}

// approveByMail follows the link in the mail and submits the form with a name and the code.
func (run *runner) approveByMail(ctx context.Context) error {
	mails := run.sandbox.Mail.Messages()
	if len(mails) == 0 {
		return errors.New("no mail was sent")
	}
	found := approveLink.FindStringSubmatch(mails[0].Body)
	if found == nil {
		return errors.New("the mail has no link to approve")
	}
	status, body, err := sendForm(ctx, http.MethodPost, found[1], url.Values{"name": {"Ann Approver"}, "code": {found[2]}})
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("the page answered %d: %s", status, body)
	}
	return nil
}

func sendForm(ctx context.Context, method, link string, form url.Values) (status int, page string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, link, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(b), err
}
