package blocks_test

import (
	"encoding/json"
	"testing"

	"countersign/bot/blocks"
	"countersign/handle"
)

// What it takes to render a message, beside encoding the record that it shows.
func BenchmarkRender(b *testing.B) {
	r := states()["launched"]
	b.Run("message", func(b *testing.B) {
		for b.Loop() {
			if _, err := json.Marshal(blocks.Message(r).Blocks); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("record", func(b *testing.B) {
		for b.Loop() {
			if _, err := handle.Encode(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
