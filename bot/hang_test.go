package bot_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

// hangingStore is a store whose calls ignore their context and do not return until a
// channel is closed.
type hangingStore struct {
	handle.Store
	load, replace chan struct{} // nil: does not hang
	first         bool          // only the first call hangs
	calls         atomic.Int32
}

func (s *hangingStore) hang(release chan struct{}) {
	if release != nil && (s.calls.Add(1) == 1 || !s.first) {
		<-release
	}
}

func (s *hangingStore) Load(ctx context.Context, id string) (handle.Request, error) {
	s.hang(s.load)
	return s.Store.Load(context.WithoutCancel(ctx), id)
}

func (s *hangingStore) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	s.hang(s.replace)
	return s.Store.Replace(context.WithoutCancel(ctx), r)
}

// TestAnswersInTimeWhenCallsHang lets each outside call hang, in simulated time.
func TestAnswersInTimeWhenCallsHang(t *testing.T) {
	const (
		approves = iota
		opens    // clicks Reject, which opens the form
		rejects
	)
	tests := []struct {
		name    string
		hang    func(*world, *hangingStore, chan struct{})
		act     int
		by      string
		needs   int           // approvals, if not 1
		state   handle.State  // at the time of the response
		most    time.Duration // until the response
		private []string
		wrong   string // the form's error
		fails   bool   // the private message may have failed
	}{
		{
			name:  "nothing hangs",
			hang:  func(*world, *hangingStore, chan struct{}) {},
			state: handle.Approved, most: 0,
		},
		{
			name: "After, until its context ends",
			hang: func(w *world, _ *hangingStore, _ chan struct{}) {
				w.bot.After = func(ctx context.Context, _ handle.Request, _ string) { <-ctx.Done() }
			},
			state: handle.Approved, most: 2 * time.Second,
		},
		{
			name: "After, forever",
			hang: func(w *world, _ *hangingStore, release chan struct{}) {
				w.bot.After = func(context.Context, handle.Request, string) { <-release }
			},
			state: handle.Approved, most: 2600 * time.Millisecond,
		},
		{
			name: "After, forever, with a private message",
			hang: func(w *world, _ *hangingStore, release chan struct{}) {
				w.bot.After = func(context.Context, handle.Request, string) { <-release }
			},
			needs: 2, state: handle.Pending, most: 2600 * time.Millisecond, private: []string{"Recorded. 1 more approval is needed."},
		},
		{
			name: "After, forever, of a form",
			hang: func(w *world, _ *hangingStore, release chan struct{}) {
				w.bot.After = func(context.Context, handle.Request, string) { <-release }
			},
			act: rejects, state: handle.Rejected, most: 2600 * time.Millisecond,
		},
		{
			name: "users.info",
			hang: func(w *world, _ *hangingStore, release chan struct{}) { w.slack.hang["users.info"] = release },
			// Users who could not be checked get a private message in time.
			state: handle.Pending, most: 1 * time.Second, private: []string{"Slack could not confirm who you are"},
		},
		{
			name: "the group, of a form",
			hang: func(w *world, _ *hangingStore, release chan struct{}) {
				w.slack.hang["usergroups.users.list"] = release
			},
			act:   rejects,
			by:    member,
			state: handle.Pending, most: 1 * time.Second, wrong: "Slack could not confirm who you are",
		},
		{
			name:  "the private message",
			hang:  func(w *world, _ *hangingStore, release chan struct{}) { w.slack.hang["chat.postEphemeral"] = release },
			by:    outsider,
			state: handle.Pending, most: 2600 * time.Millisecond, private: []string{"You aren't an approver"}, fails: true,
		},
		{
			name: "the form",
			hang: func(w *world, _ *hangingStore, release chan struct{}) { w.slack.hang["views.open"] = release },
			act:  opens, state: handle.Pending, most: 2 * time.Second, private: []string{"Slack took too long to open the form"},
		},
		{
			name:  "one read",
			hang:  func(_ *world, s *hangingStore, release chan struct{}) { s.load, s.first = release, true },
			state: handle.Approved, most: 1 * time.Second,
		},
		{
			name:  "every read",
			hang:  func(_ *world, s *hangingStore, release chan struct{}) { s.load = release },
			state: handle.Pending, most: 2 * time.Second, private: []string{"Your decision could not be recorded."},
		},
		{
			name:  "one write",
			hang:  func(_ *world, s *hangingStore, release chan struct{}) { s.replace, s.first = release, true },
			state: handle.Approved, most: 1100 * time.Millisecond,
		},
		{
			name:  "every write",
			hang:  func(_ *world, s *hangingStore, release chan struct{}) { s.replace = release },
			state: handle.Pending, most: 2 * time.Second, private: []string{"Your decision may not have been recorded"},
		},
		{
			name:  "every write, of a form",
			hang:  func(_ *world, s *hangingStore, release chan struct{}) { s.replace = release },
			act:   rejects,
			state: handle.Pending, most: 2 * time.Second, wrong: "Your decision may not have been recorded",
		},
		{
			name:  "the write of a refusal",
			hang:  func(_ *world, s *hangingStore, release chan struct{}) { s.replace = release },
			by:    outsider,
			state: handle.Pending, most: 1 * time.Second, private: []string{"You aren't an approver"},
		},
		{
			name: "everything but the secrets",
			hang: func(w *world, s *hangingStore, release chan struct{}) {
				s.load, s.replace = release, release
				for _, m := range []string{"users.info", "usergroups.users.list", "views.open", "chat.postEphemeral"} {
					w.slack.hang[m] = release
				}
				w.bot.After = func(context.Context, handle.Request, string) { <-release }
			},
			state: handle.Pending, most: 2600 * time.Millisecond, private: []string{"Your decision could not be recorded"}, fails: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newInMemoryWorld(t)
				r := w.launch(quorum(max(1, tt.needs)))
				s := &hangingStore{Store: w.store}
				w.bot.Store = s
				release := make(chan struct{})
				tt.hang(w, s, release)
				var d document
				switch tt.act {
				case approves:
					d = w.approve(r)
				case opens:
					d = w.reject(r)
				case rejects:
					d = w.submission(r)
				}
				if tt.by != "" {
					d.by(tt.by)
				}
				start := time.Now()
				res := w.send(d)
				if took := time.Since(start); took > tt.most {
					t.Errorf("the response took %v, want at most %v", took, tt.most)
				}
				switch {
				case tt.wrong != "":
					w.wantFormError(res, tt.wrong)
				case tt.fails:
					w.wantServerError(res)
				default:
					w.wantAck(res)
				}
				w.wantPrivate(tt.private...)
				if got := w.stored(r.ID); got.State() != tt.state {
					t.Errorf("state: got %s, want %s", got.State(), tt.state)
				}
				close(release)
				synctest.Wait()
				if got := w.stored(r.ID); len(got.Votes) > 1 {
					t.Errorf("after the hanging calls returned: got votes %+v, want at most one", got.Votes)
				}
			})
		})
	}
}

// TestSecretsHang lets the reads of signing secrets and mail keys hang.
func TestSecretsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInMemoryWorld(t)
		r := w.launch()
		release := make(chan struct{})
		w.bot.SigningSecrets = func(context.Context, bool) ([]string, error) { <-release; return []string{secret}, nil }
		w.bot.MailKeys = func(context.Context) ([]handle.MailKey, error) { <-release; return nil, nil }
		start := time.Now()
		if res := w.send(w.approve(r)); res.status != http.StatusServiceUnavailable {
			t.Errorf("a click: got %d, want 503", res.status)
		}
		if res := w.do(w.request("GET", w.mailLink(r, handle.Approve), "")); res.status != http.StatusServiceUnavailable {
			t.Errorf("a mailed link: got %d, want 503", res.status)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("both responses took %v, want at most 2 s", took)
		}
		close(release)
	})
}

// TestVoteCountsIfClientDisconnects clicks with a canceled request.
func TestVoteCountsIfClientDisconnects(t *testing.T) {
	w := newInMemoryWorld(t)
	r := w.launch()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.wantAck(w.do(w.signedRequest(payloadForm(t, w.approve(r))).WithContext(ctx)))
	w.wantVotes(r.ID, 1, handle.Approved)
}

// TestPanics panics in the bot and in what it calls. The log must not contain the
// value of a panic, which can quote a secret.
func TestPanics(t *testing.T) {
	const quoted = "simulated panic quoting a secret"
	tests := []struct {
		name    string
		inject  func(*world)
		votes   int
		want    int
		private []string
	}{
		{"After", func(w *world) {
			w.bot.After = func(context.Context, handle.Request, string) { panic(quoted) }
		}, 1, 200, nil},
		{"a read", func(w *world) {
			w.store.Fault = panicOn(handletest.Load, 1, quoted)
		}, 1, 200, nil},
		{"a write", func(w *world) {
			w.store.Fault = panicOn(handletest.Replace, 1, quoted)
		}, 1, 200, nil},
		{"every write", func(w *world) {
			w.store.Fault = panicOn(handletest.Replace, 1000, quoted)
		}, 0, 200, []string{"Your decision may not have been recorded"}},
		{"the bot, before the vote is durable", func(w *world) {
			// The bot reads the clock for the signature, the look-up and the vote.
			calls := 0
			w.bot.Now = func() time.Time {
				if calls++; calls == 3 {
					panic(quoted)
				}
				return w.clock()
			}
		}, 0, 500, []string{"Your decision could not be recorded."}},
		{"the bot, after the vote is durable", func(w *world) {
			w.bot.Now = func() time.Time {
				if w.store.Counts().Writes > 0 {
					panic(quoted)
				}
				return w.clock()
			}
		}, 1, 200, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newInMemoryWorld(t)
				r := w.launch()
				tt.inject(w)
				if res := w.send(w.approve(r)); res.status != tt.want {
					t.Errorf("status: got %d, want %d", res.status, tt.want)
				}
				w.wantPrivate(tt.private...)
				if got := w.stored(r.ID); len(got.Votes) != tt.votes {
					t.Errorf("votes: got %d, want %d", len(got.Votes), tt.votes)
				}
				logs := w.logs.String()
				if strings.Contains(logs, quoted) || !strings.Contains(logs, "panic") || !strings.Contains(logs, "hang_test.go") {
					t.Errorf("log: want the location of the panic without its value; got %s", logs)
				}
			})
		})
	}
}

// panicOn returns a Fault hook that panics in the first n calls of the method.
func panicOn(verb handletest.Method, n int, value any) func(handletest.Method, string) handletest.Fault {
	return func(v handletest.Method, _ string) handletest.Fault {
		if v == verb && n > 0 {
			n--
			panic(value)
		}
		return handletest.NoFault
	}
}

// TestPanicKeepsForm keeps the form open after a panic.
func TestPanicKeepsForm(t *testing.T) {
	w := newInMemoryWorld(t)
	r := w.launch()
	calls := 0
	w.bot.Now = func() time.Time {
		if calls++; calls == 3 {
			panic("simulated panic")
		}
		return w.clock()
	}
	w.wantFormError(w.send(w.submission(r)), "Your decision could not be recorded")
	w.wantVotes(r.ID, 0, handle.Pending)
}
