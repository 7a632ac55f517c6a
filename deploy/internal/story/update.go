package story

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/laws"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

func update(ctx context.Context, run *runner) error {
	return run.steps(ctx,
		run.launchApproved(),
		run.update(),
		run.heldUpdate(),
		run.click(sandbox.Ann, handle.Approve),
		run.requestIs(handle.Pending), // AWS does not prove who updates, so two people must approve
		run.heldUpdate(),
		run.click(sandbox.Bob, handle.Approve),
		run.requestIs(handle.Approved),
		run.stackIs("UPDATE_COMPLETE"),
		run.expect("the gate", func(ctx context.Context) error {
			r, err := run.request(ctx)
			if err == nil && run.currentStack().Resource(r.Stack.Gate).PhysicalID != r.ID {
				err = errors.New("its physical ID is not the request of the update")
			}
			return err
		}),
		run.expect("the verdict, if the template has one, ran again", func(ctx context.Context) error {
			r, err := run.request(ctx)
			if err != nil || !run.hasVerdict() {
				return err
			}
			for _, e := range run.currentStack().Events {
				if id, ok := laws.VerdictOf(e); ok && id == r.ID && e.Status == fakecfn.UpdateComplete {
					return nil
				}
			}
			return errors.New("it did not")
		}),
		run.threadHas("the update was approved by @Bob Approver", "the stack is ready (UPDATE_COMPLETE"),
		run.directMessagesHave(sandbox.Rita, "the update was approved by @Bob Approver"),
	)
}

func updateRejected(ctx context.Context, run *runner) error {
	const why = "Keep it in test until the review on Friday"
	var before handle.Request
	return run.steps(ctx,
		run.launchApproved(),
		run.expect("the record", func(ctx context.Context) (err error) {
			before, err = run.request(ctx)
			return err
		}),
		run.update(),
		run.heldUpdate(),
		run.reject(sandbox.Ann, why),
		run.requestIs(handle.Rejected),
		run.stackIs("UPDATE_ROLLBACK_COMPLETE"),
		run.expect("the stack's events", func(ctx context.Context) error {
			for _, e := range run.currentStack().Events {
				if e.Status == fakecfn.UpdateFailed && strings.Contains(e.Reason, "Rejected by Ann Approver: "+why) {
					return nil
				}
			}
			return errors.New("no UPDATE_FAILED event has the reason")
		}),
		run.expect("the gate and the launch's record", func(ctx context.Context) error {
			after, err := run.load(ctx, before.ID)
			switch {
			case err != nil:
				return err
			case run.currentStack().Resource(before.Stack.Gate).PhysicalID != before.ID:
				return errors.New("the gate's physical ID has changed")
			case after.State() != handle.Approved || after.Content != before.Content || after.Bypass != nil:
				return fmt.Errorf("the launch is %s, its bypass %+v, its content %+v", after.State(), after.Bypass, after.Content)
			}
			return nil
		}),
		run.noFurtherQuestion(),
		run.threadHas("the update was rejected by @Ann Approver", why, "the stack was rolled back"),
		run.directMessagesHave(sandbox.Rita, "the update was rejected by @Ann Approver", why),
	)
}

func updateBypass(ctx context.Context, run *runner) error {
	bypassBy := func(resource string) step {
		return run.action("Rita", "updates it to a version that adds "+resource+", and whose gate is the same as before", func(context.Context) error {
			changed, err := withResource(run.config.Template, resource)
			if err != nil {
				return err
			}
			return run.sandbox.UpdateProduct(run.stack, sandbox.Update{Template: changed})
		})
	}
	alarms := 0
	alarmed := run.expect("the alarm", func(context.Context) error {
		before := alarms
		if alarms = run.alarms.count("bypass"); alarms == before {
			return errors.New("it was not logged")
		}
		return nil
	})
	return run.steps(ctx,
		run.launchApproved(),
		bypassBy("FirstTopic"),
		run.stackIs("UPDATE_COMPLETE"),
		run.expect("the bypass is recorded", func(ctx context.Context) error {
			r, err := run.request(ctx)
			if err == nil && (r.Bypass == nil || !strings.Contains(r.Bypass.How, "changed its template without an approval")) {
				err = fmt.Errorf("the bypass is %+v", r.Bypass)
			}
			return err
		}),
		alarmed,
		run.noFurtherQuestion(),
		run.messageHas("Bypassed approval"),
		run.threadHas("changed its template without an approval", "please investigate"),
		run.directMessagesHave(sandbox.Rita, "changed its template without an approval"),

		run.action("CloudFormation's API", "is throttled", func(context.Context) error {
			run.sandbox.CloudFormation.SetThrottled(true)
			return nil
		}),
		bypassBy("SecondTopic"),
		run.stackIs("UPDATE_COMPLETE"),
		run.expect("the update is not compared yet", func(context.Context) error {
			if n := run.alarms.count("bypass"); n != alarms {
				return fmt.Errorf("%d alarms, want %d", n, alarms)
			}
			return nil
		}),
		run.action("CloudFormation's API", "answers again", func(context.Context) error {
			run.sandbox.CloudFormation.SetThrottled(false)
			return nil
		}),
		run.advance("by a quarter of an hour, until the sweep", func(handle.Request) time.Time { return run.sandbox.Clock.Now().Add(15 * time.Minute) }),
		alarmed,
		run.noFurtherQuestion(),
	)
}

// launchApproved launches the product, which Ann approves, and lets a day pass.
func (run *runner) launchApproved() step {
	return func(ctx context.Context) error {
		return run.steps(ctx,
			run.launch(),
			run.posted(),
			run.click(sandbox.Ann, handle.Approve),
			run.stackIs("CREATE_COMPLETE"),
			run.advance("by a day", func(handle.Request) time.Time { return run.sandbox.Clock.Now().Add(24 * time.Hour) }),
		)
	}
}

// update changes a parameter of the launched product that its gate passes on. It
// takes the first change that the template accepts.
func (run *runner) update() step {
	return func(ctx context.Context) error {
		current := map[string]string{}
		for _, p := range run.currentStack().Parameters {
			current[p.Key] = p.Value
		}
		var rejected error
		for _, p := range askingParameters(run.config.Template) {
			value := otherValue(p, current[p.Name])
			if value == "" {
				continue
			}
			err := run.sandbox.UpdateProduct(run.stack, sandbox.Update{Parameters: map[string]string{p.Name: value}})
			if err != nil {
				rejected = err
				continue
			}
			run.print("Rita", fmt.Sprintf("updates it: %s from %s to %s", p.Name, current[p.Name], value))
			run.changed, run.requests = handle.Change{Name: p.Name, Old: current[p.Name], New: value}, run.requests+1
			return nil
		}
		return fmt.Errorf("no parameter of the gate could be changed: %w", cmp.Or(rejected, errNoUpdate))
	}
}

// heldUpdate checks that the update waits for a question that shows what changes.
func (run *runner) heldUpdate() step {
	return run.expect("the update waits", func(ctx context.Context) error {
		r, err := run.request(ctx)
		if err != nil {
			return err
		}
		s := run.currentStack()
		if got := s.Resource(r.Stack.Gate).Status; s.Status != fakecfn.UpdateInProgress || got != fakecfn.UpdateInProgress {
			return fmt.Errorf("the stack is %s, and its gate is %s", s.Status, got)
		}
		change := "`" + run.changed.Name + "`: `" + run.changed.Old + "` → `" + run.changed.New + "`"
		if err := run.messageHas("Update needs approval")(ctx); err != nil {
			return err
		}
		if err := run.messageHas(change)(ctx); err != nil {
			return err
		}
		return run.threadHas("this update is waiting for approval by")(ctx)
	})
}

// noFurtherQuestion checks that nothing is asked but what the story counts.
func (run *runner) noFurtherQuestion() step {
	return run.expect("no further question", func(ctx context.Context) error {
		if _, err := run.request(ctx); err != nil {
			return err
		}
		if n := len(run.sandbox.Slack.Messages(sandbox.Channel)); n != run.requests {
			return fmt.Errorf("%d messages in the channel, want %d", n, run.requests)
		}
		return nil
	})
}

// errNoUpdate means that updates of the template do not ask.
var errNoUpdate = errors.New("the gate passes on no parameter that can be changed, so its updates take effect without an approval; " +
	"give the request resource the properties Parameters and Template, as deploy/product.yaml has them")

// asks returns errNoUpdate if no change of a parameter would ask.
func asks(t *gate.Template) error {
	if len(askingParameters(t)) == 0 {
		return errNoUpdate
	}
	return nil
}

// askingParameters returns the parameters that the gate passes on and whose other
// values are known: those with a list of values first, then numbers, then text.
func askingParameters(t *gate.Template) []*gate.Parameter {
	passed := map[string]bool{}
	for _, r := range t.Resources() {
		properties := member(r.Node, "Properties")
		if !strings.HasPrefix(r.Type, "Custom::") || member(properties, "WaitUrl") == nil {
			continue
		}
		if list := member(properties, "Parameters"); list != nil && list.Kind == yaml.MappingNode {
			for i := 0; i < len(list.Content); i += 2 {
				passed[list.Content[i].Value] = true
			}
		}
	}
	var out []*gate.Parameter
	for _, p := range t.Parameters() {
		if passed[p.Name] && !p.NoEcho {
			out = append(out, p)
		}
	}
	rank := func(p *gate.Parameter) int {
		switch {
		case len(p.AllowedValues) > 1:
			return 0
		case p.Type == "Number":
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out, func(a, b *gate.Parameter) int { return rank(a) - rank(b) })
	return out
}

// otherValue returns another value for a parameter; empty if there is none.
func otherValue(p *gate.Parameter, current string) string {
	for _, v := range p.AllowedValues {
		if v != current {
			return v
		}
	}
	switch {
	case len(p.AllowedValues) > 0:
		return ""
	case p.Type == "Number":
		n, err := strconv.Atoi(current)
		if err != nil {
			return ""
		}
		return strconv.Itoa(n + 1)
	}
	return current + "-2"
}

// withResource returns the template with one more resource, a topic. Nothing that the gate
// passes on changes.
func withResource(t *gate.Template, logicalID string) (*gate.Template, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(t.Source(), &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 {
		return nil, errors.New("the template is empty")
	}
	resources := member(document.Content[0], "Resources")
	if resources == nil {
		return nil, errors.New("the template has no resources")
	}
	var added yaml.Node
	if err := added.Encode(map[string]map[string]string{logicalID: {"Type": "AWS::SNS::Topic"}}); err != nil {
		return nil, err
	}
	resources.Content = append(resources.Content, added.Content...)
	document.Content[0].Style = 0 // a template in JSON becomes YAML
	src, err := yaml.Marshal(&document)
	if err != nil {
		return nil, err
	}
	return gate.Parse(src)
}

// member returns the value of a key of a mapping; nil if there is none.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
