package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/testtools"
	"countersign/handle"
)

const (
	waitBucket = "cloudformation-waitcondition-" + region
	waitDomain = "s3." + region + ".amazonaws.com"
	gatedStack = "arn:aws:cloudformation:" + region + ":" + account + ":stack/SC-" + account + "-pp-presigned/5f0c2c40-1600-11f1-9d8e-0e1a2b3c4d5e"
	waitKey    = gatedStack + "/5f0c2c41-1600-11f1-9d8e-0e1a2b3c4d5e/ApprovalHandle"
)

// Signals are accepted at a wait URL pre-signed as CloudFormation does. The server is
// versitygw, which verifies signatures like S3.
func TestSignalToS3(t *testing.T) {
	s3 := startS3(t)
	client := &http.Client{Transport: resolver{s3.origin}}
	approved := handle.SignalBody{Status: handle.SignalSuccess, Reason: "Approved by Ann Approver <&> “quoted”", UniqueID: "approved-r1", Data: "r1"}
	for _, c := range []struct {
		name   string
		signed time.Duration // ago
		change func(string) string
		header []string // signed, but not sent by us
		want   handle.SendResult
	}{
		{name: "unchanged", want: handle.Delivered},
		{name: "shortly before expiry", signed: 11 * time.Hour, want: handle.Delivered},
		{name: "expired", signed: 12*time.Hour + time.Minute, want: handle.Retry},
		{name: "with a changed expiry", signed: 12*time.Hour + time.Minute, change: change("X-Amz-Expires=43199", "X-Amz-Expires=86399"), want: handle.Retry},
		{name: "of a different handle", change: change("/ApprovalHandle?", "/OtherHandle?"), want: handle.Retry},
		{name: "with a changed signature", change: change("X-Amz-Signature=", "X-Amz-Signature=0"), want: handle.Retry},
		{name: "with an additional signed header", header: []string{"X-Amz-Meta-Other"}, want: handle.Retry},
	} {
		t.Run(c.name, func(t *testing.T) {
			stored := filepath.Join(s3.files, waitBucket, filepath.FromSlash(waitKey))
			if err := os.RemoveAll(filepath.Dir(stored)); err != nil {
				t.Fatal(err)
			}
			signedAt := time.Now().Add(-c.signed)
			raw := presign(t, signedAt, c.header...)
			if c.change != nil {
				raw = c.change(raw)
			}
			u, err := handle.ParseWaitURL(raw, gatedStack, nil, signedAt)
			if err != nil {
				t.Fatalf("the wait URL is rejected: %v", err)
			}
			outcome, err := handle.SendSignal(t.Context(), client, u, approved)
			if outcome != c.want {
				t.Fatalf("got %v, want %v: %v", outcome, c.want, err)
			}
			if err != nil && (strings.Contains(err.Error(), "amazonaws") || !strings.Contains(err.Error(), "403")) {
				t.Errorf("the error quotes the URL or lacks the status: %v", err)
			}
			got, err := os.ReadFile(stored)
			if c.want != handle.Delivered {
				if err == nil {
					t.Errorf("the signal was stored: %s", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var body handle.SignalBody
			if err := json.Unmarshal(got, &body); err != nil {
				t.Fatalf("%s: %v", got, err)
			}
			if diff := cmp.Diff(approved, body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func change(what, into string) func(string) string {
	return func(s string) string { return strings.Replace(s, what, into, 1) }
}

// presign returns a wait URL as CloudFormation creates it: valid for 12 hours less a
// second, with only the host header signed. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func presign(t *testing.T, at time.Time, header ...string) string {
	t.Helper()
	escaped := strings.NewReplacer(":", "%3A", "/", "%2F").Replace
	target := "https://" + waitBucket + "." + waitDomain
	for _, segment := range strings.Split(waitKey, "/") {
		target += "/" + escaped(segment)
	}
	req, err := http.NewRequest(http.MethodPut, target+"?X-Amz-Expires="+strconv.Itoa(12*3600-1), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range header {
		req.Header.Set(name, "signed")
	}
	keys := aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	signed, _, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).
		PresignHTTP(t.Context(), keys, req, "UNSIGNED-PAYLOAD", "s3", region, at)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// s3 is a versitygw with CloudFormation's bucket.
type s3 struct {
	*program
	files string // directory of the buckets
}

func startS3(t *testing.T) s3 {
	t.Helper()
	path := testtools.Path(t, "versitygw/bin/versitygw")
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	files := filepath.Join(home, "buckets")
	if err := os.MkdirAll(filepath.Join(files, waitBucket), 0o755); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	p, err := run("http://"+address, "/health", environment(home), path,
		"--port", address, "--health", "/health", "--access", "test", "--secret", "test", "--region", region, "--virtual-domain", waitDomain,
		"posix", "--nometa", files)
	if err != nil {
		t.Fatalf("couldn't start versitygw: %v", err)
	}
	t.Cleanup(p.stop)
	p.logOnFailure(t)
	checkLoopback(t, p)
	return s3{p, files}
}
