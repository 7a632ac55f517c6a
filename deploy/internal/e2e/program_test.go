package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"countersign/deploy/internal/testtools"
)

// program is a running peer.
type program struct {
	origin string // http://127.0.0.1:PORT
	log    *log
	cmd    *exec.Cmd
	stdin  io.Closer // closing it ends the program
	done   chan struct{}
}

// supervisor runs a program in its own process group and ends the group when
// standard input is closed, which also happens when the tests are killed. It sends
// SIGTERM, and SIGKILL two seconds later.
const supervisor = `
exec 3<&0
"$@" </dev/null 3<&- &
read -r _ <&3
trap '' TERM
kill -TERM -- -$$
for _ in {1..20}; do
  kill -0 $! 2>/dev/null || break
  sleep 0.1
done
kill -KILL -- -$$
`

// run starts a program and waits until it responds with 200 at path.
func run(origin, path string, env []string, name string, args ...string) (*program, error) {
	p, err := start(origin, env, name, args...)
	if err != nil {
		return nil, err
	}
	if err := p.answers(path, 60*time.Second); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w; output:\n%s", name, err, p.log.since(0))
	}
	return p, nil
}

func start(origin string, env []string, name string, args ...string) (*program, error) {
	cmd := exec.Command("/bin/bash", append([]string{"-c", supervisor, "supervisor", name}, args...)...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p := &program{origin: origin, log: &log{}, cmd: cmd, stdin: stdin, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.WaitDelay = 5 * time.Second // for child processes that hold the output open
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("couldn't start %s: %w", name, err)
	}
	go func() { _ = cmd.Wait(); close(p.done) }()
	return p, nil
}

// answers waits until the program responds.
func (p *program) answers(path string, wait time.Duration) error {
	client := &http.Client{Timeout: 2 * time.Second}
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		select {
		case <-p.done:
			return errors.New("the program ended")
		default:
		}
		res, err := client.Get(p.origin + path)
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("no response within %v", wait)
}

// stop ends the program and its child processes.
func (p *program) stop() {
	_ = p.stdin.Close()
	<-p.done // closed when the group has ended
}

// logOnFailure shows the program's output during the test if the test fails.
func (p *program) logOnFailure(t *testing.T) {
	t.Helper()
	from := p.log.len()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("output of %s:\n%s", p.origin, p.log.since(from))
		}
	})
}

// log collects a program's output.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// shownLog is how many bytes at the end of a log are shown.
const shownLog = 32 << 10

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Len()
}

func (l *log) since(from int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf.Bytes()[max(from, l.buf.Len()-shownLog):])
}

// freePort returns an unused loopback port.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// environment returns a minimal environment, so that programs never use the AWS
// credentials of the person who runs the tests.
func environment(home string, more ...string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		"AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1,localhost",
	}
	return append(env, more...)
}

// build builds the program of a package.
func build(t *testing.T, program, of string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, of)
	cmd.Dir = testtools.Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("couldn't build %s: %v\n%s", of, err, output)
	}
}
