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
	// It is empty if Message names the place or concerns the whole template.
	Path         string
	Line, Column int // of the node at Path, counted from 1; 0 if unknown
}

// Error returns the code, the message and the position.
func (e *Error) Error() string {
	s := e.Code + ": " + e.Message
	switch {
	case e.Path == "":
		return s
	case e.Line == 0:
		return fmt.Sprintf("%s (%s)", s, e.Path)
	}
	return fmt.Sprintf("%s (%s, line %d, column %d)", s, e.Path, e.Line, e.Column)
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
