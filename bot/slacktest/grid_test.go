package slacktest_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	api "github.com/slack-go/slack"

	"countersign/bot/slacktest"
)

const (
	organization, sister = "E0HOLDING", "T0SISTER"
	rita, ritaInOrg      = "U0LOCAL", "W0GLOBAL" // of this workspace
	sam, samInOrg        = "U0SAM", "W0SAM"      // of the sister workspace and this one
	tess, tessInOrg      = "U0TESS", "W0TESS"    // of the sister workspace only
	gridGroup            = "S0GRID"
)

// newGrid returns a world whose workspace belongs to an Enterprise Grid.
func newGrid(t *testing.T, change ...func(*slacktest.Config)) *world {
	w := newWorld(t, append(change, func(c *slacktest.Config) { c.EnterpriseID, c.EnterpriseName = organization, "Holding" })...)
	w.AddUser(slacktest.User{ID: rita, EnterpriseUserID: ritaInOrg, Name: "rita", Email: "rita@example.com"})
	w.AddUser(slacktest.User{ID: sam, EnterpriseUserID: samInOrg, Name: "sam", Email: "sam@example.com", TeamID: sister, Teams: []string{sister, team}})
	w.AddUser(slacktest.User{ID: tess, EnterpriseUserID: tessInOrg, Name: "tess", Email: "tess@example.com", TeamID: sister})
	w.AddUserGroup(slacktest.UserGroup{ID: gridGroup, Handle: "grid", Users: []string{rita, samInOrg}})
	if err := w.Invite(public, rita, sam); err != nil {
		t.Fatal(err)
	}
	return w
}

// Responses mix the two IDs of a person.
func TestGridIDs(t *testing.T) {
	w := newGrid(t)
	for _, id := range []string{rita, ritaInOrg} {
		u, err := w.api.GetUserInfoContext(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want := api.EnterpriseUser{ID: ritaInOrg, EnterpriseID: organization, EnterpriseName: "Holding", Teams: []string{team}}
		if diff := cmp.Diff(want, u.Enterprise); diff != "" || u.ID != rita || u.TeamID != team {
			t.Errorf("users.info of %s: got %s of %s, enterprise_user (-want +got):\n%s", id, u.ID, u.TeamID, diff)
		}
	}
	if u, err := w.api.GetUserByEmailContext(t.Context(), "rita@example.com"); err != nil || u.ID != ritaInOrg {
		t.Errorf("users.lookupByEmail: got %+v, %v, want the ID in the organization", u, err)
	}
	if ids, err := w.api.GetUserGroupMembersContext(t.Context(), gridGroup); err != nil || !slices.Equal(ids, []string{rita, samInOrg}) {
		t.Errorf("usergroups.users.list: got %v, %v", ids, err)
	}
	if u, err := w.api.GetUserInfoContext(t.Context(), ann); err != nil || u.Enterprise.ID != "" {
		t.Errorf("a user without an ID in the organization: got %+v, %v", u, err)
	}
	_, err := w.api.GetUserByEmailContext(t.Context(), "tess@example.com")
	wantCode(t, "users.lookupByEmail for a user in another workspace", err, "users_not_found")
}

// Both IDs of a person name the same person.
func TestGridPersonIsOne(t *testing.T) {
	w := newGrid(t)
	_, ts := w.post(public, text("<@"+ritaInOrg+"> <!subteam^"+gridGroup+">"), approvalButtons())
	if got := w.message(public, ts).Notified; !slices.Equal(got, []string{rita, sam}) {
		t.Errorf("notified: got %v", got)
	}
	if _, err := w.api.PostEphemeralContext(t.Context(), public, ritaInOrg, text("private")); err != nil {
		t.Error(err)
	}
	if len(w.Ephemerals(rita)) != 1 || len(w.Ephemerals(ritaInOrg)) != 1 {
		t.Error("the ephemeral message is not visible under both IDs")
	}
	first, _ := w.post(rita, text("x"))
	if second, _ := w.post(ritaInOrg, text("x")); first != second || len(w.DMs(rita)) != 2 {
		t.Errorf("DMs: got channels %s and %s", first, second)
	}
	w.opens(reasonModal())
	i, err := w.ClickButton(ritaInOrg, public, ts, "reject")
	if err != nil || i.Opened == nil {
		t.Fatal(i, err)
	}
	if v, ok := w.Modal(rita); !ok || v.ID != i.Opened.ID {
		t.Errorf("the modal under the other ID: got %+v, %t", v, ok)
	}
	w.app.respondWith(200, "")
	values := map[string]map[string]string{"reason": {"text": "because"}}
	if i, err := w.Submit(ritaInOrg, i.Opened.ID, values); err != nil || i.Failed {
		t.Errorf("submitting: got %+v, %v", i, err)
	}
	if got := w.app.last().User.ID; got != ritaInOrg {
		t.Errorf("user.id of the submission: got %s, want the ID that acted", got)
	}
}

func TestGridPayloads(t *testing.T) {
	type head struct {
		User struct {
			ID     string `json:"id"`
			TeamID string `json:"team_id"`
		} `json:"user"`
		Team *struct {
			ID           string `json:"id"`
			EnterpriseID string `json:"enterprise_id"`
		} `json:"team"`
		Enterprise          *struct{ ID, Name string } `json:"enterprise"`
		IsEnterpriseInstall bool                       `json:"is_enterprise_install"`
	}
	click := func(w *world, userID string) (h head) {
		_, ts := w.post(public, approvalButtons())
		i, err := w.ClickButton(userID, public, ts, "approve")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(i.Payload, &h); err != nil {
			t.Fatal(err)
		}
		return h
	}
	got := click(newGrid(t), samInOrg)
	if got.User.ID != samInOrg || got.User.TeamID != sister || got.Team == nil || got.Team.ID != team || got.Team.EnterpriseID != organization ||
		got.Enterprise == nil || got.Enterprise.ID != organization || got.IsEnterpriseInstall {
		t.Errorf("a user of the sister workspace: got %+v", got)
	}
	got = click(newGrid(t, func(c *slacktest.Config) { c.OrgInstall = true }), rita)
	if got.Team != nil || got.Enterprise == nil || !got.IsEnterpriseInstall {
		t.Errorf("installed on the organization: got %+v", got)
	}
	got = click(newWorld(t), ann)
	if got.Team == nil || got.Team.EnterpriseID != "" || got.Enterprise != nil || got.IsEnterpriseInstall {
		t.Errorf("outside Enterprise Grid: got %+v", got)
	}
}

func TestGridMembership(t *testing.T) {
	for _, tt := range []struct {
		name       string
		orgInstall bool
		id         string
		stranger   bool
	}{
		{"of the workspace", false, rita, false},
		{"of two workspaces", false, sam, false},
		{"of the sister workspace", false, tess, true},
		{"of the sister workspace, installed on the organization", true, tess, false},
		{"from another company, installed on the organization", true, stranger, true},
	} {
		w := newGrid(t, func(c *slacktest.Config) { c.OrgInstall = tt.orgInstall })
		u, err := w.api.GetUserInfoContext(t.Context(), tt.id)
		if err != nil || u.IsStranger != tt.stranger {
			t.Errorf("%s: got is_stranger %t, %v", tt.name, u.IsStranger, err)
		}
	}
	w := newGrid(t)
	w.AddChannel(slacktest.Channel{ID: "C0ORG", OrgShared: true, Members: []string{bot, tess}})
	if u, err := w.api.GetUserInfoContext(t.Context(), tess); err != nil || u.IsStranger {
		t.Errorf("in a channel shared within the organization: got %+v, %v", u, err)
	}
}

// A token of the organization must say which workspace it asks about.
func TestOrgTokenNeedsTeam(t *testing.T) {
	w := newGrid(t, func(c *slacktest.Config) { c.OrgInstall = true })
	for _, tt := range []struct{ team, want string }{{"", "missing_argument"}, {sister, "team_access_not_granted"}, {team, ""}} {
		_, err := w.api.GetUserGroupMembersContext(t.Context(), gridGroup, api.GetUserGroupMembersOptionTeamID(tt.team))
		wantCode(t, "team "+tt.team, err, tt.want)
	}
}

// Slack sometimes sends an empty state.values as a list.
func TestEmptyStateAsList(t *testing.T) {
	for _, asList := range []bool{false, true} {
		w := newWorld(t, func(c *slacktest.Config) { c.EmptyStateAsList = asList })
		w.AddTrigger("1.2.abc", ann)
		view, _ := json.Marshal(reasonModal())
		rec := w.serve("views.open", map[string][]string{"trigger_id": {"1.2.abc"}, "view": {string(view)}})
		var got struct {
			OK   bool
			View struct {
				State struct{ Values json.RawMessage }
			}
		}
		want := "{}"
		if asList {
			want = "[]"
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || !got.OK || string(got.View.State.Values) != want {
			t.Errorf("list %t: got %s, %v", asList, rec.Body, err)
		}
	}
}
