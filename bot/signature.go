package bot

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const maxSkew = 300 // seconds between Slack's clock and ours

const (
	headerStamp     = "X-Slack-Request-Timestamp"
	headerSignature = "X-Slack-Signature"
)

// signature is Slack's signature of a request: when it was signed, and the
// HMAC-SHA256 of that time and the body. See
// https://docs.slack.dev/authentication/verifying-requests-from-slack
type signature struct {
	stamp string
	sum   []byte
}

// readSignature reads the signature from the headers. ok is false unless each
// appears once, is well-formed, and the time is within five minutes of now.
func readSignature(h http.Header, now time.Time) (s signature, ok bool) {
	stamps, sums := h.Values(headerStamp), h.Values(headerSignature)
	if len(stamps) != 1 || len(sums) != 1 {
		return s, false
	}
	s.stamp = stamps[0]
	if s.stamp == "" || len(s.stamp) > 12 || strings.Trim(s.stamp, "0123456789") != "" {
		return s, false
	}
	seconds, err := strconv.ParseInt(s.stamp, 10, 64)
	if skew := now.Unix() - seconds; err != nil || skew > maxSkew || skew < -maxSkew {
		return s, false
	}
	digits, v0 := strings.CutPrefix(sums[0], "v0=")
	s.sum, err = hex.DecodeString(digits)
	return s, v0 && err == nil && len(s.sum) == sha256.Size
}

// matches reports whether one of the secrets made the signature of body, in time
// that does not depend on which.
func (s signature) matches(secrets []string, body []byte) bool {
	good := false
	for _, secret := range secrets {
		if secret == "" {
			return false // anyone can sign with an empty secret
		}
		if hmac.Equal(sumOf(secret, s.stamp, body), s.sum) {
			good = true
		}
	}
	return good
}

// sumOf returns the HMAC-SHA256 that Slack's signature of a body has.
func sumOf(secret, stamp string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("v0:" + stamp + ":"))
	h.Write(body)
	return h.Sum(nil)
}

// Sign sets the headers that sign a request to the bot as Slack does at that time. The
// doctor and the local run send such requests.
func Sign(h http.Header, secret string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h.Set(headerStamp, stamp)
	h.Set(headerSignature, "v0="+hex.EncodeToString(sumOf(secret, stamp, body)))
}

// signed reports whether Slack signed body. It returns an error if the secrets
// could not be read.
func (b *Bot) signed(ctx context.Context, h http.Header, body []byte) (bool, error) {
	s, ok := readSignature(h, b.Now())
	if !ok {
		return false, nil
	}
	secrets, err := b.secrets(ctx, false)
	if err != nil {
		return false, err
	}
	if s.matches(secrets, body) {
		return true, nil
	}
	if !b.secretRereads.allow(b.Now()) {
		return false, nil
	}
	secrets, err = b.secrets(ctx, true)
	if err != nil {
		b.log().Error("couldn't read the signing secrets again", "error", err)
	}
	return s.matches(secrets, body), nil
}

func (b *Bot) secrets(ctx context.Context, again bool) ([]string, error) {
	ctx, cancel := b.callTimeout(ctx)
	defer cancel()
	secrets, err := within(ctx, b, "read the signing secrets", func(ctx context.Context) ([]string, error) {
		return b.SigningSecrets(ctx, again)
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't verify a request: %w", err)
	}
	return secrets, nil
}

// rateLimit allows something once a minute, so that forged requests cannot make
// the bot read secrets or write logs without end.
type rateLimit struct {
	mu   sync.Mutex
	last time.Time
}

func (p *rateLimit) allow(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last.IsZero() && now.Sub(p.last) < time.Minute {
		return false
	}
	p.last = now
	return true
}
