package function

import (
	"testing"

	"github.com/slack-go/slack"
)

// Only a known home tells who is outside of it.
func TestNoOneIsOutsideAnUnknownWorkspace(t *testing.T) {
	ann := &slack.User{ID: "U0ANN", TeamID: "T0EXAMPLE"}
	for _, tt := range []struct {
		deps Deps
		want bool
	}{
		{Deps{}, false},
		{Deps{Team: "T0EXAMPLE"}, false},
		{Deps{Team: "T0OTHER"}, true},
		{Deps{Enterprise: "E0OTHER"}, true},
	} {
		if got := tt.deps.outside(ann); got != tt.want {
			t.Errorf("team %q, organization %q: outside is %v, want %v", tt.deps.Team, tt.deps.Enterprise, got, tt.want)
		}
	}
}
