package doctor

import "fmt"

// Level says how grave a finding is.
type Level string

const (
	OK        Level = "ok"
	Warning   Level = "warning" // it works, and will hurt some day
	Fault     Level = "fault"   // something does not work, or is not safe
	Unchecked Level = "could not check"
	Skipped   Level = "skipped" // it does not apply to this deployment, or was not asked for
)

// Finding is what one check found.
type Finding struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	Found string `json:"found"`

	// Do is what to do about it: sentences, and after them, each on a line that
	// begins with two spaces, commands or click paths to be taken as they are.
	Do string `json:"do,omitempty"`

	// Needs names the check without whose success this one cannot be made.
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

// needs is the finding of a check that another one keeps from being made.
func needs(name, other string) Finding {
	return Finding{Name: name, Level: Unchecked, Found: "needs what the check \"" + other + "\" could not find", Needs: other}
}

// worst is the gravest level among findings.
func worst(findings []Finding) Level {
	grave := map[Level]int{Skipped: 0, OK: 1, Warning: 2, Unchecked: 3, Fault: 4}
	level := Skipped
	for _, f := range findings {
		if grave[f.Level] > grave[level] {
			level = f.Level
		}
	}
	return level
}
