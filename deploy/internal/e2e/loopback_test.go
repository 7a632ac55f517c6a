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

// MiniStack and its child processes listen on loopback only.
func TestMiniStackListensOnLoopbackOnly(t *testing.T) {
	m := startMiniStack(t)
	if len(listeners(t, m)) == 0 {
		t.Fatal("no listening sockets found, so the test checks nothing")
	}
	checkLoopback(t, m)
}

func checkLoopback(t *testing.T, p *program) {
	t.Helper()
	for _, a := range listeners(t, p) {
		if !a.IP.IsLoopback() {
			t.Errorf("listening on %v", a)
		}
	}
}

// listeners returns the TCP addresses on which a program and its child processes
// listen. See proc(5), /proc/net/tcp and /proc/pid/stat.
func listeners(t *testing.T, p *program) []*net.TCPAddr {
	t.Helper()
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("this test needs Linux's /proc")
	}
	sockets := map[string]bool{}
	for _, pid := range processGroup(t, p.cmd.Process.Pid) {
		files, _ := filepath.Glob("/proc/" + pid + "/fd/*") // the process may have ended
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

// processGroup returns the processes of a process group.
func processGroup(t *testing.T, pgid int) (pids []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // the process has ended
		}
		_, rest, _ := strings.Cut(string(b), ") ") // after the name: state, parent, group
		if field := strings.Fields(rest); len(field) > 2 && field[2] == strconv.Itoa(pgid) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

// address parses the kernel's format: 32-bit words in host byte order.
func address(t *testing.T, s string) *net.TCPAddr {
	t.Helper()
	host, port, _ := strings.Cut(s, ":")
	ip, err := hex.DecodeString(host)
	if err != nil {
		t.Fatalf("%q is not an address: %v", s, err)
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
