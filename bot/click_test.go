package bot_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

func TestApprove(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.wantAck(w.send(w.approve(r)))

	got := w.wantVotes(r.ID, 1, handle.Approved)
	want := handle.Person{Team: "T0HOME", ID: approver, Name: "Member " + approver}
	if v := got.Votes[0]; !reflect.DeepEqual(v.By, want) || v.Via != handle.ViaSlack || !v.At.Equal(w.clock()) {
		t.Errorf("the vote: got %+v, want one by %+v now", v, want)
	}
	w.wantPrivate() // the message shows the decision
	after := w.afterCalls()
	if len(after) != 1 || after[0].holder == "" || !after[0].request.HeldBy(after[0].holder, w.clock()) {
		t.Fatalf("After: got %+v, want one call under a lease", after)
	}
	if diff := handletest.Diff(got, after[0].request); diff != "" {
		t.Errorf("After got another request than the store (-stored +given):\n%s", diff)
	}
}

// TestWhoMayDecide clicks Approve as different users.
func TestWhoMayDecide(t *testing.T) {
	const notNamed = "You aren't an approver of this launch, so your decision was not recorded. Approvers: <@U0APPROVER1>, <!subteam^S0APPROVERS>."
	tests := []struct {
		name    string
		by      string // the workspace's own, unless edited
		user    map[string]any
		edit    func(*world, *handle.Request)
		change  func(document)
		why     handle.RefusalReason // recorded; empty if the approval counts
		private string
		cold    bool // Slack is not asked
	}{
		{name: "a named approver", by: approver},
		{name: "a member of a named group", by: member},
		{name: "not an approver", by: outsider, why: handle.RefusedNotApprover, private: notNamed},
		{
			name: "the requester, who is an approver", by: requester, why: handle.RefusedOwnRequest,
			edit:    func(_ *world, r *handle.Request) { r.Terms.Approvers = append(r.Terms.Approvers, requester) },
			private: "This is your own request, and requesters can't decide their own. Approvers: <@U0APPROVER1>, <!subteam^S0APPROVERS>, <@U0REQUESTER>.",
		},
		{
			name: "the requester, where self-approval is allowed", by: requester,
			edit: func(_ *world, r *handle.Request) {
				r.Terms.Approvers = append(r.Terms.Approvers, requester)
				r.Terms.SelfApproval = true
			},
		},
		{
			name: "the requester, not an approver", by: requester, why: handle.RefusedNotApprover, private: notNamed,
		},
		{
			name: "an approver, while the requester is unknown", by: approver, why: handle.RefusedUnverified,
			edit: func(_ *world, r *handle.Request) {
				r.Requester = handle.Requester{Email: "robin.requester@example.com"}
			},
			private: "The requester's identity is still being checked, so your decision was not recorded.",
		},
		{name: "a guest", by: approver, user: map[string]any{"is_restricted": true}, why: handle.RefusedNotMember, private: "Guests, bots and deactivated accounts can't decide"},
		{name: "a single-channel guest", by: approver, user: map[string]any{"is_ultra_restricted": true}, why: handle.RefusedNotMember, private: "Guests"},
		{name: "a bot", by: approver, user: map[string]any{"is_bot": true}, why: handle.RefusedNotMember, private: "Guests"},
		{name: "deactivated", by: approver, user: map[string]any{"deleted": true}, why: handle.RefusedNotMember, private: "Guests"},
		{name: "a deactivated member of a group", by: member, user: map[string]any{"deleted": true}, why: handle.RefusedNotMember, private: "Guests"},
		{
			name: "another workspace, through Slack Connect", by: approver, why: handle.RefusedOtherWorkspace,
			change:  func(d document) { d.set("T0ELSEWHERE", "user", "team_id") },
			private: "You're in a different Slack workspace",
			cold:    true,
		},
		{
			name: "another workspace and organization in the payload", by: approver, why: handle.RefusedOtherWorkspace,
			edit: func(w *world, _ *handle.Request) { w.bot.EnterpriseID = "E0HOLDING" },
			change: func(d document) {
				d.set("T0ELSEWHERE", "user", "team_id").set(map[string]any{"id": "E0OTHERS"}, "enterprise")
			},
			private: "You're in a different Slack workspace",
			cold:    true,
		},
		{
			name: "another workspace in users.info, none in the payload", by: approver, why: handle.RefusedOtherWorkspace,
			user:    map[string]any{"team_id": "T0ELSEWHERE"},
			change:  func(d document) { delete(d["user"].(map[string]any), "team_id") },
			private: "You're in a different Slack workspace",
		},
		{
			name: "home workspace in users.info, none in the payload", by: approver,
			change: func(d document) { delete(d["user"].(map[string]any), "team_id") },
		},
		{
			name: "home workspace in the payload, another in users.info", by: approver, why: handle.RefusedOtherWorkspace,
			user:    map[string]any{"team_id": "T0ELSEWHERE"},
			private: "You're in a different Slack workspace",
		},
		{
			name: "home workspace in the payload, another organization in users.info", by: approver, why: handle.RefusedOtherWorkspace,
			user:    map[string]any{"enterprise_user": map[string]any{"id": approver, "enterprise_id": "E0OTHERS"}},
			edit:    func(w *world, _ *handle.Request) { w.bot.EnterpriseID = "E0HOLDING" },
			private: "You're in a different Slack workspace",
		},
		{
			name: "a member of two workspaces of an organization", by: approver,
			user: map[string]any{"team_id": "T0SISTER", "enterprise_user": map[string]any{"id": approver, "enterprise_id": "E0HOLDING"}},
		},
		{name: "a stranger", by: approver, user: map[string]any{"is_stranger": true}, why: handle.RefusedOtherWorkspace, private: "different Slack workspace"},
		{
			name: "no user", by: "", why: handle.RefusedNotMember,
			change: func(d document) { d.set("ada.approver", "user", "name") },
			cold:   true,
		},
		{
			name: "unknown to Slack", by: approver, why: handle.RefusedUnverified, private: "Slack could not confirm who you are, so your decision was not recorded. Try again in a moment.",
			edit: func(w *world, _ *handle.Request) { w.slack.fail["users.info"] = "user_not_found" },
		},
		{
			name: "users.info answers with another user", by: approver, user: map[string]any{"id": outsider},
			why: handle.RefusedUnverified, private: "Slack could not confirm who you are",
		},
		{
			name: "users.info fails", by: approver, why: handle.RefusedUnverified, private: "Slack could not confirm who you are",
			edit: func(w *world, _ *handle.Request) { w.slack.fail["users.info"] = "500" },
		},
		{
			name: "users.info is rate limited", by: approver, why: handle.RefusedUnverified, private: "Slack could not confirm who you are",
			edit: func(w *world, _ *handle.Request) { w.slack.fail["users.info"] = "ratelimited" },
		},
		{
			name: "the group look-up fails", by: member, why: handle.RefusedUnverified, private: "Slack could not confirm who you are",
			edit: func(w *world, _ *handle.Request) { w.slack.fail["usergroups.users.list"] = "missing_scope" },
		},
		{
			name: "the group look-up fails, but is not needed", by: approver,
			edit: func(w *world, _ *handle.Request) { w.slack.fail["usergroups.users.list"] = "missing_scope" },
		},
		{
			name: "the group is disabled", by: member, why: handle.RefusedNotApprover, private: notNamed,
			edit: func(w *world, _ *handle.Request) { w.slack.disableGroup(approversGroup) },
		},
		{
			name: "in the last of many groups", by: outsider,
			edit: func(w *world, r *handle.Request) {
				for _, g := range []string{"S0A", "S0B", "S0C", "S0D", "S0E", "S0F"} {
					r.Terms.Approvers = append(r.Terms.Approvers, g)
					w.slack.setGroup(g, "U0X")
				}
				w.slack.setGroup("S0F", outsider)
			},
		},
		{
			name: "another workspace of the organization", by: "W0DISTANT",
			user: map[string]any{"team_id": "T0SISTER", "enterprise_user": map[string]any{"id": "W0DISTANT", "enterprise_id": "E0HOLDING"}},
			edit: func(w *world, r *handle.Request) {
				w.bot.EnterpriseID = "E0HOLDING"
				r.Terms.Approvers = []string{"W0DISTANT"}
			},
			change: func(d document) {
				d.set("T0SISTER", "user", "team_id").set(map[string]any{"id": "E0HOLDING"}, "enterprise")
			},
		},
		{
			name: "the organization as the workspace in the payload", by: "W0DISTANT",
			user: map[string]any{"team_id": "T0SISTER", "enterprise_user": map[string]any{"id": "W0DISTANT", "enterprise_id": "E0HOLDING"}},
			edit: func(w *world, r *handle.Request) {
				w.bot.EnterpriseID = "E0HOLDING"
				r.Terms.Approvers = []string{"W0DISTANT"}
			},
			change: func(d document) { d.set("E0HOLDING", "user", "team_id").set(nil, "team") },
		},
		{
			name: "another organization, in a shared channel", by: "W0DISTANT", why: handle.RefusedOtherWorkspace,
			user: map[string]any{"team_id": "T0ELSEWHERE", "enterprise_user": map[string]any{"id": "W0DISTANT", "enterprise_id": "E0OTHERS"}},
			edit: func(w *world, r *handle.Request) {
				w.bot.EnterpriseID = "E0HOLDING"
				r.Terms.Approvers = []string{"W0DISTANT"}
			},
			// The payload's enterprise is the one of the installation, not of the user.
			change: func(d document) {
				d.set("T0ELSEWHERE", "user", "team_id").set(map[string]any{"id": "E0HOLDING"}, "enterprise")
			},
			private: "different Slack workspace",
		},
		{
			name: "the requester, recorded under their ID in the organization", by: approver, why: handle.RefusedOwnRequest,
			user: map[string]any{"enterprise_user": map[string]any{"id": "W0REQUESTER", "enterprise_id": "E0HOLDING"}},
			edit: func(w *world, r *handle.Request) {
				w.bot.EnterpriseID = "E0HOLDING"
				*r = r.IdentifyRequester("W0REQUESTER", []string{"W0REQUESTER"}, true)
			},
			private: "This is your own request",
		},
		{
			name: "in a group under their ID in the organization", by: outsider,
			user: map[string]any{"enterprise_user": map[string]any{"id": "W0OUTSIDER", "enterprise_id": "E0HOLDING"}},
			edit: func(w *world, _ *handle.Request) {
				w.bot.EnterpriseID = "E0HOLDING"
				w.slack.setGroup(approversGroup, "W0OUTSIDER")
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.by != "" && tt.user != nil {
				w.slack.add(tt.by, tt.user)
			}
			r := w.launch(func(r *handle.Request) {
				if tt.edit != nil {
					tt.edit(w, r)
				}
			})
			d := w.approve(r).by(tt.by)
			if tt.change != nil {
				tt.change(d)
			}
			if res := w.send(d); tt.by == "" {
				w.wantServerError(res)
			} else {
				w.wantAck(res)
			}
			if tt.why == "" {
				w.wantVotes(r.ID, 1, handle.Approved)
				w.wantPrivate()
				return
			}
			got := w.wantVotes(r.ID, 0, handle.Pending)
			if n := got.CountRefusals(tt.why); n != 1 {
				t.Errorf("recorded refusals because of %q: got %d, want 1; events %+v", tt.why, n, got.Events)
			}
			if last := got.Events[len(got.Events)-1]; last.By.ID != tt.by {
				t.Errorf("who was refused: got %+v, want %s", last.By, tt.by)
			}
			if tt.by != "" {
				w.wantPrivate(tt.private)
			}
			if n := w.slack.count("users.info"); tt.cold && n != 0 {
				t.Errorf("look-ups: got %d, want none, because the payload suffices", n)
			}
		})
	}
}

// TestPersonCountsOnceAcrossWorkspaces approves as one person from several
// workspaces of an organization.
func TestPersonCountsOnceAcrossWorkspaces(t *testing.T) {
	w := newWorld(t)
	w.bot.EnterpriseID = "E0HOLDING"
	w.slack.add(approver, map[string]any{"enterprise_user": map[string]any{"id": approver, "enterprise_id": "E0HOLDING"}})
	r := w.launch(quorum(2))
	for _, team := range []string{"T0HOME", "T0SISTER", "E0HOLDING"} {
		w.wantAck(w.send(w.approve(r).set(team, "user", "team_id")))
	}
	w.wantVotes(r.ID, 1, handle.Pending)
	w.wantPrivate("Recorded. 1 more approval is needed.", "You already approved this request. 1 more", "You already approved this request. 1 more")
}

func TestQuorum(t *testing.T) {
	w := newWorld(t)
	r := w.launch(quorum(3))
	w.wantAck(w.send(w.approve(r)))
	w.wantPrivate("Recorded. 2 more approvals are needed.")
	w.wantAck(w.send(w.approve(r)))
	w.wantPrivate("Recorded.", "You already approved this request. 2 more approvals are needed.")
	w.wantAck(w.send(w.approve(r).by(member)))
	w.wantPrivate("Recorded.", "You already", "Recorded. 1 more approval is needed.")
	w.wantAck(w.send(w.approve(r).by("U0SECOND")))
	w.wantPrivate("Recorded.", "You already", "Recorded.")
	w.wantVotes(r.ID, 3, handle.Approved)
}

func TestClickOnClosedRequest(t *testing.T) {
	ada := handle.Voter{Person: handle.Person{Team: "T0HOME", ID: approver, Name: "Ada"}, Home: true}
	decided := func(v handle.Verdict) func(*handle.Request) {
		return func(r *handle.Request) {
			var err error
			if *r, err = r.VoteBySlack(ada, v, "because", launched.Add(time.Minute)); err != nil {
				panic(err)
			}
		}
	}
	tests := []struct {
		name    string
		edit    func(*handle.Request)
		by      string
		later   time.Duration
		why     handle.RefusalReason
		private string
	}{
		{"approved by another user", decided(handle.Approve), member, 0, handle.RefusedDecided, "Already approved by <@U0APPROVER1>, <!date^1795341660^{date_short_pretty} at {time}|2026-11-22 10:01 UTC>."},
		{"rejected by another user", decided(handle.Reject), member, 0, handle.RefusedDecided, "Already rejected by <@U0APPROVER1>, "},
		{"approved by the same person", decided(handle.Approve), approver, 0, "", "You already approved this request."},
		{"approved by the same person, then rejected", func(r *handle.Request) {
			r.Terms.Approvals = 2
			decided(handle.Approve)(r)
			*r, _ = r.VoteByMail("Kim", handle.Reject, "because", launched.Add(time.Minute))
		}, approver, 0, "", "You already approved this request. Already rejected by `Kim` (by mail, name as typed), <!date^"},
		{"rejected by the same person", decided(handle.Reject), approver, 0, handle.RefusedDecided, "Already rejected by <@U0APPROVER1>, "},
		{
			"approved by mail, under a hostile name", func(r *handle.Request) {
				*r, _ = r.VoteByMail("<!channel> `Kim` & <@U0VICTIM>", handle.Approve, "", launched.Add(time.Minute))
			}, member, 0, handle.RefusedDecided, "Already approved by `&lt;!channel&gt; ˋKimˋ &amp; &lt;@U0VICTIM&gt;` (by mail, name as typed), ",
		},
		{
			"withdrawn", func(r *handle.Request) { *r = r.Withdraw("the stack gave up <here>", launched.Add(time.Minute)) },
			approver, 0, handle.RefusedDecided, "This request was withdrawn (<!date^1795341660^{date_short_pretty} at {time}|2026-11-22 10:01 UTC>): `the stack gave up &lt;here&gt;`.",
		},
		{"expired, as recorded", func(r *handle.Request) { *r = r.Expire(r.Terms.Deadline) }, approver, 12 * time.Hour, handle.RefusedExpired, "This request expired without a decision (<!date^"},
		{"expired, not recorded yet", func(*handle.Request) {}, approver, 12 * time.Hour, handle.RefusedExpired, "This request expired without a decision (<!date^"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch(tt.edit)
			w.advance(tt.later)
			w.wantAck(w.send(w.approve(r).by(tt.by)))
			w.wantPrivate(tt.private)
			got := w.stored(r.ID)
			if len(got.Votes) != len(r.Votes) {
				t.Errorf("votes: got %d, want %d as before", len(got.Votes), len(r.Votes))
			}
			if tt.why != "" && got.CountRefusals(tt.why) != 1 {
				t.Errorf("refusals because of %q: got %d, want 1", tt.why, got.CountRefusals(tt.why))
			}
			if tt.later > 0 && got.State() != handle.Expired {
				t.Errorf("state: got %s, want expired", got.State())
			}
			if n := w.slack.count("users.info") + w.slack.count("usergroups.users.list"); n != 0 {
				t.Errorf("look-ups: got %d, want none, because they change nothing", n)
			}
			if len(w.afterCalls()) != 1 {
				t.Errorf("After: got %d calls, want 1, because something is due", len(w.afterCalls()))
			}
		})
	}
}

// TestRefusedClickReconciles checks that a refused click calls After if something is
// due, and only then.
func TestRefusedClickReconciles(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.wantAck(w.send(w.approve(r).by(outsider)))
	if n := len(w.afterCalls()); n != 0 {
		t.Errorf("After when nothing is due: got %d calls, want none", n)
	}
	w.wantAck(w.send(w.approve(r).by(outsider).set("1795341700.000300", "container", "message_ts")))
	after := w.afterCalls()
	if len(after) != 1 || after[0].holder == "" {
		t.Fatalf("After: got %+v, want one call under a lease", after)
	}
	if got := w.stored(r.ID); len(got.Messages) != 2 || got.CountRefusals(handle.RefusedNotApprover) != 2 || got.Lease.Holder != after[0].holder {
		t.Errorf("the record: got messages %v, lease %v, events %v", got.Messages, got.Lease, got.Events)
	}
}

// TestVoteWhileLeaseIsHeld votes while the sweep holds the lease.
func TestVoteWhileLeaseIsHeld(t *testing.T) {
	w := newWorld(t)
	r := w.launch(func(r *handle.Request) { *r, _ = r.Claim("sweep", launched.Add(10*time.Minute)) })
	w.wantAck(w.send(w.approve(r)))
	got := w.wantVotes(r.ID, 1, handle.Approved)
	if got.Lease.Holder != "sweep" {
		t.Errorf("lease: got %v, want the sweep's", got.Lease)
	}
	if after := w.afterCalls(); len(after) != 1 || after[0].holder != "" {
		t.Errorf("After: got %+v, want one call without a lease", after)
	}
}

func TestClickAdoptsMessage(t *testing.T) {
	tests := []struct {
		name   string
		change func(document)
		want   int // messages of the request
	}{
		{"the known message", func(document) {}, 1},
		{"a copy", func(d document) { d.set("1795341700.000300", "container", "message_ts") }, 2},
		{"a copy in another channel", func(d document) { d.set("C0OTHER", "container", "channel_id") }, 2},
		{"no container", func(d document) { delete(d, "container"); d.set("1795341700.000300", "message", "ts") }, 2},
		{"an ephemeral message", func(d document) {
			d.set("1795341700.000300", "container", "message_ts").set(true, "container", "is_ephemeral")
		}, 1},
		{"an invalid channel", func(d document) { d.set("C0 evil", "container", "channel_id") }, 1},
		{"an invalid ts", func(d document) { d.set("17.0/../x", "container", "message_ts") }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			d := w.approve(r)
			tt.change(d)
			w.wantAck(w.send(d))
			if got := w.wantVotes(r.ID, 1, handle.Approved); len(got.Messages) != tt.want {
				t.Errorf("messages: got %v, want %d", got.Messages, tt.want)
			}
			if n := w.store.Counts(); n.Reads != 1 || n.Writes != 1 {
				t.Errorf("calls of the store: got %+v, want one read and one write", n)
			}
		})
	}
}

func TestUnknownButtons(t *testing.T) {
	const nowhere = "nowhere to answer"
	const unknown = "This button belongs to an unknown request."
	ticket := func(s string) func(document) {
		return func(d document) { d.set(s, "actions", "0", "value") }
	}
	tests := []struct {
		name    string
		change  func(document)
		private []string
	}{
		{"no ticket", ticket(""), []string{unknown}},
		{"an invalid ticket", ticket("v1.evil.approve"), []string{unknown}},
		{"a ticket of a later version", ticket("v2.abcdefghabcdefgh-abcdefgh.approve"), []string{unknown}},
		{"a ticket of an unknown request", ticket("v1.abcdefghabcdefgh-abcdefgh.approve"), []string{unknown}},
		{"a ticket of the other verdict", func(d document) { d.set("reject", "actions", "0", "action_id") }, []string{unknown}},
		{"another action", func(d document) { d.set("other", "actions", "0", "action_id") }, nil},
		{"no action", func(d document) { d.set([]any{}, "actions") }, nil},
		{nowhere, func(d document) { delete(d, "container"); delete(d, "channel"); ticket("")(d) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			d := w.approve(r)
			tt.change(d)
			if res := w.send(d); tt.name == nowhere {
				w.wantServerError(res)
			} else {
				w.wantAck(res)
			}
			w.wantPrivate(tt.private...)
			if diff := handletest.Diff(r, w.stored(r.ID)); diff != "" {
				t.Errorf("the record changed (-before +after):\n%s", diff)
			}
			if tt.private != nil && w.logs.String() == "" {
				t.Error("nothing was logged")
			}
		})
	}
}

// TestUnknownPayloadFields sends a payload with unknown blocks and elements, fields
// of other types, and no team.
func TestUnknownPayloadFields(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.wantAck(w.send(w.document("approve-strange.json", handle.Ticket{ID: r.ID, Verdict: handle.Approve}.String())))
	w.wantVotes(r.ID, 1, handle.Approved)
}

// TestPrivateMessagesAreShort uses a very long reason and product name.
func TestPrivateMessagesAreShort(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("é", 5000)
	r := w.launch(func(r *handle.Request) {
		*r = r.Withdraw(long, launched)
		r.Product.Name = long
	})
	w.wantAck(w.send(w.approve(r)))
	if got := w.slack.ephemerals(); len(got) != 1 || len(got[0]) > 500 {
		t.Errorf("private messages: got %q, want a short one", got)
	}
}

// A person of an Enterprise Grid clicks as a member of the organization (W0GLOBAL),
// then as a member of the workspace (U0LOCAL): they are one person.
func TestGridPersonIsOnePerson(t *testing.T) {
	inGrid := map[string]any{"id": "U0LOCAL", "team_id": "T0HOME",
		"enterprise_user": map[string]any{"id": "W0GLOBAL", "enterprise_id": "E0HOLDING", "teams": []string{"T0HOME"}}}
	grid := func(t *testing.T) *world {
		w := newWorld(t)
		for _, id := range []string{"U0LOCAL", "W0GLOBAL"} {
			w.slack.add(id, inGrid)
		}
		return w
	}
	click := func(w *world, r handle.Request, as string) {
		d := w.approve(r).by(as)
		d.set("T0SISTER", "user", "team_id").set(map[string]any{"id": "E0HOLDING"}, "enterprise")
		w.wantAck(w.send(d))
	}
	t.Run("cannot approve their own request", func(t *testing.T) {
		w := grid(t)
		r := w.launch(func(r *handle.Request) {
			r.Terms.Approvers = append(r.Terms.Approvers, "U0LOCAL")
			*r = r.IdentifyRequester("U0LOCAL", []string{"U0LOCAL"}, true)
		})
		click(w, r, "W0GLOBAL")
		w.wantVotes(r.ID, 0, handle.Pending)
		w.wantPrivate("This is your own request")
	})
	t.Run("counts once towards two", func(t *testing.T) {
		w := grid(t)
		r := w.launch(quorum(2), func(r *handle.Request) { r.Terms.Approvers = append(r.Terms.Approvers, "U0LOCAL") })
		click(w, r, "W0GLOBAL")
		click(w, r, "U0LOCAL")
		got := w.wantVotes(r.ID, 1, handle.Pending)
		if by := got.Votes[0].By; by.ID != "U0LOCAL" || !slices.Equal(by.Aliases, []string{"W0GLOBAL"}) {
			t.Errorf("the vote is by %+v, want U0LOCAL alias W0GLOBAL", by)
		}
	})
}
