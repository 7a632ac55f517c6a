// Package exit carries a command's exit status in its error.
package exit

import "fmt"

// Error ends the process with Status. Err is nil if the command has already printed what
// is wrong.
type Error struct {
	Status int
	Err    error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }
