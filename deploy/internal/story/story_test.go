package story_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/story"
)

// TestMain lets the crash story start this program as the functions' process.
func TestMain(m *testing.M) {
	if localfn.IsChild() {
		localfn.RunChild()
		return
	}
	os.Exit(m.Run())
}

func template(t *testing.T, src []byte) *gate.Template {
	t.Helper()
	parsed, err := gate.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// updatesAsk lists the templates whose gates pass on their parameters.
var updatesAsk = map[string]bool{"product.yaml": true, "two-subnets.yaml": true}

func TestStories(t *testing.T) {
	templates := map[string][]byte{"product.yaml": deploy.Product}
	for _, name := range []string{
		"without-verdict.json", "two-subnets.yaml", "conditional-output.yaml", "deletionpolicy-if.yaml", "other-custom-resource.yaml",
		"only-conditional.yaml", "topic.yaml",
	} {
		src, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		templates[name] = src
	}
	for name, src := range templates {
		for _, s := range story.Stories() {
			t.Run(name+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				var out strings.Builder
				if err := story.Run(context.Background(), &out, s.Name, story.Config{Template: template(t, src)}); err != nil {
					t.Errorf("%v\n%s", err, out.String())
				}
				if isUpdate := s.Name == "update" || s.Name == "update-rejected"; isUpdate && !updatesAsk[name] {
					if !strings.Contains(out.String(), "skipped: the gate passes on no parameter") {
						t.Errorf("the output does not say why it was skipped:\n%s", out.String())
					}
					return
				}
				if !strings.Contains(out.String(), "all laws held") {
					t.Errorf("the output does not say that all laws held:\n%s", out.String())
				}
			})
		}
	}
}

// Here the verdict names no request, so the template is not gated.
func TestStoriesFailIfTheGateIsOpen(t *testing.T) {
	open := strings.Replace(string(deploy.Product), "RequestId: !Ref ApprovalRequest", "WaitUrl: ''", 1)
	var out strings.Builder
	err := story.Run(context.Background(), &out, "approve", story.Config{Template: template(t, []byte(open))})
	if !errors.Is(err, story.ErrFailed) || !strings.Contains(out.String(), "FAILED") {
		t.Errorf("error %v\n%s", err, out.String())
	}
}

func TestUnknownStoryOrParameterIsAnError(t *testing.T) {
	c := story.Config{Template: template(t, deploy.Product)}
	if err := story.Run(context.Background(), &strings.Builder{}, "no-such", c); err == nil || !strings.Contains(err.Error(), "approve") {
		t.Errorf("error %v does not list the stories", err)
	}
	c.Parameters = map[string]string{"NoSuch": "x"}
	if err := story.Run(context.Background(), &strings.Builder{}, "approve", c); err == nil || !strings.Contains(err.Error(), "NoSuch") {
		t.Errorf("error %v does not name the parameter", err)
	}
}
