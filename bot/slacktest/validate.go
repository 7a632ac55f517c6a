package slacktest

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is a reason why Slack refuses blocks or a view.
type Problem struct {
	Pointer string // JSON pointer into the call's arguments, such as /blocks/0/text/text
	Message string // in Slack's words where they are known
}

// Error formats the problem as in Slack's response_metadata.messages.
func (p Problem) Error() string {
	return fmt.Sprintf("%s [json-pointer:%s]", p.Message, p.Pointer)
}

// validator walks a JSON document and collects its problems, and what the caller
// needs from a valid one.
type validator struct {
	path     []string
	problems []Problem

	texts []string // all mrkdwn in the document, in order

	blockIDs        []string // of the whole document
	actionIDs       []string // of the block being read
	missingActionID bool     // an element of the block being read has no action_id
	focused         int      // elements with focus_on_load
	inputs          int      // input blocks
	tables          int      // table blocks
}

// A rule checks one value, as encoding/json decodes it into an any.
type rule func(in *validator, v any)

func (in *validator) failf(format string, args ...any) {
	in.problems = append(in.problems, Problem{
		Pointer: "/" + strings.Join(in.path, "/"),
		Message: fmt.Sprintf(format, args...),
	})
}

// check applies r to a value inside the current one.
func (in *validator) check(step string, v any, r rule) {
	in.path = append(in.path, pointerEscaper.Replace(step))
	r(in, v)
	in.path = in.path[:len(in.path)-1]
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// result returns the problems sorted by pointer, so that their order does not depend
// on map iteration.
func (in *validator) result() []Problem {
	slices.SortStableFunc(in.problems, func(a, b Problem) int { return strings.Compare(a.Pointer, b.Pointer) })
	return in.problems
}

// messages formats problems for response_metadata.messages.
func messages(problems []Problem) []string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = "[ERROR] " + p.Error()
	}
	return lines
}
