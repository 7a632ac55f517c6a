package fakecfn

import (
	"path"
	"strings"
)

// arguments are the values of a stack's parameters.
type arguments struct {
	values []value     // as the template's parameters
	shown  []Parameter // as DescribeStacks shows them
}

// arguments checks what is given for the parameters of a template, and completes it with the defaults.
func (e *Engine) arguments(defs []*parameter, given map[string]string) (arguments, error) {
	if err := checkNames(defs, given); err != nil {
		return arguments{}, err
	}
	a := arguments{values: make([]value, len(defs)), shown: make([]Parameter, len(defs))}
	for i, def := range defs {
		s, ok := given[def.name]
		if !ok {
			s = *def.fallback
		}
		if err := def.check(s); err != nil {
			return arguments{}, err
		}
		a.shown[i] = Parameter{Key: def.name, Value: s}
		if def.isStored() {
			stored, ok := e.stored(def, s)
			if !ok {
				return arguments{}, invalid("Unable to fetch parameters [%s] from parameter store for this account.", s)
			}
			s, a.shown[i].ResolvedValue = stored, stored
		}
		a.values[i] = def.value(s)
		if def.noEcho {
			a.shown[i].Value = mask
		}
	}
	return a, nil
}

func checkNames(defs []*parameter, given map[string]string) error {
	known := map[string]bool{}
	var missing []string
	for _, def := range defs {
		known[def.name] = true
		if _, ok := given[def.name]; !ok && def.fallback == nil {
			missing = append(missing, def.name)
		}
	}
	var strange []string
	for name := range given {
		if !known[name] {
			strange = append(strange, name)
		}
	}
	if len(strange) > 0 {
		return invalid("Parameters: [%s] do not exist in the template", sortedJoin(strange))
	}
	if len(missing) > 0 {
		return invalid("Parameters: [%s] must have values", sortedJoin(missing))
	}
	return nil
}

// value is what a Ref to the parameter comes to.
func (def *parameter) value(s string) value {
	if !def.isList() {
		if def.noEcho {
			return text(s, mask)
		}
		return s
	}
	items := texts(splitList(s))
	if def.noEcho {
		for i, item := range items {
			items[i] = text(plain(item), mask)
		}
	}
	return items
}

// stored looks up a Systems Manager parameter. Without a store in the configuration every name holds something
// plausible.
func (e *Engine) stored(def *parameter, name string) (string, bool) {
	if e.cfg.SSM != nil {
		return e.cfg.SSM(name)
	}
	if strings.Contains(def.typ, "AWS::EC2::Image::Id") {
		return "ami-" + madeID(name, 17, lowerHex), true
	}
	return path.Base(name), true
}
