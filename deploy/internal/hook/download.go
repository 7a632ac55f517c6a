package hook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxTemplate is CloudFormation's limit in bytes. See
	// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
	maxTemplate = 1 << 20
	// maxPayload is the largest payload that is read: two templates as JSON texts, with
	// every byte escaped.
	maxPayload = 2*6*maxTemplate + 1<<10

	downloadTime = 10 * time.Second
)

// download returns the template of a stack from the payload's URL. Its errors do not
// quote the URL, which gives access.
func (f *Function) download(ctx context.Context, payload string, s stack) (string, error) {
	u, err := url.Parse(payload)
	if err != nil || u.Scheme != "https" || u.User != nil || !s.hasBucketHost(u.Host) {
		return "", errors.New("the event's payload is not an https URL of S3 in the stack's Region")
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, payload, nil)
	if err != nil {
		return "", errors.New("the event's payload is not a URL")
	}
	direct := *f.Client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := direct.Do(req)
	if err != nil {
		if quoted := (*url.Error)(nil); errors.As(err, &quoted) {
			err = quoted.Err
		}
		return "", fmt.Errorf("couldn't download it: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("couldn't download it: S3 answered with HTTP status %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxPayload+1))
	if err != nil {
		return "", fmt.Errorf("couldn't download it: %w", err)
	}
	if len(text) > maxPayload {
		return "", fmt.Errorf("the payload has more than %d bytes", maxPayload)
	}
	var templates struct {
		Template         string `json:"template"`
		PreviousTemplate string `json:"previousTemplate"`
	}
	if json.Unmarshal(text, &templates) != nil {
		return "", errors.New("the payload is not JSON as CloudFormation documents it")
	}
	// An update that keeps its template may name only the previous one.
	template := cmp.Or(templates.Template, templates.PreviousTemplate)
	switch {
	case template == "":
		return "", errors.New("the payload has no template")
	case len(template) > maxTemplate:
		return "", fmt.Errorf("it has more than %d bytes", maxTemplate)
	}
	return template, nil
}

// hasBucketHost reports whether host is S3's in the stack's Region, with or without a
// bucket in front of it.
func (s stack) hasBucketHost(host string) bool {
	endings := []string{"s3." + s.region, "s3-" + s.region, "s3.dualstack." + s.region}
	if s.region == "us-east-1" {
		endings = append(endings, "s3")
	}
	for _, ending := range endings {
		ending += "." + s.bucketSuffix()
		if host == ending || strings.HasSuffix(host, "."+ending) {
			return true
		}
	}
	return false
}
