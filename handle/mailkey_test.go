package handle_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"countersign/handle"
)

func TestMailKeyIsNeverPrinted(t *testing.T) {
	key := handle.MailKey("my key that no one may see, ever")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "key", key)
	b, err := json.Marshal(map[string]any{"key": key})
	if err != nil {
		t.Fatal(err)
	}
	shown := log.String() + string(b) + fmt.Sprintf("%v %+v %#v %s %q %x %d", key, key, key, key, key, key, key)
	for _, s := range []string{"no one", fmt.Sprintf("%x", "no one"), "110 111 32", "bm8gb25l"} {
		if strings.Contains(shown, s) {
			t.Errorf("the key is printed: %s", shown)
		}
	}
}
