package handle_test

import (
	"slices"
	"strings"
	"testing"

	"countersign/handle"
)

func TestSlackIDs(t *testing.T) {
	forms := map[string]func(string) bool{
		"user": handle.IsUser, "group": handle.IsUserGroup, "channel": handle.IsChannel, "conversation": handle.IsConversation,
		"team": handle.IsTeam, "enterprise": handle.IsEnterprise, "app": handle.IsApp,
		"channel name": handle.IsChannelName, "timestamp": handle.IsTimestamp,
	}
	for _, tt := range []struct {
		id   string
		want string // names of forms, separated by commas
	}{
		{"U0ANN", "user"}, {"W012A3CDE", "user"}, {"U1", "user"},
		{"S0GUARDS", "group"},
		{"C0APPROVALS", "channel,conversation"}, {"G0PRIVATE", "channel,conversation"}, {"D0DIRECT", "conversation"},
		{"T0HOME", "team"}, {"E0GRID", "enterprise"}, {"A0APP", "app"},
		{"U" + strings.Repeat("A", 29), "user"}, {"U" + strings.Repeat("A", 30), ""},
		{"U", ""}, {"S", ""}, {"C", ""}, {"T", ""}, {"", ""},
		{"u0ann", ""}, {"U0ann", ""}, {" U0ANN", ""}, {"U0ANN\n", ""}, {"U0ÄNN", ""}, {"U0-ANN", ""},
		{"B0BOT", ""}, {"<@U0ANN>", ""}, {"0U0ANN", ""},

		{"#approvals", "channel name"}, {"#größe", "channel name"}, {"approvals", ""},
		{"#", ""}, {"##x", ""}, {"#a b", ""}, {"#a\u00a0b", ""}, {"#a,b", ""}, {"#@here", ""},

		{"1764000000.123456", "timestamp"}, {"1.0", "timestamp"}, {"1." + strings.Repeat("0", 30), "timestamp"}, {"1." + strings.Repeat("0", 31), ""},
		{"1764000000", ""}, {"1764000000.", ""}, {".123456", ""}, {".", ""}, {"1.2.3", ""}, {"-1.2", ""}, {"1.2\n", ""}, {"1,2", ""}, {"١.٢", ""},
	} {
		for name, is := range forms {
			if got, want := is(tt.id), slices.Contains(strings.Split(tt.want, ","), name); got != want {
				t.Errorf("%q is a %s: got %t, want %t", tt.id, name, got, want)
			}
		}
	}
}
