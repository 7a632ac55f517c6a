package fakecfn

import (
	"errors"
	"fmt"
)

// Codes of the errors that CloudFormation's API answers with.
const (
	codeValidation    = "ValidationError"
	codeAlreadyExists = "AlreadyExistsException"
)

// Error is a refusal as the CloudFormation API words it. Every error that ParseTemplate, CreateStack and
// DeleteStack return because of their input is one.
type Error struct {
	Code    string // ValidationError, AlreadyExistsException
	Message string // what AWS shows to the caller
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// invalid returns a ValidationError.
func invalid(format string, args ...any) error {
	return &Error{Code: codeValidation, Message: fmt.Sprintf(format, args...)}
}

// message returns what err says without its code: a stack event shows no codes.
func message(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
