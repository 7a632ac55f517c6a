package story

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"countersign/deploy/gate"
)

// parameters returns values for the template's parameters: the given ones, and
// examples for those that have no default.
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

// failLast makes the last resource behind the gate fail with a reason.
func failLast(t *gate.Template, reason string) (map[string]string, error) {
	last, ok := gate.LastBehindGate(t.Resources())
	if !ok {
		return nil, errors.New("every resource behind the template's gate has a condition or is a custom resource: the simulation cannot make one fail")
	}
	return map[string]string{last.LogicalID: reason}, nil
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
