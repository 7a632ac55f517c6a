package story

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"countersign/deploy/gate"
)

// parameters returns values for the template's parameters: the given ones, and
// examples for those that have no default.
func parameters(t *gate.Template, given map[string]string) (map[string]string, error) {
	values := map[string]string{}
	for _, p := range t.Parameters() {
		v, ok := given[p.Name]
		if !ok {
			if p.HasDefault {
				continue
			}
			v = p.Example()
		}
		values[p.Name] = v
	}
	for name := range given {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("the template has no parameter %s", name)
		}
	}
	return values, nil
}

// gateHolds returns an error that names the resources that can start before the verdict, in any stack of the template. If
// that cannot be decided, it prints why, and the story shows what happens in one stack.
func gateHolds(out io.Writer, t *gate.Template) error {
	leaks, err := t.Leaks()
	var unproven *gate.UnprovenError
	if errors.As(err, &unproven) {
		fmt.Fprintf(out, "  note: %v\n", err)
		err = nil
	}
	if errors.Is(err, gate.ErrNoRequest) {
		return nil // the launch creates no request, and fails for that
	}
	if err != nil || len(leaks) == 0 {
		return err
	}
	var names []string
	for _, l := range leaks {
		names = append(names, l.String())
	}
	return fmt.Errorf("the gate does not hold back %s: make each depend on the verdict, by DependsOn or through a resource that does", strings.Join(names, ", "))
}

func title(t *gate.Template) string {
	first, _, _ := strings.Cut(cmp.Or(t.Description, "the product"), "\n")
	return first
}

// firstInput returns the IDs of the first input of a modal.
func firstInput(blocks json.RawMessage) (blockID, actionID string, err error) {
	var list []struct {
		Type    string `json:"type"`
		BlockID string `json:"block_id"`
		Element struct {
			ActionID string `json:"action_id"`
		} `json:"element"`
	}
	if err := json.Unmarshal(blocks, &list); err != nil {
		return "", "", err
	}
	for _, b := range list {
		if b.Type == "input" {
			return b.BlockID, b.Element.ActionID, nil
		}
	}
	return "", "", errors.New("the modal has no input")
}
