package hook

import (
	"fmt"
	"strings"

	"countersign/deploy/gate"
)

const (
	maxMessage = 4000 // bytes; see response
	maxFinding = 600  // bytes
)

// refusal says why a template is refused, and what its author can do.
func refusal(stack string, findings []gate.Finding) string {
	const advice = "\nThe author of the template can check it with: countersign gate lint FILE"
	const more = "\n- and %d more"
	var b strings.Builder
	fmt.Fprintf(&b, "Countersign refuses %s: the approval gate of its template is missing or wrong.", stack)
	for i, f := range findings {
		line := "\n- " + cut(describe(f), maxFinding)
		if b.Len()+len(line)+len(more)+len(advice) > maxMessage {
			fmt.Fprintf(&b, more, len(findings)-i)
			break
		}
		b.WriteString(line)
	}
	return b.String() + advice
}

// describe is one finding: rule, position, resource, what is wrong and how to fix it.
func describe(f gate.Finding) string {
	at := fmt.Sprintf("line %d", f.Line)
	if f.Resource != "" {
		at += ", " + f.Resource
	}
	return fmt.Sprintf("%s (%s): %s. %s", f.ID, at, f.Message, f.Fix)
}

// unchecked is the response for a template that could not be checked. Whether the stack
// starts is the hook's failure mode.
func unchecked(stack string, err error) response {
	return response{HookStatus: failed, ErrorCode: internalFailure, Message: cut(fmt.Sprintf("Countersign couldn't check the template of %s: %v", stack, err), maxMessage-200) +
		". Check it with: countersign gate lint FILE. If that finds nothing, try again, and see the log of Countersign's hook function. EnforceGate=warn lets such stacks through."}
}

// cut shortens text to at most n bytes, and to whole characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n-len("…")], "") + "…"
}
