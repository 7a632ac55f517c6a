package slacktest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	api "github.com/slack-go/slack"

	"countersign/bot/slacktest"
)

// Concurrent apps and users: every ts is unique and no message is lost. Run with -race.
func TestConcurrentUse(t *testing.T) {
	const actors, rounds = 8, 10
	w := newWorld(t)
	_, ts := w.post(public, text("x"), approvalButtons())
	w.app.respond(func(http.ResponseWriter, *http.Request) {
		if _, err := w.PostAs(bob, public, ts, "seen"); err != nil {
			t.Error(err)
		}
	})
	w.SetFault(func(string, url.Values) *slacktest.Fault {
		_ = w.Calls()
		return nil
	})
	var all sync.WaitGroup
	for a := range actors {
		all.Go(func() {
			for r := range rounds {
				_, own, err := w.api.PostMessageContext(t.Context(), public, text(fmt.Sprint(a, r)))
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, _, err := w.api.UpdateMessageContext(t.Context(), public, own, text("changed")); err != nil {
					t.Error(err)
				}
				if i, err := w.ClickButton(ann, public, ts, "approve"); err != nil || i.Failed {
					t.Error(i.Notice, err)
				}
				w.AddUser(slacktest.User{ID: fmt.Sprintf("U%dX%d", a, r), Name: "extra"})
				_, _, _, _ = w.Users(), w.Channels(), w.UserGroups(), w.Ephemerals(ann)
				_, _ = w.Modal(ann)
			}
		})
	}
	all.Wait()

	seen := map[string]bool{}
	messages := w.Messages(public)
	for _, m := range append(messages, messages[0].Replies...) {
		if seen[m.TS] {
			t.Errorf("duplicate ts %s", m.TS)
		}
		seen[m.TS] = true
	}
	if got, want := len(seen), 1+2*actors*rounds; got != want {
		t.Errorf("messages: got %d, want %d", got, want)
	}
	if got, want := w.Counts()["chat.update"], actors*rounds; got != want {
		t.Errorf("updates: got %d, want %d", got, want)
	}
}

// Returned values are copies.
func TestCopies(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("<@U0ANN>"))
	w.post(public, text("reply"), msgTS(ts))
	if err := w.api.AddReactionContext(t.Context(), "eyes", api.NewRefToMessage(public, ts)); err != nil {
		t.Fatal(err)
	}
	before := w.Messages(public)
	spoiled := w.Messages(public)
	spoiled[0].Mentions[0], spoiled[0].Notified[0] = "x", "x"
	spoiled[0].Replies[0].Text = "x"
	spoiled[0].Reactions[0].Users[0] = "x"
	w.Channels()[0].Members[0] = "x"
	w.UserGroups()[0].Users[0] = "x"
	w.Users()[0].Name = "x"
	if diff := cmp.Diff(before, w.Messages(public)); diff != "" {
		t.Errorf("messages changed:\n%s", diff)
	}
	if w.Channels()[0].Members[0] != bot || w.UserGroups()[0].Users[0] != ann || w.Users()[0].Name != "countersign" {
		t.Error("channels, groups or users changed")
	}
}

// The same actions yield the same workspace, including all IDs.
func TestDeterministic(t *testing.T) {
	story := func() []slacktest.Message {
		w := newWorld(t, func(c *slacktest.Config) { c.Origin = "http://slack.example.com" })
		_, ts := w.post(public, text("x"), approvalButtons())
		w.opens(reasonModal())
		i, err := w.ClickButton(ann, public, ts, "reject")
		if err != nil || i.Opened == nil {
			t.Fatal(i, err)
		}
		w.post(public, text("opened "+i.Opened.ID+" "+i.Opened.Hash+" by "+i.TriggerID+" for "+i.ResponseURL), msgTS(ts))
		channel, _ := w.post(bob, text("x"))
		return append(w.Messages(public), w.Messages(channel)...)
	}
	if diff := cmp.Diff(story(), story()); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
}
