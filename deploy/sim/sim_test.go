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

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/sim"
)

var (
	schedules = flag.Uint64("schedules", 250, "how many schedules to play")
	seed      = flag.Uint64("seed", 1, "the first seed")
)

// The schedules make much that is soon forgotten.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// The schedules are played in bubbles, where what sleeps or times out on the
// real clock does so in no time: nothing depends on how fast the machine is. As
// many are played at a time as there are processors.
func TestSchedules(t *testing.T) {
	var next, failed atomic.Uint64
	for n := range runtime.GOMAXPROCS(0) {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			for failed.Load() == 0 {
				n := next.Add(1) - 1
				if n >= *schedules {
					return
				}
				synctest.Test(t, func(t *testing.T) { playSeed(t, *seed+n) })
				if t.Failed() {
					failed.Add(1)
				}
			}
		})
	}
}

// playSeed plays one seed. What fails is shrunk, and told.
func playSeed(t *testing.T, seed uint64) {
	p := sim.Draw(seed)
	out, err := sim.Play(p, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Broken) == 0 {
		return
	}
	p.Drawn, p.Injections = true, out.Injections
	p = sim.Shrink(p, out.Broken[0].Law)
	out, err = sim.Play(p, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Errorf("seed %d: %v\n%s\n\nreplay: %s", p.Seed, out.Broken, strings.Join(out.Story, "\n"), p.Replay())
}

// The same seed tells the same story.
func TestASeedComesToTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range uint64(20) {
			p := sim.Draw(*seed + n)
			drawn, again := play(t, p), play(t, p)
			if diff := cmp.Diff(drawn.Story, again.Story); diff != "" {
				t.Fatalf("seed %d came to something else (-first +second):\n%s", p.Seed, diff)
			}
			p.Drawn, p.Injections = true, drawn.Injections
			if diff := cmp.Diff(drawn.Story, play(t, p).Story); diff != "" {
				t.Fatalf("seed %d replayed came to something else (-drawn +replayed):\n%s", p.Seed, diff)
			}
		}
	})
}

func play(t testing.TB, p sim.Plan) sim.Outcome {
	t.Helper()
	out, err := sim.Play(p, true)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Schedules come without faults of the store, for the bot sleeps on the real
// clock when it has to ask again.
func BenchmarkSchedules(b *testing.B) {
	calls := 0
	for n := range b.N {
		p := sim.Draw(uint64(n%100) + 1)
		p.World.Faults = 0
		out, err := sim.Play(p, false)
		if err != nil || len(out.Broken) > 0 {
			b.Fatal(err, out.Broken)
		}
		calls += out.Calls
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "schedules/s")
	b.ReportMetric(float64(calls)/float64(b.N), "calls/schedule")
}
