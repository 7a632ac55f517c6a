package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/bolt"
	"countersign/handle/handletest"
)

const writerEnv = "BOLT_TEST_WRITER"

// TestWriter is the program of the other process. It writes to the file until it is
// killed, and prints the ID and revision of each completed write.
func TestWriter(t *testing.T) {
	path := os.Getenv(writerEnv)
	if path == "" {
		t.Skip("runs in a process of its own, started by TestCompletedWritesSurviveKill")
	}
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		r, err := s.Create(context.Background(), handletest.Request(n, at.Add(time.Duration(n)*time.Second)))
		for rev := 1; rev <= 3 && err == nil; rev++ {
			fmt.Println(r.ID, r.Rev)
			r.Purpose += "."
			r, err = s.Replace(context.Background(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The test kills a process while it writes. Until then the file is locked;
// afterwards every completed write must be there.
func TestCompletedWritesSurviveKill(t *testing.T) {
	path := newPath(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriter$")
	cmd.Env = append(os.Environ(), writerEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	completed := map[string]int64{}
	read := func() error {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err // ignores an incomplete last line
		}
		var id string
		var rev int64
		if _, err := fmt.Sscanf(line, "%s %d", &id, &rev); err != nil {
			return fmt.Errorf("the writer printed %q", line)
		}
		completed[id] = rev
		return nil
	}
	for range 30 {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bolt.Open(path); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("Open while another process has the file: got error %v, want %v", err, bolt.ErrLocked)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = read()
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	_ = cmd.Wait() // reports that it was killed

	s := open(t, path)
	for id, rev := range completed {
		if r, err := s.Load(t.Context(), id); err != nil || r.Rev < rev {
			t.Errorf("request %s: got revision %d and error %v, want at least %d", id, r.Rev, err, rev)
		}
	}
	ids, err := s.Due(t.Context(), at.AddDate(1, 0, 0), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	listed := 0
	for r, err := range s.Since(t.Context(), at) {
		if err != nil {
			t.Fatal(err)
		}
		if want := handletest.Request(listed, at).ID; r.ID != want || ids[listed] != want {
			t.Errorf("request %d: got %s by Since and %s by Due, want %s", listed, r.ID, ids[listed], want)
		}
		listed++
	}
	if listed < len(completed) || listed != len(ids) {
		t.Errorf("listed: got %d by Since and %d by Due, want the same, at least %d", listed, len(ids), len(completed))
	}
	if _, err := s.Create(t.Context(), handletest.Request(listed, at)); err != nil && !errors.Is(err, handle.ErrExists) {
		t.Errorf("Create afterwards: %v", err)
	}
}
