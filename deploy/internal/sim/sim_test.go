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
//
//	go test ./deploy/internal/sim -run TestSchedules -schedules 1000000 -timeout 24h -v
func TestSchedules(t *testing.T) {
	var next, failed, calls atomic.Uint64
	began := time.Now()
	t.Cleanup(func() { // when all have been played
		took, played := time.Since(began), min(next.Load(), *schedules)
		t.Logf("%d schedules with %d outside calls in %v: %.0f a second on %d processors", played, calls.Load(), took.Round(time.Second),
			float64(played)/took.Seconds(), runtime.GOMAXPROCS(0))
	})
	for n := range runtime.GOMAXPROCS(0) {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			for failed.Load() == 0 {
				n := next.Add(1) - 1
				if n >= *schedules {
					return
				}
				synctest.Test(t, func(t *testing.T) { calls.Add(uint64(playSeed(t, *seed+n))) })
				if t.Failed() {
					failed.Add(1)
				}
			}
		})
	}
}

// playSeed plays one seed, and counts the outside calls. What fails is shrunk, and
// told.
func playSeed(t *testing.T, seed uint64) (calls int) {
	p := sim.Draw(seed)
	out, err := sim.Run(p, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Broken) == 0 {
		return out.Calls
	}
	p.Drawn, p.Injections = true, out.Injections
	p = sim.Shrink(p, out.Broken[0].Law)
	out, err = sim.Run(p, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Errorf("seed %d: %v\n%s\n\nreplay: %s", p.Seed, out.Broken, strings.Join(out.Story, "\n"), p.Replay())
	return out.Calls
}

// The same seed tells the same story.
func TestASeedComesToTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range uint64(60) {
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
	out, err := sim.Run(p, true)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
