package fakecfn_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/deploy/internal/fakecfn"
)

// randomTemplate declares some of six resources, each of which may refer to earlier ones. Its parameter V is in some of
// their properties.
func randomTemplate(rng *rand.Rand) string {
	var b strings.Builder
	b.WriteString("Parameters: {V: {Type: String, Default: 0}}\nResources:\n  Always: {Type: AWS::SQS::Queue, Properties: {V: !Ref V}}\n")
	var names []string
	for i, typ := range []string{"Custom::X", "AWS::SQS::Queue", "Custom::X", "AWS::SQS::Queue", "Custom::X", "AWS::SQS::Queue"} {
		if rng.IntN(4) == 0 {
			continue
		}
		name := fmt.Sprintf("R%d", i)
		properties := []string{"ServiceToken: 'arn:aws:lambda:us-east-1:111122223333:function:f'"}
		if rng.IntN(2) == 0 {
			properties = append(properties, "V: !Ref V")
		}
		if len(names) > 0 && rng.IntN(2) == 0 {
			properties = append(properties, "Of: !Ref "+names[rng.IntN(len(names))])
		}
		fmt.Fprintf(&b, "  %s: {Type: %s, Properties: {%s}}\n", name, typ, strings.Join(properties, ", "))
		names = append(names, name)
	}
	return b.String()
}

// TestRandomUpdates updates stacks at random, answers at random and cancels. Each update ends, event IDs are unique, and
// once the stack is deleted each physical ID that the provider returned was the subject of a Delete.
func TestRandomUpdates(t *testing.T) {
	statuses := map[fakecfn.Status]int{}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newFixture(t, func(c *fakecfn.Config) { c.Delay = time.Duration(rng.IntN(2)) * time.Minute })
		alive := map[string]bool{}
		answered, ids := 0, 0
		hostile := true
		answer := func() {
			in := w.invoked[answered]
			answered++
			id, reason := in.PhysicalResourceId, ""
			if id == "" || hostile && in.RequestType == "Update" && rng.IntN(3) == 0 {
				ids++
				id = fmt.Sprintf("id-%d", ids)
			}
			if hostile && in.RequestType == "Update" && rng.IntN(5) == 0 {
				reason = "no"
			}
			used := false
			w.answer(in, id, reason, nil)
			for _, q := range w.stack(in.StackId).Requests {
				if q.ID == in.RequestId {
					used = q.Responses[0].Used
				}
			}
			switch {
			case in.RequestType == "Delete":
				delete(alive, in.PhysicalResourceId)
			case used:
				alive[id] = true
			}
		}
		settle := func(id string) {
			for range 200 {
				switch {
				case answered < len(w.invoked):
					answer()
				case w.stack(id).Status.InProgress():
					w.advance(time.Minute)
				default:
					return
				}
			}
			t.Fatalf("seed %d: stack stays %s", seed, w.stack(id).Status)
		}
		hostile = false
		id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, randomTemplate(rng))})
		settle(id)
		hostile = true
		for i := range 4 {
			in := fakecfn.UpdateStackInput{Stack: id, Template: mustParse(t, randomTemplate(rng)), Parameters: map[string]string{"V": fmt.Sprint(i + 1)}}
			if rng.IntN(3) == 0 {
				in.Fail = map[string]string{"Always": "no capacity"}
			}
			if err := w.engine.UpdateStack(in); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if rng.IntN(3) == 0 {
				for range rng.IntN(3) {
					if answered < len(w.invoked) {
						answer()
					}
				}
				_ = w.engine.CancelUpdateStack(id) // refused if it has ended
			}
			settle(id)
			status := w.stack(id).Status
			statuses[status]++
			if status == fakecfn.UpdateRollbackFailed {
				break
			}
		}
		hostile = false
		if err := w.engine.DeleteStack(id); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		settle(id)
		if st := w.stack(id); st.Status != fakecfn.DeleteComplete || len(alive) > 0 {
			t.Errorf("seed %d: %s, not deleted: %v", seed, st.Status, slices.Sorted(maps.Keys(alive)))
		}
		seen := map[string]bool{}
		for _, ev := range w.stack(id).Events {
			if seen[ev.ID] {
				t.Errorf("seed %d: two events have the ID %s", seed, ev.ID)
			}
			seen[ev.ID] = true
		}
	}
	for _, status := range []fakecfn.Status{fakecfn.UpdateComplete, fakecfn.UpdateRollbackComplete, fakecfn.UpdateRollbackFailed} {
		if statuses[status] < 20 {
			t.Errorf("%s: reached %d times, which tests little", status, statuses[status])
		}
	}
}
