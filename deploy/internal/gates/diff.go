package gates

import (
	"fmt"
	"slices"
	"strings"
)

const diffContext = 3 // unchanged lines around changed ones

// diff returns the unified diff of two texts; empty if they are equal.
func diff(name, before, after string) string {
	changes := compare(strings.SplitAfter(before, "\n"), strings.SplitAfter(after, "\n"))
	var b strings.Builder
	for start := 0; start < len(changes); {
		first := start
		for first < len(changes) && changes[first].op == ' ' {
			first++
		}
		if first == len(changes) {
			break
		}
		last, same := first, 0 // the last changed line of the hunk
		for i := first; i < len(changes) && same <= 2*diffContext; i++ {
			if same++; changes[i].op != ' ' {
				last, same = i, 0
			}
		}
		from, to := max(first-diffContext, start), min(last+diffContext+1, len(changes))
		if b.Len() == 0 {
			fmt.Fprintf(&b, "--- %s\n+++ %s\n", name, name)
		}
		writeHunk(&b, changes[:from], changes[from:to])
		start = to
	}
	return b.String()
}

func writeHunk(b *strings.Builder, earlier, hunk []change) {
	count := func(list []change, op byte) (n int) {
		for _, c := range list {
			if c.op == ' ' || c.op == op {
				n++
			}
		}
		return n
	}
	fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", count(earlier, '-')+1, count(hunk, '-'), count(earlier, '+')+1, count(hunk, '+'))
	for _, c := range hunk {
		b.WriteByte(c.op)
		b.WriteString(c.line)
		if !strings.HasSuffix(c.line, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// change is a line that both texts have (' '), only the old one ('-') or only the new one ('+').
type change struct {
	op   byte
	line string
}

// compare returns a shortest list of changes, by the algorithm of Myers.
func compare(a, b []string) []change {
	a, b = trimLast(a), trimLast(b)
	offset := len(a) + len(b) + 1
	furthest := make([]int, 2*offset+1)
	var trace [][]int
	for d := 0; ; d++ {
		trace = append(trace, slices.Clone(furthest[offset-d:offset+d+1]))
		for k := -d; k <= d; k += 2 {
			x := furthest[offset+k-1] + 1
			if k == -d || k != d && furthest[offset+k-1] < furthest[offset+k+1] {
				x = furthest[offset+k+1]
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			furthest[offset+k] = x
			if x >= len(a) && x-k >= len(b) {
				return backtrack(a, b, trace, d)
			}
		}
	}
}

func backtrack(a, b []string, trace [][]int, d int) []change {
	var changes []change
	x, y := len(a), len(b)
	for ; d > 0; d-- {
		at := func(k int) int { // of the step before: trace[d] has the diagonals from -d to d
			return trace[d][k+d]
		}
		k := x - y
		previous := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			previous = k + 1
		}
		px := at(previous)
		py := px - previous
		for x > px && y > py {
			x, y = x-1, y-1
			changes = append(changes, change{' ', a[x]})
		}
		if previous == k+1 {
			y--
			changes = append(changes, change{'+', b[y]})
		} else {
			x--
			changes = append(changes, change{'-', a[x]})
		}
	}
	for x > 0 {
		x--
		changes = append(changes, change{' ', a[x]})
	}
	slices.Reverse(changes)
	return changes
}

// trimLast drops the empty text behind a final line break.
func trimLast(lines []string) []string {
	if len(lines) > 0 && lines[len(lines)-1] == "" {
		return lines[:len(lines)-1]
	}
	return lines
}
