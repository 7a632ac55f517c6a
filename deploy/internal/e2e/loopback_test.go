package e2e_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// MiniStack and what it starts can be reached from this machine alone.
func TestMiniStackListensOnLoopbackOnly(t *testing.T) {
	m := startMiniStack(t)
	if len(listeners(t, m)) == 0 {
		t.Fatal("no listening socket was found, so that none on another address would have been either")
	}
	checkLoopback(t, m)
}

func checkLoopback(t *testing.T, p *program) {
	t.Helper()
	for _, a := range listeners(t, p) {
		if !a.IP.IsLoopback() {
			t.Errorf("it listens on %v", a)
		}
	}
}

// listeners are the TCP addresses on which a program and all that it started
// listen. See proc(5), /proc/net/tcp and /proc/pid/stat.
func listeners(t *testing.T, p *program) []*net.TCPAddr {
	t.Helper()
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("without Linux's /proc nobody can say who listens where")
	}
	sockets := map[string]bool{}
	for _, pid := range processGroup(t, p.cmd.Process.Pid) {
		files, _ := filepath.Glob("/proc/" + pid + "/fd/*") // a process may end meanwhile
		for _, f := range files {
			if name, err := os.Readlink(f); err == nil && strings.HasPrefix(name, "socket:[") {
				sockets[strings.Trim(name, "socket:[]")] = true
			}
		}
	}
	var found []*net.TCPAddr
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue // no IPv6
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			const listen = "0A"
			if field := strings.Fields(lines.Text()); len(field) > 9 && field[3] == listen && sockets[field[9]] {
				found = append(found, address(t, field[1]))
			}
		}
	}
	return found
}

// group lists the processes of a process group.
func processGroup(t *testing.T, pgid int) (pids []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(b), ") ") // after the name: state, parent, group
		if field := strings.Fields(rest); len(field) > 2 && field[2] == strconv.Itoa(pgid) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

// address reads the kernel's form: groups of four bytes, the last byte first.
func address(t *testing.T, s string) *net.TCPAddr {
	t.Helper()
	host, port, _ := strings.Cut(s, ":")
	ip, err := hex.DecodeString(host)
	if err != nil {
		t.Fatalf("%q is no address: %v", s, err)
	}
	for word := range slices.Chunk(ip, 4) {
		slices.Reverse(word)
	}
	var n int
	if _, err := fmt.Sscanf(port, "%X", &n); err != nil {
		t.Fatalf("%q has no port: %v", s, err)
	}
	return &net.TCPAddr{IP: ip, Port: n}
}
