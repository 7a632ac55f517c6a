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

// signature is what Slack says of a request's body: when it was signed, and the
// HMAC-SHA256 of both. See
// https://docs.slack.dev/authentication/verifying-requests-from-slack
type signature struct {
	stamp string
	sum   []byte
}

// readSignature takes the signature from the headers. ok is false unless both
// are there once each, well-formed, and of a time near now.
func readSignature(h http.Header, now time.Time) (s signature, ok bool) {
	stamps, sums := h.Values("X-Slack-Request-Timestamp"), h.Values("X-Slack-Signature")
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

// by reports whether one of the secrets made the signature of body. It takes as
// long whichever it is.
func (s signature) by(secrets []string, body []byte) bool {
	good := false
	for _, secret := range secrets {
		if secret == "" {
			return false // whoever can leave a secret empty could sign anything
		}
		h := hmac.New(sha256.New, []byte(secret))
		h.Write([]byte("v0:" + s.stamp + ":"))
		h.Write(body)
		if hmac.Equal(h.Sum(nil), s.sum) {
			good = true
		}
	}
	return good
}

// signed reports whether Slack signed body. The error says that there are no
// secrets to tell by.
func (b *Bot) signed(ctx context.Context, h http.Header, body []byte) (bool, error) {
	s, ok := readSignature(h, b.Now())
	if !ok {
		return false, nil
	}
	secrets, err := b.secrets(ctx, false)
	if err != nil {
		return false, err
	}
	if s.by(secrets, body) {
		return true, nil
	}
	if !b.rereads.allow(b.Now()) {
		return false, nil
	}
	secrets, err = b.secrets(ctx, true)
	if err != nil {
		b.log().Error("the signing secrets cannot be read anew", "error", err)
	}
	return s.by(secrets, body), nil
}

func (b *Bot) secrets(ctx context.Context, again bool) ([]string, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	secrets, err := within(ctx, b, "read the signing secrets", func(ctx context.Context) ([]string, error) {
		return b.SigningSecrets(ctx, again)
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't verify a request: %w", err)
	}
	return secrets, nil
}

// pace lets something happen once a minute, so that forged requests cannot make
// us read secrets or write logs all the time.
type pace struct {
	mu   sync.Mutex
	last time.Time
}

func (p *pace) allow(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last.IsZero() && now.Sub(p.last) < time.Minute {
		return false
	}
	p.last = now
	return true
}
