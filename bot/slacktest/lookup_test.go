package slacktest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	api "github.com/slack-go/slack"

	"countersign/bot/slacktest"
)

func TestAuthTest(t *testing.T) {
	w := newWorld(t)
	got, err := w.api.AuthTestContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.TeamID != team || got.UserID != bot || got.BotID != "B0BOT" || got.User != "countersign" || got.Team != "Here" {
		t.Errorf("got %+v", got)
	}
	if got, want := got.Header.Get("X-OAuth-Scopes"), "chat:write,commands,im:read"; len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("scopes: got %q, want them to begin with %q", got, want)
	}
	_, err = w.client("xoxb-wrong").AuthTestContext(t.Context())
	wantCode(t, "a wrong token", err, "invalid_auth")
	_, err = w.client("").AuthTestContext(t.Context())
	wantCode(t, "no token", err, "not_authed")
}

func TestBotInfo(t *testing.T) {
	w := newWorld(t)
	got, err := w.api.GetBotInfoContext(t.Context(), api.GetBotInfoParameters{Bot: "B0BOT"})
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "B0BOT" || got.AppID != "A0APP" || got.UserID != bot || got.Name != "countersign" || got.Deleted {
		t.Errorf("got %+v", got)
	}
	for _, id := range []string{"B0OTHER", ""} {
		_, err = w.api.GetBotInfoContext(t.Context(), api.GetBotInfoParameters{Bot: id})
		wantCode(t, "bot "+id, err, "bot_not_found")
	}
}

// A method that needs a scope is refused without it and has no effect.
func TestScopes(t *testing.T) {
	ctx := t.Context()
	tests := []struct {
		method, needed string
		call           func(*world) error
	}{
		{"chat.postMessage", "chat:write", func(w *world) error { _, _, err := w.api.PostMessageContext(ctx, public, text("x")); return err }},
		{"chat.postEphemeral", "chat:write", func(w *world) error { _, err := w.api.PostEphemeralContext(ctx, public, ann, text("x")); return err }},
		{"chat.update", "chat:write", func(w *world) error {
			_, _, _, err := w.api.UpdateMessageContext(ctx, public, "1.2", text("x"))
			return err
		}},
		{"conversations.info", "channels:read", func(w *world) error { return w.info(public) }},
		{"conversations.info of a private channel", "groups:read", func(w *world) error { return w.info(private) }},
		{"conversations.list", "channels:read", func(w *world) error { _, err := w.list(0, "public_channel"); return err }},
		{"conversations.list of private channels", "groups:read", func(w *world) error { _, err := w.list(0, "private_channel"); return err }},
		{"users.info", "users:read", func(w *world) error { _, err := w.api.GetUserInfoContext(ctx, ann); return err }},
		{"bots.info", "users:read", func(w *world) error {
			_, err := w.api.GetBotInfoContext(ctx, api.GetBotInfoParameters{Bot: "B0BOT"})
			return err
		}},
		{"users.lookupByEmail", "users:read.email", func(w *world) error { _, err := w.api.GetUserByEmailContext(ctx, "ann@example.com"); return err }},
		{"usergroups.list", "usergroups:read", func(w *world) error { _, err := w.api.GetUserGroupsContext(ctx); return err }},
		{"usergroups.users.list", "usergroups:read", func(w *world) error { _, err := w.api.GetUserGroupMembersContext(ctx, group); return err }},
		{"reactions.add", "reactions:write", func(w *world) error { return w.api.AddReactionContext(ctx, "eyes", api.NewRefToMessage(public, "1.2")) }},
		{"reactions.remove", "reactions:write", func(w *world) error {
			return w.api.RemoveReactionContext(ctx, "eyes", api.NewRefToMessage(public, "1.2"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.method, func(t *testing.T) {
			w := newWorld(t, func(c *slacktest.Config) {
				c.Scopes = slices.DeleteFunc(slices.Clone(allScopes), func(s string) bool { return s == tt.needed })
			})
			var no api.SlackErrorResponse
			if err := tt.call(w); !errors.As(err, &no) || no.Err != "missing_scope" || no.Needed != tt.needed || no.Provided == "" {
				t.Errorf("got %+v (%v), want missing_scope for %s", no, err, tt.needed)
			}
			if err := tt.call(newWorld(t)); code(err) == "missing_scope" {
				t.Error("missing_scope with all scopes")
			}
		})
	}
}

func (w *world) info(id string) error {
	_, err := w.api.GetConversationInfoContext(w.t.Context(), &api.GetConversationInfoInput{ChannelID: id})
	return err
}

func (w *world) list(limit int, types ...string) (ids []string, err error) {
	p := &api.GetConversationsParameters{Types: types, Limit: limit}
	for {
		channels, cursor, err := w.api.GetConversationsContext(w.t.Context(), p)
		if err != nil {
			return nil, err
		}
		for _, c := range channels {
			ids = append(ids, c.ID)
		}
		if p.Cursor = cursor; cursor == "" {
			return ids, nil
		}
	}
}

func TestPagination(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		cursor string
		limit  int
		want   string
	}{
		{"", 0, ""},
		{"!", 0, "invalid_cursor"},
		{"bmV4dDo5OTk=", 0, "invalid_cursor"}, // beyond the end
		{"", 1001, "invalid_limit"},
		{"", -1, "invalid_limit"},
	} {
		_, _, err := w.api.GetConversationsContext(t.Context(), &api.GetConversationsParameters{Cursor: tt.cursor, Limit: tt.limit})
		wantCode(t, tt.cursor, err, tt.want)
	}
}

func TestConversationsList(t *testing.T) {
	w := newWorld(t)
	dm, _ := w.post(ann, text("hello"))
	for _, tt := range []struct {
		types []string
		want  []string
	}{
		{nil, []string{public, open, closed, shared}},
		{[]string{"private_channel"}, []string{private}},
		{[]string{"im"}, []string{dm}},
		{[]string{"public_channel", "private_channel"}, []string{public, private, open, closed, shared}},
	} {
		for _, limit := range []int{0, 2} {
			got, err := w.list(limit, tt.types...)
			if err != nil {
				t.Errorf("%v: %v", tt.types, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%v, limit %d (-want +got):\n%s", tt.types, limit, diff)
			}
		}
	}
	channels, cursor, err := w.api.GetConversationsContext(t.Context(), &api.GetConversationsParameters{ExcludeArchived: true, Limit: 2})
	if err != nil || len(channels) != 2 || channels[1].ID != open || !strings.HasSuffix(cursor, "=") {
		t.Errorf("got %d channels, cursor %q, %v; want two, and a cursor that ends like Slack's", len(channels), cursor, err)
	}
	if channels, _, err = w.api.GetConversationsContext(t.Context(), &api.GetConversationsParameters{ExcludeArchived: true, Cursor: cursor}); err != nil || len(channels) != 1 || channels[0].ID != shared {
		t.Errorf("without archived channels: got %v, %v, want the shared one left", channels, err)
	}
	_, err = w.list(0, "club")
	wantCode(t, "an unknown type", err, "invalid_types")
}

func TestConversationInfo(t *testing.T) {
	w := newWorld(t)
	info := func(id string) *api.Channel {
		c, err := w.api.GetConversationInfoContext(t.Context(), &api.GetConversationInfoInput{ChannelID: id, IncludeNumMembers: true})
		if err != nil {
			t.Fatalf("conversations.info of %s: %v", id, err)
		}
		return c
	}
	if c := info(shared); !c.IsExtShared || !c.IsShared || !c.IsMember || c.NumMembers != 4 || c.Name != "partners" {
		t.Errorf("the shared channel: got %+v", c)
	}
	if c := info(open); c.IsMember || c.IsPrivate || !c.IsChannel {
		t.Errorf("the channel without the bot: got %+v", c)
	}
	if c := info(private); !c.IsPrivate {
		t.Errorf("the private channel: got %+v", c)
	}
	if c := info(closed); !c.IsArchived {
		t.Errorf("the archived channel: got %+v", c)
	}
	wantCode(t, "a hidden channel", w.info(hidden), "channel_not_found")
	if err := w.Invite(hidden, bot); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "once the bot is invited", w.info(hidden), "")
	if err := w.Remove(hidden, bot); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "once it is removed", w.info(hidden), "channel_not_found")
}

func TestUsersInfo(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		id   string
		want func(*api.User) bool
	}{
		{ann, func(u *api.User) bool {
			return u.TeamID == team && u.Profile.Email == "ann@example.com" && u.Name == "ann" && u.RealName == "The ann" && u.Profile.DisplayName == "ann"
		}},
		{guest, func(u *api.User) bool { return u.IsRestricted && !u.IsUltraRestricted }},
		{gone, func(u *api.User) bool { return u.Deleted }},
		{bot, func(u *api.User) bool { return u.IsBot }},
		{olga, func(u *api.User) bool { return u.TeamID == elsewhere && !u.IsStranger && u.Profile.Email == "" }},
		{stranger, func(u *api.User) bool { return u.TeamID == elsewhere && u.IsStranger }},
	} {
		u, err := w.api.GetUserInfoContext(t.Context(), tt.id)
		if err != nil || !tt.want(u) {
			t.Errorf("users.info of %s: got %+v, %v", tt.id, u, err)
		}
	}
	_, err := w.api.GetUserInfoContext(t.Context(), "U0UNKNOWN")
	wantCode(t, "unknown user", err, "user_not_found")
}

func TestEmailNeedsScope(t *testing.T) {
	w := newWorld(t, func(c *slacktest.Config) { c.Scopes = []string{"users:read"} })
	u, err := w.api.GetUserInfoContext(t.Context(), ann)
	if err != nil || u.Profile.Email != "" {
		t.Errorf("got the email %q without users:read.email (%v)", u.Profile.Email, err)
	}
}

func TestLookupByEmail(t *testing.T) {
	w := newWorld(t)
	for email, want := range map[string]string{
		"ann@example.com": ann, "ANN@example.com": ann, "guest@example.com": guest,
		"gone@example.com": "", "outsider@example.com": "", "unknown@example.com": "", "": "",
	} {
		u, err := w.api.GetUserByEmailContext(t.Context(), email)
		if want == "" {
			wantCode(t, email, err, "users_not_found")
		} else if err != nil || u.ID != want {
			t.Errorf("%s: got %v, %v, want %s", email, u, err, want)
		}
	}
}

func TestUserGroups(t *testing.T) {
	w := newWorld(t)
	users, err := w.api.GetUserGroupMembersContext(t.Context(), group)
	if err != nil || !slices.Equal(users, []string{ann, bob}) {
		t.Errorf("members: got %v, %v", users, err)
	}
	for _, id := range []string{"S0NONE", oldGroup} {
		_, err = w.api.GetUserGroupMembersContext(t.Context(), id)
		wantCode(t, id, err, "no_such_subteam")
	}
	users, err = w.api.GetUserGroupMembersContext(t.Context(), oldGroup, api.GetUserGroupMembersOptionIncludeDisabled(true))
	if err != nil || !slices.Equal(users, []string{ann}) {
		t.Errorf("members of a disabled group: got %v, %v", users, err)
	}
}

func TestReactions(t *testing.T) {
	w := newWorld(t)
	_, ts := w.post(public, text("x"))
	item := api.NewRefToMessage(public, ts)
	add := func(name string, item api.ItemRef) string {
		return code(w.api.AddReactionContext(t.Context(), name, item))
	}
	for _, tt := range []struct{ what, got, want string }{
		{"the first", add("eyes", item), ""},
		{"the same", add("eyes", item), "already_reacted"},
		{"another", add("white_check_mark", item), ""},
		{"no emoji", add("not an emoji", item), "invalid_name"},
		{"on nothing", add("eyes", api.NewRefToMessage(public, "1.2")), "message_not_found"},
		{"on no message", add("eyes", api.ItemRef{Channel: public}), "no_item_specified"},
		{"hidden", add("eyes", api.NewRefToMessage(hidden, ts)), "channel_not_found"},
		{"without the bot", add("eyes", api.NewRefToMessage(open, w.annsMessage(open))), "not_in_channel"},
	} {
		if tt.got != tt.want {
			t.Errorf("reactions.add, %s: got %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	want := []slacktest.Reaction{{Name: "eyes", Count: 1, Users: []string{bot}}, {Name: "white_check_mark", Count: 1, Users: []string{bot}}}
	if diff := cmp.Diff(want, w.message(public, ts).Reactions); diff != "" {
		t.Errorf("reactions (-want +got):\n%s", diff)
	}
	wantCode(t, "reactions.remove", w.api.RemoveReactionContext(t.Context(), "eyes", item), "")
	wantCode(t, "reactions.remove again", w.api.RemoveReactionContext(t.Context(), "eyes", item), "no_reaction")
	if diff := cmp.Diff(want[1:], w.message(public, ts).Reactions); diff != "" {
		t.Errorf("after reactions.remove (-want +got):\n%s", diff)
	}
}

// annsMessage returns the ts of a new message of ann's.
func (w *world) annsMessage(channelID string) string {
	w.t.Helper()
	ts, err := w.PostAs(ann, channelID, "", "said")
	if err != nil {
		w.t.Fatal(err)
	}
	return ts
}

func TestUnknownMethod(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.api.ScheduleMessageContext(t.Context(), public, "1795424400", text("x"))
	wantCode(t, "chat.scheduleMessage", err, "unknown_method")
}

func TestGroupListHasWhatIsAskedFor(t *testing.T) {
	w := newWorld(t)
	w.AddUserGroup(slacktest.UserGroup{ID: "S0OLD", Handle: "old", Disabled: true})
	list := func(options ...api.GetUserGroupsOption) map[string]api.UserGroup {
		t.Helper()
		groups, err := w.api.GetUserGroupsContext(t.Context(), options...)
		if err != nil {
			t.Fatal(err)
		}
		byID := map[string]api.UserGroup{}
		for _, g := range groups {
			byID[g.ID] = g
		}
		return byID
	}
	if g := list(); g[group].Handle == "" || g[group].UserCount != 0 || g[group].Users != nil || g["S0OLD"].ID != "" {
		t.Errorf("got %+v", g)
	}
	all := list(api.GetUserGroupsOptionIncludeUsers(true), api.GetUserGroupsOptionIncludeCount(true), api.GetUserGroupsOptionIncludeDisabled(true))
	if g := all[group]; g.UserCount != len(g.Users) || g.UserCount == 0 || all["S0OLD"].DateDelete == 0 {
		t.Errorf("got %+v", all)
	}
}
