package doctor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Report holds all findings, in the order of checks.
type Report struct {
	Stack    string    `json:"stack"`
	Region   string    `json:"region"`
	Account  string    `json:"account,omitempty"`
	Identity string    `json:"identity,omitempty"` // the ARN of the AWS identity used
	Findings []Finding `json:"findings"`
}

// Exit statuses.
const (
	statusOK      = 0
	statusFault   = 1
	statusUnknown = 2 // no faults, but a check could not be made
)

func (r Report) status() int {
	switch worst(r.Findings) {
	case Fault:
		return statusFault
	case Unchecked:
		return statusUnknown
	}
	return statusOK
}

func (r Report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// palette maps levels to ANSI colours; nil does not colour.
type palette map[Level]string

// colours returns the palette for w: nil unless w is a terminal and NO_COLOR is
// unset. See https://no-color.org
func colours(w io.Writer) palette {
	f, file := w.(*os.File)
	if !file || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return palette{OK: "32", Warning: "33", Unchecked: "35", Fault: "1;31", Skipped: "2"}
}

func (p palette) paint(level Level, s string) string {
	if code := p[level]; code != "" {
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	return s
}

// labels begin the line of a finding, so that levels can be told apart without colour.
var labels = map[Level]string{OK: "ok", Warning: "WARNING", Fault: "FAULT", Unchecked: "UNKNOWN", Skipped: "-"}

const (
	markWidth = 9
	nameWidth = 20
	width     = 100 // of a line; commands are not wrapped
)

// write prints one entry per finding, then what to do, faults first: the advice is
// last, next to the prompt.
func (r Report) write(w io.Writer, p palette) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Stack %s, %s", r.Stack, r.Region)
	if r.Account != "" {
		fmt.Fprintf(&b, ", account %s, as %s", r.Account, r.Identity)
	}
	b.WriteString("\n\n")
	blocked := map[string][]string{} // blocked checks, by their cause
	for _, f := range r.Findings {
		if f.Needs != "" {
			blocked[f.Needs] = append(blocked[f.Needs], f.Name)
			continue
		}
		line(&b, p, f.Level, f.Name, f.Found)
	}
	for _, f := range r.Findings { // each cause once
		if names := blocked[f.Needs]; f.Needs != "" && names != nil {
			line(&b, p, Unchecked, "not checked", strings.Join(names, ", ")+": fix \""+f.Needs+"\" first")
			delete(blocked, f.Needs)
		}
	}
	r.writeRemedies(&b, p)
	b.WriteString("\n" + r.summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func line(b *strings.Builder, p palette, level Level, name, found string) {
	indent := markWidth + nameWidth
	mark := fmt.Sprintf("%-*s", markWidth, labels[level])
	fmt.Fprintf(b, "%s%-*s", p.paint(level, mark), nameWidth, name)
	if len(name) >= nameWidth {
		b.WriteString("\n" + strings.Repeat(" ", indent))
	}
	b.WriteString(strings.Join(wrap(found, width-indent), "\n"+strings.Repeat(" ", indent)) + "\n")
}

func (r Report) writeRemedies(b *strings.Builder, p palette) {
	var order []string              // distinct advice
	wrong := map[string][]Finding{} // by advice
	for _, level := range []Level{Fault, Unchecked, Warning} {
		for _, f := range r.Findings {
			if f.Level != level || f.Do == "" {
				continue
			}
			if wrong[f.Do] == nil {
				order = append(order, f.Do)
			}
			wrong[f.Do] = append(wrong[f.Do], f)
		}
	}
	if len(order) > 0 {
		b.WriteString("\nWhat to do\n")
	}
	const margin = "\n    "
	for i, do := range order {
		fmt.Fprintf(b, "\n%2d. ", i+1)
		for j, f := range wrong[do] {
			if j > 0 {
				b.WriteString(margin)
			}
			lines := wrap(labels[f.Level]+" "+f.Name+": "+f.Found, width-4)
			lines[0] = p.paint(f.Level, labels[f.Level]) + strings.TrimPrefix(lines[0], labels[f.Level])
			b.WriteString(strings.Join(lines, margin))
		}
		for text := range strings.SplitSeq(do, "\n") {
			if strings.HasPrefix(text, "  ") {
				b.WriteString(margin + text)
				continue
			}
			b.WriteString(margin + strings.Join(wrap(text, width-4), margin))
		}
		b.WriteString("\n")
	}
}

func (r Report) summary() string {
	count := map[Level]int{}
	for _, f := range r.Findings {
		count[f.Level]++
	}
	if count[Fault]+count[Warning]+count[Unchecked] == 0 {
		return fmt.Sprintf("No problems found: %d checks passed.", count[OK])
	}
	parts := []string{
		plural(count[Fault], "fault"), plural(count[Warning], "warning"),
		fmt.Sprintf("%d not checked", count[Unchecked]), fmt.Sprintf("%d ok", count[OK]),
	}
	return strings.Join(parts, ", ") + "."
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// approximate formats d in its largest unit.
func approximate(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return plural(int(d.Seconds()), "second")
	case d < 2*time.Hour:
		return plural(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour")
	}
	return plural(int(d.Hours()/24), "day")
}

// wrap breaks s between words into lines of at most n bytes. Longer words stay whole.
func wrap(s string, n int) []string {
	var lines []string
	current := ""
	for word := range strings.FieldsSeq(s) {
		if current != "" && len(current)+1+len(word) > n {
			lines, current = append(lines, current), ""
		}
		current = strings.TrimPrefix(current+" "+word, " ")
	}
	return append(lines, cmp.Or(current, "-"))
}
