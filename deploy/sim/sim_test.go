package sim_test

import (
	"flag"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/sim"
)

var (
	schedules = flag.Int("schedules", 250, "how many schedules to play")
	seed      = flag.Uint64("seed", 1, "the first seed")
)

// The schedules are played in a bubble, where what sleeps or times out on the
// real clock does so in no time: nothing depends on how fast the machine is.
func TestSchedules(t *testing.T) {
	synctest.Test(t, playAll)
}

func playAll(t *testing.T) {
	for n := range uint64(*schedules) {
		p := sim.Draw(*seed + n)
		out, err := sim.Play(p, false)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Broken) == 0 {
			continue
		}
		p.Drawn, p.Injections = true, out.Injections
		p = sim.Shrink(p, out.Broken[0].Law)
		out, err = sim.Play(p, true)
		if err != nil {
			t.Fatal(err)
		}
		t.Fatalf("seed %d: %v\n%s\n\nreplay: %s", p.Seed, out.Broken, strings.Join(out.Story, "\n"), p.Replay())
	}
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
