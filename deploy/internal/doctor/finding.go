package doctor

import "fmt"

// Level is the severity of a finding.
type Level string

const (
	OK        Level = "ok"
	Warning   Level = "warning" // works, but may fail later
	Fault     Level = "fault"   // broken or unsafe
	Unchecked Level = "could not check"
	Skipped   Level = "skipped" // does not apply to this deployment, or was not requested
)

// Finding is what one check found.
type Finding struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	Found string `json:"found"`

	// Do says how to fix it: sentences, then commands or console paths, each on a
	// line of its own that begins with two spaces.
	Do string `json:"do,omitempty"`

	// Needs names the check that must succeed before this one can be made.
	Needs string `json:"needs,omitempty"`
}

func ok(name, found string, args ...any) Finding {
	return Finding{Name: name, Level: OK, Found: fmt.Sprintf(found, args...)}
}

func skipped(name, found string, args ...any) Finding {
	return Finding{Name: name, Level: Skipped, Found: fmt.Sprintf(found, args...)}
}

func warning(name, found, do string) Finding {
	return Finding{Name: name, Level: Warning, Found: found, Do: do}
}

func fault(name, found, do string) Finding {
	return Finding{Name: name, Level: Fault, Found: found, Do: do}
}

func unchecked(name, found, do string) Finding {
	return Finding{Name: name, Level: Unchecked, Found: found, Do: do}
}

// needs is the finding of a check that depends on one that failed.
func needs(name, other string) Finding {
	return Finding{Name: name, Level: Unchecked, Found: "depends on the check \"" + other + "\", which failed", Needs: other}
}

// worst returns the most severe level among findings.
func worst(findings []Finding) Level {
	severity := map[Level]int{Skipped: 0, OK: 1, Warning: 2, Unchecked: 3, Fault: 4}
	level := Skipped
	for _, f := range findings {
		if severity[f.Level] > severity[level] {
			level = f.Level
		}
	}
	return level
}
