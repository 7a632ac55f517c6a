package blocks

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// DetailsAction is the action_id of the button that opens the details.
const DetailsAction = "details"

// DetailsModal is the modal's callback_id. It has no submit button, so Slack never
// sends it back.
const DetailsModal = "details"

const (
	maxDetailBlocks = 95        // Slack takes 100 blocks
	maxDetailBytes  = 200 << 10 // of the blocks; Slack takes 250 KB for the view
	maxPiece        = 2000      // bytes of a value in one line, escaped
)

// detailsButton opens the details. Its value names the request only, not a
// verdict.
func detailsButton(r handle.Request) *slack.Accessory {
	b := slack.NewButtonBlockElement(DetailsAction, handle.DetailsValue(r.ID), plain("Details"))
	b.AccessibilityLabel = handle.Truncate("Show all details of "+Title(r), 75)
	return slack.NewAccessory(b)
}

// Details is the modal with all that the record holds of a launch: purpose, changes,
// details, parameters and outputs, secrets hidden. What does not fit into a modal is counted.
// See https://docs.slack.dev/surfaces/modals
func Details(r handle.Request) slack.ModalViewRequest {
	var lines []string
	add := func(heading string, list []handle.Field) {
		if len(list) == 0 {
			return
		}
		lines = append(lines, "*"+heading+"*")
		for _, f := range list {
			lines = append(lines, detail(f.Name, r.WaitURL.Redact(f.Value))...)
		}
	}
	lines = append(lines, subject(r))
	if r.Purpose != "" {
		lines = append(lines, detail("Purpose", r.WaitURL.Redact(r.Purpose))...)
	}
	if r.Update != nil && len(r.Update.Changes) > 0 {
		lines = append(lines, "*Changes*")
		for _, c := range r.Update.Changes {
			c.Old, c.New = r.WaitURL.Redact(c.Old), r.WaitURL.Redact(c.New)
			lines = append(lines, "• "+change(c, maxPiece/2))
		}
	}
	add("Details", r.Details)
	add("Parameters", r.Parameters)
	if r.Ended != nil {
		add("Outputs", r.Ended.Outputs)
	}
	add("An approval binds", bound(r.Content))
	return slack.ModalViewRequest{
		Type:       slack.VTModal,
		CallbackID: DetailsModal,
		Title:      plain(strings.ToUpper(Operation(r)[:1]) + Operation(r)[1:] + " details"),
		Close:      plain("Close"),
		Blocks:     slack.Blocks{BlockSet: sections(lines)},
	}
}

// bound lists the digests of the content that an approval binds.
func bound(c handle.Content) (list []handle.Field) {
	for _, f := range []handle.Field{{Name: "Content", Value: c.Digest()}, {Name: "Template", Value: c.Template}, {Name: "Parameters", Value: c.Parameters}} {
		if f.Value != "" {
			f.Value = "SHA-256 " + f.Value
			list = append(list, f)
		}
	}
	return list
}

// detail shows an outside name and value in one line, or a long value in several.
func detail(name, value string) []string {
	name = code(name, 120)
	pieces := split(handle.OneLine(value, math.MaxInt))
	lines := []string{"• " + name + " = " + code(pieces[0], maxPiece)}
	for _, piece := range pieces[1:] {
		lines = append(lines, "• "+name+" continued: "+code(piece, maxPiece))
	}
	return lines
}

// split cuts s into pieces of at most maxPiece bytes each, escaped.
func split(s string) []string {
	var pieces []string
	start, size := 0, 0
	for i, c := range s {
		n := len(escape(string(c)))
		if c == '`' {
			n = len("ˋ")
		}
		if size+n > maxPiece {
			pieces = append(pieces, s[start:i])
			start, size = i, 0
		}
		size += n
	}
	return append(pieces, s[start:])
}

// sections packs lines into section blocks, as far as a modal holds them.
func sections(lines []string) []slack.Block {
	var blocks []slack.Block
	size, text := 0, ""
	flush := func() {
		if text == "" {
			return
		}
		b := section(text)
		encoded, err := json.Marshal(b)
		if err != nil {
			return
		}
		size, text = size+len(encoded)+1, ""
		blocks = append(blocks, b)
	}
	for i, line := range lines {
		if text != "" && len(text)+len(line)+1 > maxSection {
			flush()
		}
		if len(blocks) >= maxDetailBlocks || size > maxDetailBytes {
			more := fmt.Sprintf("… and %s on the stack's page in the AWS console.", count(len(lines)-i, "more line", "more lines"))
			return append(blocks, section(more))
		}
		if text != "" {
			text += "\n"
		}
		text += line
	}
	flush()
	return blocks
}

// shown returns the fields that a message shows, without those that repeat the
// purpose or the e-mail address that it shows already.
func shown(r handle.Request, list []handle.Field) []handle.Field {
	var out []handle.Field
	for _, f := range list {
		if same(f, "purpose", r.Purpose) || same(f, "mail", r.Requester.Email) {
			continue
		}
		out = append(out, f)
	}
	return out
}

// same reports whether f, whose name contains word, has the value that is shown
// already.
func same(f handle.Field, word, value string) bool {
	return value != "" && strings.Contains(strings.ToLower(f.Name), word) && f.Value == handle.OneLine(value, math.MaxInt)
}

// The patterns are compiled on first use: only mail needs them, and a cold start
// delays the first click.
var (
	address  = pattern(`(?i)\b([a-z][a-z0-9+.-]*)://([^\s/?#]*)`)
	bareHost = pattern(`(?i)([\w.+-]*@)?\b(www[.。．｡][^\s/?#]+|(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?[.。．｡])+(?:com|net|org|info|biz|dev|app|xyz|online|site|top|shop|cloud|click|link|live|[a-z]{2}))\b`)
	dots     = strings.NewReplacer(".", "[.]", "。", "[.]", "．", "[.]", "｡", "[.]")
	web      = pattern(`(?i)^http`)
)

func pattern(s string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })
}

// defang makes addresses in outside text unusable as links, because mail clients
// turn them into links: https://evil.example becomes hxxps://evil[.]example.
// E-mail addresses stay.
func defang(s string) string {
	s = address().ReplaceAllStringFunc(s, func(u string) string {
		parts := address().FindStringSubmatch(u)
		scheme := web().ReplaceAllString(parts[1], "hxxp")
		if scheme == parts[1] {
			scheme += "[:]"
			return scheme + "//" + dots.Replace(parts[2])
		}
		return scheme + "://" + dots.Replace(parts[2])
	})
	return bareHost().ReplaceAllStringFunc(s, func(h string) string {
		if strings.Contains(h, "@") {
			return h
		}
		return dots.Replace(h)
	})
}
