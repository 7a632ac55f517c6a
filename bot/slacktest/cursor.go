package slacktest

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// formatCursor returns an opaque cursor. Like Slack's, it ends with "=", which must
// be escaped in a query.
func formatCursor(at int) string {
	return base64.StdEncoding.EncodeToString([]byte("next:" + strconv.Itoa(at) + padding(at)))
}

// padding returns the spaces after which the cursor's base64 ends with "=".
func padding(at int) string {
	return strings.Repeat(" ", (4-(len("next:")+len(strconv.Itoa(at)))%3)%3)
}

func readCursor(s string) (at int, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(s)
	text, found := strings.CutPrefix(strings.TrimRight(string(raw), " "), "next:")
	if err != nil || !found {
		return 0, false
	}
	at, err = strconv.Atoi(text)
	return at, err == nil && at >= 0
}
