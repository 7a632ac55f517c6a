package localfn

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"countersign/deploy/internal/loopback"
	"countersign/handle"
	"countersign/handle/bolt"
)

// A child is a separate process that runs the functions over a bolt file, so that
// tests can kill it.
//
// The parent starts its own program with ChildVariable set to the JSON of
// ChildConfig, and reads one line of JSON, the ChildAddress, from its output.

// ChildConfig configures a child.
type ChildConfig struct {
	Functions   Config
	Data        string        // the bolt file
	ClockOffset time.Duration // how far the sandbox's clock is ahead of the real one
}

// ChildAddress holds the URLs at which a child serves.
type ChildAddress struct{ Bot, Invoke string }

// ChildVariable is the environment variable that makes a process a child.
const ChildVariable = "COUNTERSIGN_LOCAL_FUNCTIONS"

// IsChild reports whether this process was started as a child.
func IsChild() bool { return os.Getenv(ChildVariable) != "" }

// RunChild runs the functions until the process is killed.
func RunChild() {
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, "functions:", err)
		os.Exit(1)
	}
}

func child() error {
	var c ChildConfig
	if err := json.Unmarshal([]byte(os.Getenv(ChildVariable)), &c); err != nil {
		return fmt.Errorf("couldn't read %s: %w", ChildVariable, err)
	}
	store, err := bolt.Open(c.Data)
	if err != nil {
		return err
	}
	defer store.Close()
	return ServeChild(c, store)
}

// ServeChild runs the functions over store and tells the parent their addresses.
func ServeChild(c ChildConfig, store handle.Store) error {
	now := func() time.Time { return time.Now().UTC().Add(c.ClockOffset) }
	f := New(c.Functions, store, now, &http.Client{Timeout: 30 * time.Second}, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.Handle(InvokePath, loopback.GuardAPI(http.HandlerFunc(f.Invoke)))
	mux.Handle("/", loopback.Guard(f.Bot))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	origin := "http://" + l.Addr().String()
	if err := json.NewEncoder(os.Stdout).Encode(ChildAddress{Bot: origin, Invoke: origin + InvokePath}); err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(l)
}

// Process is a running child.
type Process struct {
	ChildAddress
	cmd *exec.Cmd
}

// Start starts this program as a child. It is killed when ctx ends.
func Start(ctx context.Context, c ChildConfig) (*Process, error) {
	env, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.CommandContext(ctx, self)}
	p.cmd.Env = append(os.Environ(), ChildVariable+"="+string(env))
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("couldn't start the functions: %w", err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		p.Kill()
		return nil, errors.New("the functions exited at once")
	}
	if err := json.Unmarshal(line, &p.ChildAddress); err != nil {
		p.Kill()
		return nil, fmt.Errorf("couldn't read the functions' addresses: %w", err)
	}
	return p, nil
}

// PID returns the ID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill kills the process with SIGKILL and waits until it has exited.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails if it has exited
	_ = p.cmd.Wait()
}
