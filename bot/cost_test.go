package bot_test

import (
	"slices"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

// TestClickCost counts the calls between a click and the signal: one read, one
// write, and look-ups only if they are not cached from the last minute.
func TestClickCost(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name  string
		by    string
		later time.Duration // since the previous click
		asked []string
	}{
		{"named, cold", approver, 0, []string{"users.info"}},
		{"named, warm", approver, 59 * time.Second, nil},
		{"named, cold again", approver, time.Second, []string{"users.info"}},
		{"in a group, cold", member, 0, []string{"usergroups.users.list", "users.info"}},
		{"in a group, warm", member, time.Second, nil},
		{"another member of the group", "U0SECOND", 0, []string{"users.info"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.advance(tt.later)
			r, err := w.store.Store.Create(t.Context(), handletest.Request(100+i, launched, posted))
			if err != nil {
				t.Fatal(err)
			}
			w.store.Reset()
			w.slack.forget()
			w.after = nil
			w.wantAck(w.send(w.approve(r).by(tt.by)))
			after := w.afterCalls()
			if len(after) != 1 {
				t.Fatalf("After: got %d calls, want 1", len(after))
			}
			if want := (handletest.Counts{Reads: 1, Writes: 1}); after[0].reads != want {
				t.Errorf("store calls before After: got %+v, want %+v", after[0].reads, want)
			}
			slices.Sort(after[0].asked) // look-ups leave side by side
			if !slices.Equal(after[0].asked, tt.asked) {
				t.Errorf("Slack calls before After: got %v, want %v", after[0].asked, tt.asked)
			}
			w.wantVotes(r.ID, 1, handle.Approved)
		})
	}
}

// TestFailedLookupIsNotCached clicks again after Slack has recovered.
func TestFailedLookupIsNotCached(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.slack.fail["users.info"] = "fatal_error"
	w.wantAck(w.send(w.approve(r)))
	w.wantVotes(r.ID, 0, handle.Pending)
	delete(w.slack.fail, "users.info")
	w.wantAck(w.send(w.approve(r)))
	w.wantVotes(r.ID, 1, handle.Approved)
}

// TestGroupMembershipIsCachedForAMinute removes a member from the group.
func TestGroupMembershipIsCachedForAMinute(t *testing.T) {
	w := newWorld(t)
	first := w.launch(quorum(2))
	w.wantAck(w.send(w.approve(first).by(member)))
	w.wantVotes(first.ID, 1, handle.Pending)
	w.slack.setGroup(approversGroup)
	w.advance(time.Minute)
	w.wantAck(w.send(w.approve(first).by("U0SECOND")))
	w.wantVotes(first.ID, 1, handle.Pending)
	w.wantPrivate("Recorded. 1 more approval is needed.", "You aren't an approver")
}

// TestLookUpsLeaveSideBySide: while users.info hangs, the user group is looked up.
func TestLookUpsLeaveSideBySide(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	release := make(chan struct{})
	w.slack.hang["users.info"] = release
	payload := w.approve(r).by(member)
	done := make(chan response)
	go func() { done <- w.send(payload) }()
	for end := time.Now().Add(10 * time.Second); w.slack.count("usergroups.users.list") == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Error("the group is not looked up")
			break
		}
	}
	close(release)
	w.wantAck(<-done)
	w.wantVotes(r.ID, 1, handle.Approved)
	if n := w.slack.count("usergroups.users.list"); n != 1 {
		t.Errorf("the group was looked up %d times", n)
	}
}
