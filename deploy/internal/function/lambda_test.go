package function_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeLambda runs a function as Lambda does: as a process that takes events from the
// Runtime API, one at a time, and is restarted after it ends or times out. See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type fakeLambda struct {
	t        testing.TB
	binary   string
	env      []string
	server   *httptest.Server
	invoking sync.Mutex // held during an invocation

	emulator func(event []byte, limit time.Duration) outcome // optional: replaces this Lambda

	mu       sync.Mutex
	process  *process
	running  map[string]*invocation
	starts   int
	events   int      // invocations
	lines    []string // of output, including earlier processes
	initFail int
}

type process struct {
	cmd   *exec.Cmd
	began time.Time
	next  chan *invocation // for this process, not for one that is ending
	ended chan struct{}
}

type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	done     chan outcome
}

// outcome is the result of an invocation.
type outcome struct {
	answer []byte
	failed string // the error document, or empty
}

const hostARN = "arn:aws:lambda:us-east-1:111122223333:function:"

// newFakeLambda runs the bootstrap at binary. Its environment is env and what Lambda
// sets.
func newFakeLambda(t testing.TB, name, binary string, env ...string) *fakeLambda {
	t.Helper()
	h := &fakeLambda{t: t, binary: binary, running: map[string]*invocation{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", h.serveNext(name))
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", h.serveAnswer)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", h.serveAnswer)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, _ *http.Request) {
		h.mu.Lock()
		h.initFail++
		h.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	})
	h.server = httptest.NewServer(mux)
	h.env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(h.server.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=" + name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_LOG_FORMAT=JSON",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=ASIAMADE", "AWS_SECRET_ACCESS_KEY=made-secret-access-key", "AWS_SESSION_TOKEN=made-session-token",
		"LAMBDA_TASK_ROOT=/var/task", "TZ=:UTC", "GOTRACEBACK=single",
	}, env...)
	t.Cleanup(h.close)
	return h
}

func (h *fakeLambda) serveNext(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		next := h.process.next
		h.mu.Unlock()
		select {
		case <-r.Context().Done():
		case i := <-next:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", hostARN+name)
			w.Header().Set("Lambda-Runtime-Trace-Id", "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c;Sampled=0")
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(i.event)
		}
	}
}

func (h *fakeLambda) serveAnswer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	i := h.running[r.PathValue("id")]
	delete(h.running, r.PathValue("id"))
	h.mu.Unlock()
	if err != nil || i == nil {
		h.t.Errorf("the runtime responded to an unknown invocation: %v", err)
		http.Error(w, "unknown", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	if strings.HasSuffix(r.URL.Path, "/error") {
		i.done <- outcome{failed: string(body)}
		return
	}
	i.done <- outcome{answer: body}
}

const timedOut = "Task timed out"

// invoke runs the function with one event and a timeout.
func (h *fakeLambda) invoke(event []byte, limit time.Duration) outcome {
	h.invoking.Lock()
	defer h.invoking.Unlock()
	h.events++
	if h.emulator != nil {
		return h.emulator(event, limit)
	}
	p := h.ensureProcess()
	i := &invocation{id: newRequestID(), event: event, deadline: time.Now().Add(limit), done: make(chan outcome, 1)}
	h.mu.Lock()
	h.running[i.id] = i
	h.mu.Unlock()
	timeout := time.After(limit + 10*time.Second) // plus Lambda's limit for starting
	next := p.next
	for {
		select {
		case next <- i:
			next = nil
			timeout = time.After(time.Until(i.deadline))
		case o := <-i.done:
			return o
		case <-p.ended:
			select {
			case o := <-i.done: // it responded, then ended
				return o
			default:
			}
			return h.forget(i, "Runtime exited")
		case <-timeout:
			h.stop(p)
			return h.forget(i, timedOut)
		}
	}
}

func (h *fakeLambda) forget(i *invocation, why string) outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, i.id)
	return outcome{failed: why}
}

var requestIDs = struct {
	sync.Mutex
	n int
}{}

func newRequestID() string {
	requestIDs.Lock()
	defer requestIDs.Unlock()
	requestIDs.n++
	return fmt.Sprintf("8476a536-e9f4-11e8-9739-%012d", requestIDs.n)
}

// ensureProcess returns the running process, and starts one if there is none.
func (h *fakeLambda) ensureProcess() *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process != nil {
		select {
		case <-h.process.ended:
		default:
			return h.process
		}
	}
	cmd := exec.Command(h.binary)
	cmd.Env = h.env
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	p := &process{cmd: cmd, began: time.Now(), next: make(chan *invocation), ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.process, h.starts = p, h.starts+1
	go func() {
		h.collectOutput(out)
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p
}

// collectOutput collects the output of a process until it ends.
func (h *fakeLambda) collectOutput(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		h.mu.Lock()
		h.lines = append(h.lines, lines.Text())
		h.mu.Unlock()
	}
}

func (h *fakeLambda) stop(p *process) {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (h *fakeLambda) close() {
	h.mu.Lock()
	p := h.process
	h.mu.Unlock()
	if p != nil {
		h.stop(p)
	}
	h.server.CloseClientConnections()
	h.server.Close()
}

// output is the output so far.
func (h *fakeLambda) output() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines, "\n") + "\n"
}

// waitForLog waits up to 5 s for a line of output that contains all of what.
func (h *fakeLambda) waitForLog(what ...string) string {
	h.t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		for line := range strings.SplitSeq(h.output(), "\n") {
			missing := false
			for _, text := range what {
				missing = missing || !strings.Contains(line, text)
			}
			if !missing {
				return line
			}
		}
		if time.Now().After(end) {
			h.t.Fatalf("no line has %q:\n%s", what, h.output())
		}
	}
}

// residentBytes returns the resident memory of the process, now and at its peak, in bytes.
func (h *fakeLambda) residentBytes() (now, most int) {
	h.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.process.cmd.Process.Pid))
	if err != nil {
		h.t.Fatal(err)
	}
	read := func(name string) int {
		_, rest, _ := bytes.Cut(text, []byte(name+":"))
		n, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
		if err != nil {
			h.t.Fatal(err)
		}
		return n << 10
	}
	return read("VmRSS"), read("VmHWM")
}

// The binaries are built once for all tests, by the command that builds them for
// AWS, for this machine's architecture.
var binaries = sync.OnceValue(func() (err error) {
	if folder, err = os.MkdirTemp("", "countersign-functions-"); err != nil {
		return err
	}
	for _, name := range []string{"bot", "notifier", "hook"} {
		out, err := exec.Command("go", "run", "countersign/deploy/internal/build", "--bare", "--only", name, "--arch", runtime.GOARCH, "--out", filepath.Join(folder, name)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
})

// binary is the bootstrap of a function.
func binary(t testing.TB, name string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the functions are built for Linux")
	}
	if err := binaries(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, name, "bootstrap")
}

// folder is where the binaries are; empty until they are built.
var folder string

func TestMain(m *testing.M) {
	if role := os.Getenv(asFunction); role != "" {
		runAsFunction(role)
		return
	}
	code := m.Run()
	if folder != "" {
		_ = os.RemoveAll(folder)
	}
	os.Exit(code)
}
