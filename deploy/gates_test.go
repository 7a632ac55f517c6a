package deploy

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/gate"
)

// Every update of these products asks: the request resource passes on every parameter by
// Ref, and the digest of the rest of the template.
func TestUpdatesOfSampleProductsAsk(t *testing.T) {
	for name, request := range map[string]string{"product.yaml": "ApprovalRequest", "internal/story/testdata/two-subnets.yaml": "Ask"} {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, stale, err := gate.SetDigest(src); err != nil || len(stale) > 0 {
			t.Errorf("%s: the property Template of %v is stale (%v): run\n  go run ./deploy/countersign gate digest --write deploy/%s", name, stale, err, name)
		}
		template := read(t, name)
		want := map[string]any{}
		for parameter := range at(template, "Parameters").(map[string]any) {
			want[parameter] = map[string]any{"Ref": parameter}
		}
		if d := cmp.Diff(want, at(template, "Resources", request, "Properties", "Parameters")); d != "" {
			t.Errorf("%s: Parameters of %s (-want +got):\n%s", name, request, d)
		}
		want = map[string]any{request: "3600"} // how long an update may wait
		got := map[string]any{}
		for id, r := range at(template, "Resources").(map[string]any) {
			if !strings.HasPrefix(at(r, "Type").(string), "Custom::") {
				continue
			}
			got[id] = at(r, "Properties", "ServiceTimeout")
			if at(r, "Properties", "RequestId") != nil {
				want[id] = "600" // longer than three attempts of the notifier
			}
		}
		if d := cmp.Diff(want, got); d != "" || len(got) != 2 {
			t.Errorf("%s: ServiceTimeout (-want +got):\n%s", name, d)
		}
	}
}
