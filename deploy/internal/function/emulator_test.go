package function_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/deploy/internal/sandbox"
	"countersign/deploy/internal/testtools"
	"countersign/handle"
)

// Both functions run under AWS's Runtime Interface Emulator, which comes with SAM,
// from the cold start to the end of a launch, each in one process.
func TestApprovalUnderAWSRuntime(t *testing.T) {
	r := newFixture(t)
	bot, notifier := startRIE(t, r.bot), startRIE(t, r.notifier)
	unsigned := httptest.NewRequest(http.MethodPost, "/slack/interactivity", nil)
	unsigned.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status := r.click(unsigned, "payload=%7B%7D"); status != http.StatusUnauthorized {
		t.Errorf("an unsigned request got status %d", status)
	}
	stack, request := r.launch()
	r.clickButton(sandbox.Ann, request, handle.Approve)
	r.checkEnd(stack, "CREATE_COMPLETE", handle.Approved)
	for _, e := range []*rie{bot, notifier} {
		e.host.waitForLog("Billed Duration")
		if n := strings.Count(e.host.output(), `"message":"ready"`); n != 1 || e.events < 2 || e.host.starts > 0 {
			t.Errorf("%d events, %d processes under the emulator, %d outside it", e.events, n, e.host.starts)
		}
	}
	r.bot.waitForLog(`"message":"interaction"`, `"request":"`+request.ID+`"`)
	r.notifier.waitForLog(`"Launches":1`, `"request":"`+request.ID+`"`)
	r.checkLogsHoldNoSecret()
}

// rie is the Lambda Runtime Interface Emulator, in place of fakeLambda's Runtime API.
// See https://github.com/aws/aws-lambda-runtime-interface-emulator
type rie struct {
	host   *fakeLambda
	origin string
	events int // invocations
}

// startRIE runs h's function under the emulator, with h's environment.
func startRIE(t *testing.T, h *fakeLambda) *rie {
	t.Helper()
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	found, _ := filepath.Glob(filepath.Join(testtools.Path(t, "sam/lib"), "python3*/site-packages/samcli/local/rapid/aws-lambda-rie-"+arch)) // the pattern is good
	if len(found) != 1 {
		testtools.Missing(t, "the Runtime Interface Emulator of SAM for "+runtime.GOARCH)
	}
	events, api := freeAddress(t), freeAddress(t)
	e := &rie{host: h, origin: "http://" + events}
	cmd := exec.Command(found[0], "--runtime-interface-emulator-address", events, "--runtime-api-address", api, h.binary)
	for _, variable := range h.env {
		if !strings.HasPrefix(variable, "AWS_LAMBDA_RUNTIME_API=") { // the emulator's own
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the function is its child
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		h.collectOutput(out)
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	h.emulator = e.invoke
	return e
}

// invoke sends one event, once the emulator listens.
func (e *rie) invoke(event []byte, limit time.Duration) outcome {
	e.events++
	client := &http.Client{Timeout: limit}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := client.Post(e.origin+"/2015-03-31/functions/function/invocations", "application/json", bytes.NewReader(event))
		if errors.Is(err, syscall.ECONNREFUSED) && time.Now().Before(end) {
			continue
		}
		if err != nil {
			return outcome{failed: err.Error()}
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(res.Body, 6<<20))
		var fault struct{ ErrorType string }
		switch {
		case err != nil:
			return outcome{failed: err.Error()}
		case res.StatusCode != http.StatusOK, json.Unmarshal(answer, &fault) == nil && fault.ErrorType != "":
			return outcome{failed: fmt.Sprintf("%s: %s", res.Status, answer)}
		}
		return outcome{answer: answer}
	}
}

// freeAddress returns an unused loopback address.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
