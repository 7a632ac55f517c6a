package handle

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

const idAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"

var idEncoding = base32.NewEncoding(idAlphabet).WithPadding(base32.NoPadding)

// NewID derives the ID of a request from the StackId, LogicalResourceId and
// RequestId of the custom resource event that asks for it. StackId and RequestId
// together are unique, so a redelivered event yields the same ID. The part before
// the dash is the same for every request of the stack: see [StackKey]. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
func NewID(stackID, logicalID, requestID string) string {
	sum := sha256.Sum256([]byte(logicalID + "\x00" + requestID))
	return StackKey(stackID) + "-" + idEncoding.EncodeToString(sum[:5])
}

// StackKey returns the 16 characters with which the IDs of all requests of one
// stack begin.
func StackKey(stackID string) string {
	sum := sha256.Sum256([]byte(stackID))
	return idEncoding.EncodeToString(sum[:10])
}

// SplitID splits an ID into its stack key and the rest. ok is false if id does
// not have the form that NewID returns.
func SplitID(id string) (stackKey, gate string, ok bool) {
	stackKey, gate, ok = strings.Cut(id, "-")
	if !ok || len(stackKey) != 16 || len(gate) != 8 || strings.Trim(stackKey+gate, idAlphabet) != "" {
		return "", "", false
	}
	return stackKey, gate, true
}
