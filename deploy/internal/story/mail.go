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

// scan does what mail scanners do: it opens all links, runs what scripts there
// are, and submits the forms as they are.
func (t *teller) scan(ctx context.Context) error {
	for _, m := range t.world.Mail.Messages() {
		for _, link := range anyLink.FindAllString(m.Body, -1) {
			for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
				if status, _, err := browse(ctx, method, link, nil); err != nil || status != http.StatusOK {
					return fmt.Errorf("%s of a mailed link: status %d, %w", method, status, err)
				}
			}
			if status, _, err := browse(ctx, http.MethodPost, link, url.Values{}); err != nil || status == http.StatusOK {
				return fmt.Errorf("an empty form was taken: status %d, %w", status, err)
			}
		}
	}
	return nil
}

// approveByMail does what a person does.
func (t *teller) approveByMail(ctx context.Context) error {
	mails := t.world.Mail.Messages()
	if len(mails) == 0 {
		return errors.New("no mail has come")
	}
	found := approveLink.FindStringSubmatch(mails[0].Body)
	if found == nil {
		return errors.New("the mail has no link to approve by")
	}
	status, body, err := browse(ctx, http.MethodPost, found[1], url.Values{"name": {"Ann Approver"}, "code": {found[2]}})
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("the page answered %d: %s", status, body)
	}
	return nil
}

func browse(ctx context.Context, method, link string, form url.Values) (status int, page string, err error) {
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
