package awsconfig

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
)

// ErrorCode returns the code of an AWS error, or "" if AWS did not answer.
func ErrorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Denied reports whether AWS refused a call because the identity lacks a permission.
func Denied(err error) bool {
	c := ErrorCode(err)
	return strings.HasPrefix(c, "AccessDenied") || slices.Contains([]string{"AuthorizationError", "UnauthorizedOperation", "Forbidden"}, c)
}

// Reason returns the innermost error's text: the outer ones repeat the call.
func Reason(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
