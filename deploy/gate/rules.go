package gate

// Level is how much a finding matters.
type Level string

const (
	LevelError   Level = "error"   // the gate can be bypassed, or no launch can pass it
	LevelWarning Level = "warning" // the gate holds launches, but something else is wrong
	LevelNote    Level = "note"    // advice
)

// Rule is a lint rule for gates.
type Rule struct {
	ID    string
	Level Level
	About string // what the rule demands, in one sentence
}

// Refuses reports whether a template that breaks the rule is not to be launched: its gate
// does not hold, no launch can pass it, or neither can be decided.
func (r *Rule) Refuses() bool { return r.Level == LevelError || r == ruleUnproven }

// The rules of Lint.
var (
	ruleNoGate         = &Rule{"no-gate", LevelError, "The template has a request: a custom resource with the property WaitUrl."}
	ruleLeak           = &Rule{"leak", LevelError, "Every resource waits for the verdict, under every combination of conditions."}
	ruleUnproven       = &Rule{"unproven", LevelWarning, "The template shows which resources wait for the verdict."}
	ruleNoVerdict      = &Rule{"no-verdict", LevelError, "A verdict checks each request: a custom resource with the property RequestId."}
	ruleWrongRequest   = &Rule{"wrong-request", LevelError, "A verdict checks the request whose wait it depends on, by a Ref."}
	ruleWaitURL        = &Rule{"wait-url", LevelError, "The WaitUrl of a request is a Ref to a wait condition handle of the template."}
	ruleNoWait         = &Rule{"no-wait", LevelError, "A wait condition waits for the handle of each request."}
	ruleVerdictOrder   = &Rule{"verdict-order", LevelError, "The verdict depends on the wait: it is asked once, and a request without a decision fails the stack."}
	ruleWaitOrder      = &Rule{"wait-order", LevelWarning, "The wait depends on the request, so that its time begins when the request is asked."}
	ruleHandleReused   = &Rule{"handle-reused", LevelError, "A handle belongs to one request and one wait."}
	ruleConditional    = &Rule{"conditional-gate", LevelWarning, "The gate's resources have no condition."}
	ruleCount          = &Rule{"count", LevelError, "The wait has no Count: a decision is one signal."}
	ruleTimeoutsDiffer = &Rule{"timeouts-differ", LevelWarning, "Request and wait have the same Timeout."}
	ruleTimeoutLong    = &Rule{"timeout-long", LevelWarning, "The Timeout ends before the wait handle's URL, which is valid for 12 hours."}
	ruleTimeoutShort   = &Rule{"timeout-short", LevelError, "The Timeout leaves time to decide: 180 seconds or more."}
	ruleParameters     = &Rule{"parameters", LevelWarning, "The request has every parameter in its property Parameters, so that updates ask."}
	ruleDigest         = &Rule{"digest", LevelWarning, "The request has the template's digest in its property Template, so that updates ask."}
	ruleURLExposed     = &Rule{"url-exposed", LevelWarning, "Only the request and the wait get the wait URL."}
	ruleServiceToken   = &Rule{"service-token", LevelError, "Request and verdict have the same ServiceToken, an ARN."}
	ruleFixedToken     = &Rule{"fixed-service-token", LevelWarning, "The ServiceToken takes Region and account from the stack."}
	ruleServiceTimeout = &Rule{"service-timeout", LevelNote, "Request and verdict have a ServiceTimeout, from 1 to 3600 seconds."}
	ruleTimeoutInvalid = &Rule{"service-timeout-invalid", LevelError, "A ServiceTimeout is from 1 to 3600 seconds."}
)

// Rules returns all rules, in the order in which their findings are listed at one position.
func Rules() []*Rule {
	return []*Rule{
		ruleNoGate, ruleLeak, ruleUnproven, ruleNoVerdict, ruleWrongRequest, ruleWaitURL, ruleNoWait, ruleVerdictOrder, ruleWaitOrder,
		ruleHandleReused, ruleConditional, ruleCount, ruleTimeoutsDiffer, ruleTimeoutLong, ruleTimeoutShort, ruleParameters,
		ruleDigest, ruleURLExposed, ruleServiceToken, ruleFixedToken, ruleServiceTimeout, ruleTimeoutInvalid,
	}
}

// Finding is a violation of a rule.
type Finding struct {
	*Rule
	Line, Column int    // counted from 1, in characters
	Resource     string // logical ID; empty: the template
	Message      string // what is wrong
	Fix          string // what to do
}
