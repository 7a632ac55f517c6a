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
	key := handle.MailKey("a key that nobody is to see, ever")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "key", key)
	b, err := json.Marshal(map[string]any{"key": key})
	if err != nil {
		t.Fatal(err)
	}
	shown := log.String() + string(b) + fmt.Sprintf("%v %+v %#v %s %q %x %d", key, key, key, key, key, key, key)
	for _, s := range []string{"nobody", fmt.Sprintf("%x", "nobody"), "110 111 98", "bm9ib2R5"} {
		if strings.Contains(shown, s) {
			t.Errorf("the key is printed: %s", shown)
		}
	}
}
