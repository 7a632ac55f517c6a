package gate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"countersign/deploy/gate"
)

// gatedTemplate is a random template: conditions over four parameters, and resources that depend on earlier ones or on
// the verdict in every way that templates can.
type gatedTemplate struct {
	conditions []string
	resources  []gatedResource
	verdict    string // the verdict's condition; empty: none
}

type gatedResource struct {
	name, condition string
	needs           []string // members of its declaration
}

var parameterValues = map[string][]string{
	"Env": {"dev", "production", "test"}, "Size": {"l", "m", "s"},
	"Open":  {"dev", "production", "test", "l", "m", "s", "x", "y"}, // of the values without a meaning, two
	"Open2": {"dev", "production", "test", "l", "m", "s", "x", "y"},
}

func randomGated(rng *rand.Rand) gatedTemplate {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	var g gatedTemplate
	name := func() string { return fmt.Sprintf("C%d", rng.IntN(len(g.conditions))) }
	for range 3 + rng.IntN(6) {
		kinds := 4
		if len(g.conditions) > 1 {
			kinds = 8
		}
		switch rng.IntN(kinds) {
		case 0:
			p := pick("Env", "Size")
			g.conditions = append(g.conditions, fmt.Sprintf("!Equals [!Ref %s, %s]", p, pick(parameterValues[p]...)))
		case 1:
			g.conditions = append(g.conditions, fmt.Sprintf("!Equals [%s, !Ref %s]", pick("dev", "l"), pick("Open", "Open2")))
		case 2:
			g.conditions = append(g.conditions, fmt.Sprintf("!Equals [!FindInMap [M, !Ref %s, V], %s]", pick("Env", "Size", "Open"), pick("1", "2")))
		case 3:
			g.conditions = append(g.conditions, pick("!Equals [!Ref Open, !Ref Open2]", "!Equals [!Ref Env, !Ref Open2]", "!Equals [!Sub '${Env}-${Size}', test-s]", "!Equals [!Join ['', [!Ref Size]], s]"))
		case 4:
			g.conditions = append(g.conditions, fmt.Sprintf("!Not [!Condition %s]", name()))
		default:
			g.conditions = append(g.conditions, fmt.Sprintf("!%s [!Condition %s, !Condition %s]", pick("And", "Or"), name(), name()))
		}
	}
	if rng.IntN(4) == 0 {
		g.verdict = name()
	}
	known := []string{"Verdict", "Verdict"}
	for i := range 3 + rng.IntN(6) {
		r := gatedResource{name: fmt.Sprintf("R%d", i)}
		if rng.IntN(2) == 0 {
			r.condition = name()
		}
		var order, values []string
		for range 1 + rng.IntN(3) {
			switch on := pick(known...); rng.IntN(5) {
			case 0, 1:
				order = append(order, on)
			case 2:
				values = append(values, fmt.Sprintf("!Sub 'a-${%s}'", on))
			case 3:
				values = append(values, fmt.Sprintf("!If [%s, %s, %s]", name(), pick("!Ref "+on, "x"), pick("!Ref "+on, "!Ref "+pick(known...))))
			case 4:
				values = append(values, fmt.Sprintf("!If [%s, !If [%s, !Ref %s, x], !Ref %s]", name(), name(), on, pick(known...)))
			}
		}
		slices.Sort(order)
		for _, on := range slices.Compact(order) {
			r.needs = append(r.needs, "DependsOn "+on)
		}
		r.needs = append(r.needs, values...)
		g.resources = append(g.resources, r)
		known = append(known, r.name)
	}
	return g
}

func (g gatedTemplate) source() string {
	var b strings.Builder
	b.WriteString("Parameters:\n  Env: {Type: String, AllowedValues: [dev, production, test]}\n  Size: {Type: String, AllowedValues: [l, m, s]}\n" +
		"  Open: {Type: String}\n  Open2: {Type: String}\n" +
		"Mappings: {M: {dev: {V: 1}, production: {V: 2}, test: {V: 1}, l: {V: 1}, m: {V: 2}, s: {V: 1}}}\nConditions:\n")
	for i, c := range g.conditions {
		fmt.Fprintf(&b, "  C%d: %s\n", i, c)
	}
	b.WriteString("Resources:\n  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}\n" +
		"  Request: {Type: Custom::R, Properties: {ServiceToken: x, WaitUrl: !Ref Handle}}\n" +
		"  Wait: {Type: AWS::CloudFormation::WaitCondition, DependsOn: Request, Properties: {Handle: !Ref Handle, Timeout: 10}}\n" +
		"  Verdict: {Type: Custom::V, DependsOn: Wait, Properties: {ServiceToken: x, RequestId: !Ref Request}")
	if g.verdict != "" {
		b.WriteString(", Condition: " + g.verdict)
	}
	b.WriteString("}\n")
	for _, r := range g.resources {
		var order, values []string
		for i, n := range r.needs {
			if on, ok := strings.CutPrefix(n, "DependsOn "); ok {
				order = append(order, on)
			} else {
				values = append(values, fmt.Sprintf("P%d: %s", i, n))
			}
		}
		fmt.Fprintf(&b, "  %s:\n    Type: AWS::SQS::Queue\n", r.name)
		if r.condition != "" {
			fmt.Fprintf(&b, "    Condition: %s\n", r.condition)
		}
		if len(order) > 0 {
			fmt.Fprintf(&b, "    DependsOn: [%s]\n", strings.Join(order, ", "))
		}
		fmt.Fprintf(&b, "    Properties: {%s}\n", strings.Join(values, ", "))
	}
	return b.String()
}

// leaksByTrying instantiates the template with every combination of the parameters' values and returns the names of the
// resources that reach no verdict in one that CloudFormation accepts.
func leaksByTrying(t *gate.Template) (leaks []string, stacks int) {
	found := map[string]bool{}
	for _, env := range parameterValues["Env"] {
		for _, size := range parameterValues["Size"] {
			for _, open := range parameterValues["Open"] {
				for _, open2 := range parameterValues["Open2"] {
					in, err := t.Instantiate(account{}, map[string]string{"Env": env, "Size": size, "Open": open, "Open2": open2})
					if err != nil {
						continue
					}
					stacks++
					for _, r := range in.Resources() {
						if strings.HasPrefix(r.LogicalID, "R") && r.LogicalID != "Request" && in.Includes(r) && !reachesVerdict(in, r) {
							found[r.LogicalID] = true
						}
					}
				}
			}
		}
	}
	for _, r := range t.Resources() {
		if found[r.LogicalID] {
			leaks = append(leaks, r.LogicalID)
		}
	}
	return leaks, stacks
}

func reachesVerdict(in *gate.Instance, r *gate.Resource) bool {
	if r.LogicalID == "Verdict" {
		return true
	}
	return slices.ContainsFunc(in.Needs(r), func(i int) bool { return reachesVerdict(in, in.Resources()[i]) })
}

// TestLeaksAreThoseFoundByTryingEverything compares Leaks with all stacks of random templates, whole and with one
// dependency removed.
func TestLeaksAreThoseFoundByTryingEverything(t *testing.T) {
	whole, leaking, caused := 0, 0, 0
	compare := func(src string) []string {
		template := parse(t, []byte(src))
		want, stacks := leaksByTrying(template)
		leaks, err := template.Leaks()
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		var got []string
		for _, l := range leaks {
			got = append(got, l.LogicalID)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v, of %d stacks, of\n%s", leaks, want, stacks, src)
		}
		return got
	}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 18))
		g := randomGated(rng)
		before := compare(g.source())
		if len(before) == 0 {
			whole++
		} else {
			leaking++
		}
		r := &g.resources[rng.IntN(len(g.resources))]
		r.needs = slices.Delete(slices.Clone(r.needs), 0, 1)
		if len(compare(g.source())) > len(before) {
			caused++
		}
	}
	if whole < 20 || leaking < 20 || caused < 20 {
		t.Errorf("%d whole and %d leaking templates, and %d leaks caused by one dependency: too few to show anything", whole, leaking, caused)
	}
	t.Logf("%d whole, %d leaking, %d leaks caused", whole, leaking, caused)
}
