package gate

import "encoding/binary"

// maxDiagram limits the nodes of a space. Templates need hundreds. Past the limit, properties are reported as unproven.
const maxDiagram = 300_000

// space holds decision diagrams over variables with few values each. A diagram is a function from the variables' values
// to a boolean. Equal functions are the same diagram, so that a diagram is satisfiable if it is not never.
type space struct {
	values   []int // number of values, by variable
	nodes    []diagramNode
	unique   map[string]diagram
	products map[[2]diagram]diagram
	inverses map[diagram]diagram
	full     bool // maxDiagram was reached, so diagrams are wrong from then on
}

// diagram is an index of space.nodes.
type diagram int32

const (
	never  diagram = 0
	always diagram = 1
)

// diagramNode decides by the value of one variable. Variables rise from the root to the leaves.
type diagramNode struct {
	variable int
	children []diagram // by value
}

func newSpace() *space {
	return &space{
		nodes:    make([]diagramNode, 2), // never and always
		unique:   map[string]diagram{},
		products: map[[2]diagram]diagram{},
		inverses: map[diagram]diagram{},
	}
}

// add adds a variable and returns its index.
func (s *space) add(values int) int {
	s.values = append(s.values, values)
	return len(s.values) - 1
}

// is returns the diagram of variable = value.
func (s *space) is(variable, value int) diagram {
	children := make([]diagram, s.values[variable])
	children[value] = always
	return s.node(variable, children)
}

func (s *space) node(variable int, children []diagram) diagram {
	same := true
	key := binary.AppendUvarint(nil, uint64(variable))
	for _, c := range children {
		same = same && c == children[0]
		key = binary.AppendUvarint(key, uint64(c))
	}
	if same {
		return children[0]
	}
	if found, ok := s.unique[string(key)]; ok {
		return found
	}
	if len(s.nodes) >= maxDiagram {
		s.full = true
		return never
	}
	s.nodes = append(s.nodes, diagramNode{variable, children})
	d := diagram(len(s.nodes) - 1)
	s.unique[string(key)] = d
	return d
}

func (s *space) not(d diagram) diagram {
	if d <= always {
		return always - d
	}
	if found, ok := s.inverses[d]; ok || s.full {
		return found
	}
	n := s.nodes[d]
	children := make([]diagram, len(n.children))
	for i, c := range n.children {
		children[i] = s.not(c)
	}
	result := s.node(n.variable, children)
	s.inverses[d] = result
	return result
}

func (s *space) and(a, b diagram) diagram {
	switch {
	case a > b:
		return s.and(b, a)
	case a == never, a == b:
		return a
	case a == always:
		return b
	}
	key := [2]diagram{a, b}
	if found, ok := s.products[key]; ok || s.full {
		return found
	}
	variable := min(s.nodes[a].variable, s.nodes[b].variable)
	children := make([]diagram, s.values[variable])
	for value := range children {
		children[value] = s.and(s.given(a, variable, value), s.given(b, variable, value))
	}
	result := s.node(variable, children)
	s.products[key] = result
	return result
}

// given returns d with variable = value. The variable is not below the root of d.
func (s *space) given(d diagram, variable, value int) diagram {
	if d > always && s.nodes[d].variable == variable {
		return s.nodes[d].children[value]
	}
	return d
}

func (s *space) or(a, b diagram) diagram { return s.not(s.and(s.not(a), s.not(b))) }

// implies returns the diagram that holds unless a holds and b does not.
func (s *space) implies(a, b diagram) diagram { return s.not(s.and(a, s.not(b))) }

// choice is a variable with a value.
type choice struct{ variable, value int }

// example returns values of the variables that matter under which d holds. d must not be never.
func (s *space) example(d diagram) []choice {
	var choices []choice
	for d != always {
		n := s.nodes[d]
		for value, child := range n.children {
			if child != never {
				choices = append(choices, choice{n.variable, value})
				d = child
				break
			}
		}
	}
	return choices
}

// support adds the variables that d depends on.
func (s *space) support(d diagram, variables map[int]bool, seen map[diagram]bool) {
	if d <= always || seen[d] {
		return
	}
	seen[d] = true
	variables[s.nodes[d].variable] = true
	for _, c := range s.nodes[d].children {
		s.support(c, variables, seen)
	}
}
