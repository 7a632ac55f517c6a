package slacktest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"countersign/bot/slacktest"
)

// verify is an independent implementation of
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func verify(h http.Header, body []byte, now time.Time) error {
	stamp := h.Get("X-Slack-Request-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("no timestamp: %w", err)
	}
	if d := now.Unix() - seconds; d > 300 || d < -300 {
		return fmt.Errorf("the timestamp is %d s off", d)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	want := "v0=" + hex.EncodeToString(mac.Sum(nil))
	if !hmac.Equal([]byte(want), []byte(h.Get("X-Slack-Signature"))) {
		return errors.New("the signature does not match")
	}
	return nil
}

// The example of that page.
func TestSignPublishedVector(t *testing.T) {
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V" +
		"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=" +
		"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
		"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	at := time.Unix(1531420618, 0)
	got := slacktest.Sign(secret, at, []byte(body))
	if want := "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"; got != want {
		t.Errorf("signature: got %s, want %s", got, want)
	}
	h := http.Header{"X-Slack-Request-Timestamp": {"1531420618"}, "X-Slack-Signature": {got}}
	if err := verify(h, []byte(body), at); err != nil {
		t.Errorf("verifying the published vector: %v", err)
	}
	if err := verify(h, []byte(body+"x"), at); err == nil {
		t.Error("a changed body verifies")
	}
}
