package sim_test

import (
	"flag"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/internal/sim"
)

var (
	schedules = flag.Uint64("schedules", 250, "how many schedules to run")
	seed      = flag.Uint64("seed", 1, "the first seed")
	shrink    = flag.Bool("shrink", true, "shrink a failing schedule and print its story")
)

// Schedules allocate much short-lived memory.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// Each schedule runs in a synctest bubble, where sleeps and timeouts take no real
// time, so nothing depends on the speed of the machine. As many run at a time as
// there are processors.
//
//	go test ./deploy/internal/sim -run TestSchedules -schedules 1000000 -timeout 24h -v
func TestSchedules(t *testing.T) {
	var next, calls atomic.Uint64
	var stop atomic.Bool // after the first violation
	began := time.Now()
	t.Cleanup(func() { // after all schedules
		took, ran := time.Since(began), min(next.Load(), *schedules)
		t.Logf("%d schedules with %d outside calls in %v: %.0f a second on %d processors", ran, calls.Load(), took.Round(time.Second),
			float64(ran)/took.Seconds(), runtime.GOMAXPROCS(0))
	})
	for n := range runtime.GOMAXPROCS(0) {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			for !stop.Load() {
				n := next.Add(1) - 1
				if n >= *schedules {
					return
				}
				synctest.Test(t, func(t *testing.T) { calls.Add(uint64(runSeed(t, *seed+n, &stop))) })
			}
		})
	}
}

// runSeed runs one seed and returns the number of outside calls. On a violation it
// sets stop, so that the other processors stop too, and reports the shrunk run.
func runSeed(t *testing.T, seed uint64, stop *atomic.Bool) (calls int) {
	p := sim.Draw(seed)
	out, err := sim.Run(p, false)
	if err != nil {
		stop.Store(true)
		t.Fatal(err)
	}
	if len(out.Violations) == 0 {
		return out.Calls
	}
	stop.Store(true)
	if !*shrink {
		t.Errorf("seed %d: %v\nreplay: %s", p.Seed, out.Violations, p.Replay())
		return out.Calls
	}
	p.Drawn, p.Injections = true, out.Injections
	p = sim.Shrink(p, out.Violations[0])
	out, err = sim.Run(p, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Errorf("seed %d: %v\n%s\n\nreplay: %s", p.Seed, out.Violations, strings.Join(out.Story, "\n"), p.Replay())
	return out.Calls
}

func TestSameSeedGivesSameRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range uint64(60) {
			p := sim.Draw(*seed + n)
			drawn, again := run(t, p), run(t, p)
			if diff := cmp.Diff(drawn.Story, again.Story); diff != "" {
				t.Fatalf("seed %d: second run differs (-first +second):\n%s", p.Seed, diff)
			}
			p.Drawn, p.Injections = true, drawn.Injections
			if diff := cmp.Diff(drawn.Story, run(t, p).Story); diff != "" {
				t.Fatalf("seed %d: replay differs (-drawn +replayed):\n%s", p.Seed, diff)
			}
		}
	})
}

func run(t testing.TB, p sim.Plan) sim.Outcome {
	t.Helper()
	out, err := sim.Run(p, true)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
