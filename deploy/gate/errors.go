package gate

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Error is an error response of the CloudFormation API.
type Error struct {
	Code    string // ValidationError for every error of this package
	Message string // what AWS shows to the caller

	// Path leads from the root of the template to the mistake, such as /Resources/Queue/Properties/QueueName.
	// It is empty if the mistake concerns a whole section or the template.
	Path         string
	Line, Column int // of the node at Path, counted from 1; 0 if unknown
}

// Error returns the code, the message and the position.
func (e *Error) Error() string {
	var at []string
	if e.Path != "" && !strings.Contains(e.Message, e.Path) {
		at = append(at, e.Path)
	}
	if e.Line > 0 {
		at = append(at, fmt.Sprintf("line %d, column %d", e.Line, e.Column))
	}
	if len(at) == 0 {
		return e.Code + ": " + e.Message
	}
	return e.Code + ": " + e.Message + " (" + strings.Join(at, ", ") + ")"
}

// invalid returns a ValidationError.
func invalid(format string, args ...any) error {
	return &Error{Code: "ValidationError", Message: fmt.Sprintf(format, args...)}
}

// locate adds a position to an *Error that has none.
func locate(err error, path []string, n *yaml.Node) error {
	var e *Error
	if errors.As(err, &e) && e.Path == "" && n != nil {
		e.Path, e.Line, e.Column = "/"+strings.Join(path, "/"), n.Line, n.Column
	}
	return err
}
