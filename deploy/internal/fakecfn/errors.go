package fakecfn

import (
	"errors"
	"fmt"

	"countersign/deploy/gate"
)

// Error is an error response of the CloudFormation API. The engine's methods return no other errors.
type Error = gate.Error

// Codes of the errors that CloudFormation's API answers with.
const (
	codeValidation    = "ValidationError"
	codeAlreadyExists = "AlreadyExistsException"
)

// invalid returns a ValidationError.
func invalid(format string, args ...any) error {
	return &Error{Code: codeValidation, Message: fmt.Sprintf(format, args...)}
}

// message returns err's text without its code, as stack events show it.
func message(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
