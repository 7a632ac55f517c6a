package handle

import (
	"strings"
	"unicode"
)

// The grammar of Slack's identifiers: a letter for the kind of object, then
// capital letters and digits. Slack documents no length; real IDs have 9 to 11
// characters. See https://docs.slack.dev/reference/objects

const (
	maxSlackID        = 30 // bytes
	maxSlackTimestamp = 32 // bytes
)

const (
	asciiDigits   = "0123456789"
	slackIDSuffix = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + asciiDigits
)

// IsUser reports whether id has the form of a Slack user ID (U… or W…).
func IsUser(id string) bool { return isSlackID(id, "UW") }

// IsUserGroup reports whether id has the form of a Slack user group ID (S…).
func IsUserGroup(id string) bool { return isSlackID(id, "S") }

// IsChannel reports whether id has the form of a Slack channel ID (C…, or G…
// for older private channels).
func IsChannel(id string) bool { return isSlackID(id, "CG") }

// IsConversation reports whether id has the form of the ID of anything that
// holds Slack messages: a channel, or a direct message (D…).
func IsConversation(id string) bool { return isSlackID(id, "CGD") }

// IsTeam reports whether id has the form of a Slack workspace ID (T…).
func IsTeam(id string) bool { return isSlackID(id, "T") }

// IsEnterprise reports whether id has the form of the ID of an Enterprise Grid
// organization (E…).
func IsEnterprise(id string) bool { return isSlackID(id, "E") }

// IsApp reports whether id has the form of a Slack app ID (A…).
func IsApp(id string) bool { return isSlackID(id, "A") }

// IsChannelName reports whether text is a # and a channel name.
func IsChannelName(text string) bool {
	name, ok := strings.CutPrefix(text, "#")
	return ok && name != "" && !strings.ContainsFunc(name, unicode.IsSpace) && !strings.ContainsAny(name, "#@,")
}

// IsTimestamp reports whether ts has the form of a message's ts: digits, a
// point, digits. It identifies the message within its conversation.
func IsTimestamp(ts string) bool {
	seconds, rest, ok := strings.Cut(ts, ".")
	return ok && len(ts) <= maxSlackTimestamp && seconds != "" && rest != "" &&
		strings.Trim(seconds, asciiDigits) == "" && strings.Trim(rest, asciiDigits) == ""
}

// isSlackID reports whether id begins with one of the letters in kinds and goes
// on as Slack's IDs do.
func isSlackID(id, kinds string) bool {
	return len(id) >= 2 && len(id) <= maxSlackID && strings.IndexByte(kinds, id[0]) >= 0 && strings.Trim(id, slackIDSuffix) == ""
}
