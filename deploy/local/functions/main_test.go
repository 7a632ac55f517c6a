package functions_test

import (
	"os"
	"testing"

	"countersign/deploy/local/functions"
)

// The tests start this program again, to be the functions' process.
func TestMain(m *testing.M) {
	if functions.IsChild() {
		functions.Child()
		return
	}
	os.Exit(m.Run())
}
