package handle_test

import (
	"testing"

	"countersign/handle"
	"countersign/handle/handletest"
)

func TestMemory(t *testing.T) {
	handletest.TestStore(t, func(*testing.T) handle.Store { return new(handle.Memory) })
}
