package proof_test

import (
	"testing"

	"countersign/deploy/local/world"
	"countersign/handle"
)

// Countersign, deployed as the README has it, lets a product's launches through
// its gate in every way that they can go.
func TestLaunches(t *testing.T) {
	d := deploy(t, "countersign", "HttpApi")
	t.Run("approved", d.approved)
}

// Ann approves the sample product, and its stack goes on.
func (d *deployment) approved(t *testing.T) {
	l := d.launch(t, world.Channel, product(t, "deploy/product.yaml"))
	l.asked()
	l.press(world.Ann, handle.Approve)
	l.decided(handle.Approved)
	l.ends("CREATE_COMPLETE")
	l.thread("approved by <@"+world.Ann+">", "the stack is up")
	l.wrote("approved by <@"+world.Ann+">", "the stack is up")
}
