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
	maxDetailBlocks = 90        // Slack takes 100 blocks; one more entry can fill maxSections
	maxDetailBytes  = 200 << 10 // of the blocks as JSON; Slack takes 250 KB for the view
	maxPiece        = 2000      // bytes of a value in one line, escaped
)

// Details is the modal with all that the record holds of a launch: purpose, changes,
// details, parameters, outputs and identifiers, secrets hidden. What does not fit into a
// modal is counted. See https://docs.slack.dev/surfaces/modals
func Details(r handle.Request) slack.ModalViewRequest {
	d := details{redact: r.WaitURL.Redact}
	d.add("", 1, subject(r))
	if !handle.Blank(r.Purpose) {
		d.add("", 1, d.lines("Purpose", r.Purpose)...)
	}
	if r.Update != nil {
		for _, c := range r.Update.Changes {
			c.Old, c.New = d.redact(c.Old), d.redact(c.New)
			d.add("Changes", c.Represents(), "• "+change(c, maxPiece/2))
		}
	}
	d.fields("Details", r.Details)
	d.fields("Parameters", r.Parameters)
	if r.Ended != nil {
		d.fields("Outputs", r.Ended.Outputs)
	}
	d.fields("Identifiers", Identifiers(r))
	d.fields("An approval binds", bound(r.Content))
	d.flush()
	if d.left > 0 {
		d.section("", fmt.Sprintf("… and %d more on the stack's page in the AWS console.", d.left))
	}
	return d.modal(DetailsModal, strings.ToUpper(Operation(r)[:1])+Operation(r)[1:]+" details", "Close")
}

// Identifiers lists the launch's IDs in AWS and Countersign, for searching.
func Identifiers(r handle.Request) (list []handle.Field) {
	for _, f := range []handle.Field{
		{Name: "Request", Value: r.ID},
		{Name: "Principal", Value: r.Requester.Principal},
		{Name: "Launched by", Value: r.Requester.Launcher},
		{Name: "Product ID", Value: r.Product.ID},
		{Name: "Version ID", Value: r.Product.Version},
		{Name: "Portfolio", Value: r.Product.Portfolio},
		{Name: "Provisioned product ID", Value: r.Product.ProvisionedID},
		{Name: "Stack", Value: r.Stack.Name},
	} {
		if f.Value = shorten(r.WaitURL.Redact(f.Value), 2000); f.Value != "" {
			list = append(list, f)
		}
	}
	return list
}

// details collects lines, packs them into section blocks, and counts what the modal has
// no room for.
type details struct {
	layout
	redact  func(string) string
	heading string
	text    string // of the block being filled
	bytes   int    // of all blocks, with text, as JSON
	left    int
}

// add adds the lines of one entry, which stands for n, under a heading. Once an entry
// has no room, it and all that follow are only counted.
func (d *details) add(heading string, n int, lines ...string) {
	before := *d
	if heading != d.heading && heading != "" {
		lines = append([]string{"*" + heading + "*"}, lines...)
		d.flush() // a heading starts a new block
	}
	for _, line := range lines {
		encoded, err := json.Marshal(line)
		if units(d.text)+units(line)+1 > maxSection {
			d.flush()
		}
		if d.text != "" {
			d.text += "\n"
		}
		d.text, d.bytes = d.text+line, d.bytes+len(encoded)
		if d.left > 0 || err != nil || d.bytes+100*len(d.blocks) > maxDetailBytes || len(d.blocks) >= maxDetailBlocks {
			before.left += n
			*d = before
			return
		}
	}
	d.heading = heading
}

func (d *details) flush() {
	d.section("", d.text)
	d.text = ""
}

func (d *details) fields(heading string, list []handle.Field) {
	for _, f := range list {
		d.add(heading, f.Represents(), d.lines(f.Name, f.Value)...)
	}
}

// lines shows an outside name and value in one line, or a long value in several.
func (d *details) lines(name, value string) []string {
	name = code(name, 120)
	pieces := split(handle.OneLine(d.redact(value), math.MaxInt))
	lines := []string{"• " + name + " = " + code(pieces[0], maxPiece)}
	for _, piece := range pieces[1:] {
		lines = append(lines, "• "+name+" continued: "+code(piece, maxPiece))
	}
	return lines
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

// split cuts s into pieces of at most maxPiece bytes each, escaped.
func split(s string) []string {
	var pieces []string
	start, size := 0, 0
	for i := 0; i < len(s); {
		next := cluster(s[i:])
		n := len(escape(next))
		if size+n > maxPiece {
			pieces = append(pieces, s[start:i])
			start, size = i, 0
		}
		size += n
		i += len(next)
	}
	return append(pieces, s[start:])
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
