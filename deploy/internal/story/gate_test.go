package story_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/story"
)

// Each gate leaks in another way: a resource without a dependency, one that only production has, and a chain.
func TestEveryStoryFailsIfTheGateLeaks(t *testing.T) {
	replace := func(src string, pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(src, pairs[i]) {
				t.Fatalf("the sample has no %q", pairs[i])
			}
			src = strings.Replace(src, pairs[i], pairs[i+1], 1)
		}
		return src
	}
	product := string(deploy.Product)
	const dependsOn, tags = "    DependsOn: ApprovalVerdict\n", "        - {Key: approved-by, Value: !GetAtt ApprovalVerdict.ApprovedBy}\n        - {Key: approval-request, Value: !Ref ApprovalRequest}\n"
	tests := []struct {
		name, src, environment string
		static                 string   // what is said of the template
		happened               string   // the resources that start early in the story's stack
		stories                []string // nil: all
	}{
		{"no dependency", replace(product, dependsOn, ""), "test", "hold back DeadLetters:", "DeadLetters", nil},
		{"a condition that holds", replace(product, "Outputs:\n", "  Hole: {Type: AWS::SQS::Queue, Condition: IsProduction}\nOutputs:\n"), "production", "hold back Hole:", "Hole", nil},
		{"a condition that does not hold", replace(product, "Outputs:\n", "  Hole: {Type: AWS::SQS::Queue, Condition: IsProduction}\nOutputs:\n"), "test", "hold back Hole:", "", []string{"approve", "bypass"}},
		{"a chain", replace(product, dependsOn, "", "      Tags:\n"+tags, ""), "production", "hold back DeadLetters, Queue, StaleMessages:", "DeadLetters, Queue, StaleMessages", []string{"approve", "reject", "bypass", "update"}},
		{"a branch", replace(product, dependsOn, "", "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: !If [IsProduction, 1209600, !GetAtt ApprovalVerdict.ApprovedAt]"), "production", "hold back DeadLetters (if Environment=production):", "DeadLetters", []string{"approve", "bypass"}},
	}
	for _, test := range tests {
		parsed := template(t, []byte(test.src))
		for _, s := range story.Stories() {
			if test.stories != nil && !slices.Contains(test.stories, s.Name) {
				continue
			}
			t.Run(test.name+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				var out strings.Builder
				err := story.Run(context.Background(), &out, s.Name, story.Config{Template: parsed, Parameters: map[string]string{"Environment": test.environment}})
				if !errors.Is(err, story.ErrFailed) || !strings.Contains(err.Error(), test.static) {
					t.Errorf("error %v, want one with %q", err, test.static)
				}
				_, happened, _ := strings.Cut(err.Error(), "these did: ")
				ownTemplate := s.Name == "new-version"
				if got := strings.TrimRight(happened, "]"); got != test.happened && !ownTemplate {
					t.Errorf("error %v says that %q started early, want %q", err, got, test.happened)
				}
			})
		}
	}
}

// A story that is skipped, because the gate's updates do not ask, still says that the gate
// leaks or is missing.
func TestSkippedStoriesFailIfTheGateLeaks(t *testing.T) {
	const open = "Parameters:\n  UserEmail: {Type: String, Default: rita@example.com}\nResources:\n  Queue: {Type: AWS::SQS::Queue}\n"
	const gated = open + "  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}\n" +
		"  Request: {Type: Custom::Request, Properties: {ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:countersign-notifier', WaitUrl: !Ref Handle}}\n" +
		"  Wait: {Type: AWS::CloudFormation::WaitCondition, DependsOn: Request, Properties: {Handle: !Ref Handle, Timeout: '600'}}\n"
	for src, want := range map[string]string{gated: "hold back Queue:", open: gate.ErrNoRequest.Error()} {
		for _, name := range []string{"update", "update-rejected"} {
			var out strings.Builder
			err := story.Run(context.Background(), &out, name, story.Config{Template: template(t, []byte(src))})
			if !errors.Is(err, story.ErrFailed) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", name, err, want)
			}
		}
	}
}
