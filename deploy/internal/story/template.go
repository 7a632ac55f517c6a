package story

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"countersign/deploy/gate"
)

// parameters are values for all that a template asks for: given, or its own
// defaults, or made up.
func parameters(t *gate.Template, given map[string]string) (map[string]string, error) {
	values := map[string]string{}
	for _, p := range t.Parameters() {
		v, ok := given[p.Name]
		switch {
		case ok:
		case p.HasDefault:
			continue
		case len(p.AllowedValues) > 0:
			v = p.AllowedValues[0]
		case strings.Contains(strings.ToLower(p.Name), "mail"):
			v = "rita@example.com"
		case strings.Contains(p.Type, "Number"):
			v = "1"
		default:
			v = "example"
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

func title(t *gate.Template) string {
	first, _, _ := strings.Cut(cmp.Or(t.Description, "the product"), "\n")
	return first
}

// failLast picks the resource that is to fail: the last one behind the gate
// that is always created.
func failLast(t *gate.Template, why string) (map[string]string, error) {
	resources := t.Resources()
	behind := map[string]bool{} // logical IDs of the wait and of all that depends on it
	for range resources {       // in any order: as often as there are resources is enough
		for _, r := range resources {
			on := slices.ContainsFunc(r.DependsOn, func(id string) bool { return behind[id] })
			behind[r.LogicalID] = behind[r.LogicalID] || on || r.Type == "AWS::CloudFormation::WaitCondition"
		}
	}
	for _, r := range slices.Backward(resources) {
		gate := strings.HasPrefix(r.Type, "Custom::") || strings.HasPrefix(r.Type, "AWS::CloudFormation::")
		if behind[r.LogicalID] && !gate && r.Condition == "" {
			return map[string]string{r.LogicalID: why}, nil
		}
	}
	return nil, errors.New("the template has no resource behind its gate that could fail")
}

// input finds the first input of a modal.
func input(blocks json.RawMessage) (blockID, actionID string, err error) {
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
