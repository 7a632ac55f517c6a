package bot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"
)

// BenchmarkSignature verifies a body of the length of a real click with two secrets.
func BenchmarkSignature(b *testing.B) {
	body := []byte("payload=" + strings.Repeat("x", 3500))
	now := time.Unix(1795342200, 0)
	mac := hmac.New(sha256.New, []byte("the current one"))
	mac.Write(append([]byte("v0:1795342200:"), body...))
	h := http.Header{
		"X-Slack-Request-Timestamp": {"1795342200"},
		"X-Slack-Signature":         {"v0=" + hex.EncodeToString(mac.Sum(nil))},
	}
	secrets := []string{"the current one", "the one before"}
	b.ReportAllocs()
	for b.Loop() {
		s, ok := readSignature(h, now)
		if !ok || !s.matches(secrets, body) {
			b.Fatal("a valid signature was refused")
		}
	}
}
