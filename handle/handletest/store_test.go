package handletest_test

import (
	"testing"

	"countersign/handle"
	"countersign/handle/handletest"
)

func TestStore(t *testing.T) {
	handletest.TestStore(t, func(t *testing.T) handle.Store {
		return &handletest.FaultyStore{Store: new(handle.Memory)}
	})
}
