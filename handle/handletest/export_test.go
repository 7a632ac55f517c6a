package handletest

import (
	"testing"
	"time"

	"countersign/handle"
)

// StoreWithin is TestStore for indexes that lag no longer than lag.
func StoreWithin(t *testing.T, lag time.Duration, open func(t *testing.T) handle.Store) {
	(&suite{open: open, lag: lag}).run(t)
}
