package sim

import (
	"slices"

	"countersign/deploy/internal/laws"
)

// maxReplays bounds the time that shrinking takes.
const maxReplays = 600

// Shrink reduces a failing plan to what is needed for the same violation: it drops
// one step, one injection or one action at a time, and keeps what still fails.
func Shrink(p Plan, want laws.Violation) Plan {
	replays := 0
	fails := func(q Plan) bool {
		if replays++; replays > maxReplays {
			return false
		}
		out, err := Run(q, false)
		return err == nil && slices.ContainsFunc(out.Violations, func(v laws.Violation) bool { return v.Law == want.Law && v.Rule == want.Rule })
	}
	for shrunk := true; shrunk && replays < maxReplays; {
		shrunk = false
		try := func(q Plan) bool {
			if !fails(q) {
				return false
			}
			p, shrunk = q, true
			return true
		}
		for i := len(p.Steps) - 1; i >= 0; i-- {
			q := p
			q.Steps = slices.Delete(slices.Clone(p.Steps), i, i+1)
			try(q)
		}
		for i := len(p.Injections) - 1; i >= 0; i-- {
			q := p
			q.Injections = slices.Delete(slices.Clone(p.Injections), i, i+1)
			if !try(q) {
				p = shrinkInjection(p, i, try)
			}
		}
	}
	return p
}

// shrinkInjection drops parts of one injection. try keeps its argument if that
// still fails.
func shrinkInjection(p Plan, i int, try func(Plan) bool) Plan {
	without := func(change func(*Injection)) {
		q := p
		q.Injections = slices.Clone(p.Injections)
		change(&q.Injections[i])
		if try(q) {
			p = q
		}
	}
	if p.Injections[i].Fault != "" {
		without(func(in *Injection) { in.Fault = "" })
	}
	for k := len(p.Injections[i].Before) - 1; k >= 0; k-- {
		without(func(in *Injection) { in.Before = slices.Delete(slices.Clone(in.Before), k, k+1) })
	}
	for k := len(p.Injections[i].After) - 1; k >= 0; k-- {
		without(func(in *Injection) { in.After = slices.Delete(slices.Clone(in.After), k, k+1) })
	}
	return p
}
