package e2e_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killedEnv makes the test binary start a program and wait to be killed.
const killedEnv = "COUNTERSIGN_E2E_KILLED"

// startAndWait starts a program that runs for an hour, prints its process group, and
// waits to be killed.
func startAndWait() {
	p, err := start("", os.Environ(), "sleep", "3600")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(p.cmd.Process.Pid)
	time.Sleep(time.Minute)
	os.Exit(1)
}

// Programs started by the tests end with them, even if the tests are killed.
func TestProcessesEndWithTests(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), killedEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no program was started: %v", err)
	}
	pgid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if len(processGroup(t, pgid)) == 0 {
		t.Fatal("the process group is empty, so the test checks nothing")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for end := time.Now().Add(10 * time.Second); len(processGroup(t, pgid)) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("processes %v are still running", processGroup(t, pgid))
		}
	}
}
