package bot_test

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/slack-go/slack"

	"countersign/bot"
	"countersign/handle"
)

func TestHomeIncludes(t *testing.T) {
	team, grid, org := bot.Home{Team: "T0HOME"}, bot.Home{Team: "T0HOME", Enterprise: "E0HOLDING"}, bot.Home{Enterprise: "E0HOLDING"}
	inGrid := func(team string, teams ...string) bot.Member {
		return bot.Member{Team: team, Enterprise: "E0HOLDING", Teams: teams}
	}
	for _, tt := range []struct {
		name    string
		home    bot.Home
		payload string
		member  bot.Member
		want    bool
	}{
		{"member of the workspace", team, "T0HOME", bot.Member{Team: "T0HOME"}, true},
		{"payload without a workspace", team, "", bot.Member{Team: "T0HOME"}, true},
		{"users.info without a workspace", team, "T0HOME", bot.Member{}, true},
		{"neither names a workspace", team, "", bot.Member{}, false},
		{"a different workspace", team, "T0AWAY", bot.Member{Team: "T0AWAY"}, false},
		{"the payload contradicts users.info", team, "T0AWAY", bot.Member{Team: "T0HOME"}, false},
		{"users.info contradicts the payload", team, "T0HOME", bot.Member{Team: "T0AWAY"}, false},
		{"a stranger", team, "T0HOME", bot.Member{Team: "T0HOME", Stranger: true}, false},
		{"no home is configured", bot.Home{}, "", bot.Member{}, false},

		{"workspace configured, clicked in a sister workspace", team, "T0SISTER", inGrid("T0HOME", "T0HOME", "T0SISTER"), true},
		{"workspace configured, member of several with a sister first", team, "T0SISTER", inGrid("T0SISTER", "T0SISTER", "T0HOME"), true},
		{"workspace configured, member of a sister workspace only", team, "T0SISTER", inGrid("T0SISTER", "T0SISTER"), false},
		{"workspace configured, team_id contradicts teams", team, "T0HOME", inGrid("T0HOME", "T0SISTER"), false},
		{"workspace configured, teams not listed", team, "T0SISTER", inGrid("T0HOME"), true},
		{"workspace configured, neither team_id nor teams", team, "T0SISTER", inGrid(""), false},

		{"organization configured, member of a sister workspace", grid, "T0SISTER", inGrid("T0SISTER", "T0SISTER"), true},
		{"organization configured, clicked as a member of it", grid, "E0HOLDING", inGrid(""), true},
		{"organization configured, another organization", grid, "T0HOME", bot.Member{Team: "T0HOME", Enterprise: "E0OTHER"}, false},
		{"organization configured, not in a Grid, at home", grid, "T0HOME", bot.Member{Team: "T0HOME"}, true},
		{"organization configured, not in a Grid, elsewhere", grid, "T0AWAY", bot.Member{Team: "T0AWAY"}, false},
		{"organization alone", org, "T0ANY", inGrid("T0ANY"), true},
		{"organization alone, users.info without enterprise_user", org, "T0ANY", bot.Member{Team: "T0ANY"}, false},
		{"organization alone, payload names it", org, "E0HOLDING", bot.Member{}, true},
	} {
		if got := tt.home.Includes(tt.payload, tt.member); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
}

// A Grid's users.info answer, asked for the person's organization ID.
func TestMemberHasAllIDs(t *testing.T) {
	raw, err := os.ReadFile("testdata/grid-users.info.json")
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ User slack.User }
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	m := bot.NewMember(&answer.User)
	want := handle.Person{Team: "T0HOME", ID: "U0LOCAL", Aliases: []string{"W0GLOBAL"}, Name: "Rita"}
	for _, asked := range []string{"W0GLOBAL", "U0LOCAL"} {
		if got := m.Person(asked, m.Team, ""); !reflect.DeepEqual(got, want) {
			t.Errorf("asked for %s: got %+v, want %+v", asked, got, want)
		}
	}
	if !(bot.Home{Team: "T0HOME"}).Includes("E0HOLDING", m) {
		t.Error("a member of T0HOME who clicks as a member of the organization: got not at home")
	}
}
