// Package hook answers a CloudFormation Lambda Hook on stacks. Before CloudFormation
// creates or updates a stack of a product, the hook checks the gate of its template, as
// "countersign gate lint" does, and refuses a template whose gate is missing or can be
// bypassed.
//
// The function does not know whether it refuses or warns: it answers FAILED, and the
// hook's failure mode decides whether CloudFormation fails the stack or only warns.
package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"countersign/deploy/gate"
)

// event is what CloudFormation sends. See
// https://docs.aws.amazon.com/cloudformation-cli/latest/hooks-userguide/lambda-hooks-create-lambda-function.html
type event struct {
	ClientRequestToken    string `json:"clientRequestToken"`
	StackID               string `json:"stackId"`
	ActionInvocationPoint string `json:"actionInvocationPoint"`
	RequestData           struct {
		Payload string `json:"payload"` // presigned URL of the templates, which is not logged
	} `json:"requestData"`
}

// response is what CloudFormation expects; see event.
type response struct {
	HookStatus         string `json:"hookStatus"`          // SUCCESS or FAILED
	ErrorCode          string `json:"errorCode,omitempty"` // of FAILED
	Message            string `json:"message"`             // CloudFormation cuts it off after 4,096 characters
	ClientRequestToken string `json:"clientRequestToken"`
}

const (
	success = "SUCCESS"
	failed  = "FAILED"

	nonCompliant    = "NonCompliant"
	internalFailure = "InternalFailure"
)

// evaluationTime is less than the 30 seconds for which CloudFormation waits.
const evaluationTime = 25 * time.Second

// Function is the hook's Lambda function.
type Function struct {
	// Client downloads the templates.
	Client *http.Client

	prefix string
	log    *slog.Logger
}

// New returns a function that checks the stacks whose name begins with prefix, also
// behind StackSet-. With an empty prefix it checks all stacks.
func New(prefix string, log *slog.Logger) *Function {
	return &Function{Client: http.DefaultClient, prefix: prefix, log: log}
}

// Invoke implements lambda.Handler. It returns an error only for an event that is not
// JSON.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("couldn't parse the hook's event: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, evaluationTime)
	defer cancel()
	r := f.evaluate(ctx, e)
	r.ClientRequestToken = e.ClientRequestToken
	level := slog.LevelInfo
	if r.HookStatus != success {
		level = slog.LevelWarn
	}
	f.log.Log(ctx, level, "hook", "stack", e.StackID, "point", e.ActionInvocationPoint, "status", r.HookStatus, "code", r.ErrorCode, "answer", r.Message)
	return json.Marshal(r)
}

func (f *Function) evaluate(ctx context.Context, e event) response {
	if e.ActionInvocationPoint == "DELETE_PRE_PROVISION" {
		return response{HookStatus: success, Message: "Deletions need no gate."}
	}
	s, err := parseStack(e.StackID)
	if err != nil {
		return unchecked("this stack", err)
	}
	if !s.hasPrefix(f.prefix) {
		return response{HookStatus: success, Message: "Not a stack of a product."}
	}
	if s.nested() {
		return response{HookStatus: success, Message: "A nested stack: the gate of its parent stack holds it back."}
	}
	text, err := f.download(ctx, e.RequestData.Payload, s)
	if err != nil {
		return unchecked(s.name, err)
	}
	findings, err := lint(ctx, []byte(text))
	if err != nil {
		return unchecked(s.name, err)
	}
	if len(findings) > 0 {
		return response{HookStatus: failed, ErrorCode: nonCompliant, Message: refusal(s.name, findings)}
	}
	return response{HookStatus: success, Message: "The gate holds."}
}

// lint returns the findings for which a template is refused.
func lint(ctx context.Context, src []byte) ([]gate.Finding, error) {
	type result struct {
		findings []gate.Finding
		err      error
	}
	done := make(chan result, 1)
	go func() {
		t, err := gate.Parse(src)
		if err != nil {
			done <- result{nil, fmt.Errorf("it cannot be read: %w", err)}
			return
		}
		var refused []gate.Finding
		for _, finding := range t.Lint() {
			if finding.Refuses() {
				refused = append(refused, finding)
			}
		}
		done <- result{refused, nil}
	}()
	select {
	case r := <-done:
		return r.findings, r.err
	case <-ctx.Done():
		return nil, errors.New("the check took too long")
	}
}
