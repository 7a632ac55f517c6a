package gate

import "fmt"

// Error is an error response of the CloudFormation API.
type Error struct {
	Code    string // ValidationError for every error of this package
	Message string // what AWS shows to the caller
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// invalid returns a ValidationError.
func invalid(format string, args ...any) error {
	return &Error{Code: "ValidationError", Message: fmt.Sprintf(format, args...)}
}
