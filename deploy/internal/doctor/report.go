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

// Report is all that was found, in the order of a launch's way.
type Report struct {
	Stack    string    `json:"stack"`
	Region   string    `json:"region"`
	Account  string    `json:"account,omitempty"`
	Identity string    `json:"identity,omitempty"` // who asked AWS: an ARN
	Findings []Finding `json:"findings"`
}

// Exit statuses.
const (
	statusOK      = 0
	statusFault   = 1
	statusUnknown = 2 // something could not be checked, and nothing else is wrong
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

// palette colours words; the zero value leaves them as they are.
type palette map[Level]string

// colours are used on a terminal, unless NO_COLOR is set: https://no-color.org
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

// marks are how the levels begin a line: told apart without colour too.
var marks = map[Level]string{OK: "ok", Warning: "WARNING", Fault: "FAULT", Unchecked: "UNKNOWN", Skipped: "-"}

const (
	markWidth = 9
	nameWidth = 20
	width     = 100 // of a line; commands are not broken
)

// write prints a line or two for each finding, and then, last and so next to
// the prompt, what to do: faults first.
func (r Report) write(w io.Writer, p palette) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Stack %s, %s", r.Stack, r.Region)
	if r.Account != "" {
		fmt.Fprintf(&b, ", account %s, as %s", r.Account, r.Identity)
	}
	b.WriteString("\n\n")
	blocked := map[string][]string{} // names of checks, by what they need
	for _, f := range r.Findings {
		if f.Needs != "" {
			blocked[f.Needs] = append(blocked[f.Needs], f.Name)
			continue
		}
		line(&b, p, f.Level, f.Name, f.Found)
	}
	for _, f := range r.Findings { // in order, each need once
		if names := blocked[f.Needs]; f.Needs != "" && names != nil {
			line(&b, p, Unchecked, "not checked", strings.Join(names, ", ")+": first see to \""+f.Needs+"\"")
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
	mark := fmt.Sprintf("%-*s", markWidth, marks[level])
	fmt.Fprintf(b, "%s%-*s", p.paint(level, mark), nameWidth, name)
	if len(name) >= nameWidth {
		b.WriteString("\n" + strings.Repeat(" ", indent))
	}
	b.WriteString(strings.Join(wrap(found, width-indent), "\n"+strings.Repeat(" ", indent)) + "\n")
}

func (r Report) writeRemedies(b *strings.Builder, p palette) {
	var order []string              // what is to be done, each once
	wrong := map[string][]Finding{} // by what is to be done about it
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
			said := wrap(marks[f.Level]+" "+f.Name+": "+f.Found, width-4)
			said[0] = p.paint(f.Level, marks[f.Level]) + strings.TrimPrefix(said[0], marks[f.Level])
			b.WriteString(strings.Join(said, margin))
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
		return fmt.Sprintf("All is well: %d checks.", count[OK])
	}
	parts := []string{
		plural(count[Fault], "fault"), plural(count[Warning], "warning"),
		fmt.Sprintf("%d could not be checked", count[Unchecked]), fmt.Sprintf("%d ok", count[OK]),
	}
	return strings.Join(parts, ", ") + "."
}

func plural(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// rough is d as people say it.
func rough(d time.Duration) string {
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

// wrap breaks s between words into lines of at most n bytes, where words allow.
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
