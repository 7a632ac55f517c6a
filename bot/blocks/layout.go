package blocks

import (
	"github.com/slack-go/slack"

	"countersign/handle"
)

// layout collects the blocks of a message or modal, from top to bottom. Its methods make
// every block of this package, and cut or split text to Slack's limits.
type layout struct{ blocks []slack.Block }

// header adds a heading.
func (l *layout) header(text string) {
	l.blocks = append(l.blocks, slack.NewHeaderBlock(plain(cutPlain(text, maxHeader))))
}

// maxSections is how many blocks one text may fill. What is longer is cut.
const maxSections = 5

// section adds mrkdwn, in several blocks if it is long. id is optional.
func (l *layout) section(id, text string) {
	for n := 1; text != ""; n++ {
		first, rest := splitMarkup(text, maxSection)
		if rest != "" && (n == maxSections || first == "") {
			first, rest = cutMarkup(text, maxSection), ""
		}
		l.blocks = append(l.blocks, slack.NewSectionBlock(markdown(first), nil, nil, slack.SectionBlockOptionBlockID(id)))
		id, text = "", rest
	}
}

// quote adds at most n bytes of outside text as a quotation in a block of its own, where
// it cannot imitate our lines. Blank text adds nothing.
func (l *layout) quote(text string, n int) {
	if handle.Blank(text) {
		return
	}
	l.blocks = append(l.blocks, slack.NewSectionBlock(plain(cutPlain("“"+shorten(text, n)+"”", maxSection)), nil, nil))
}

// context adds lines of secondary importance in small type.
func (l *layout) context(id string, lines ...string) {
	var elements []slack.MixedElement
	for _, line := range lines[:min(len(lines), 10)] {
		elements = append(elements, markdown(cutMarkup(line, maxSection)))
	}
	l.blocks = append(l.blocks, slack.NewContextBlock(id, elements...))
}

// actions adds a row of buttons.
func (l *layout) actions(id string, buttons ...slack.BlockElement) {
	l.blocks = append(l.blocks, slack.NewActionBlock(id, buttons...))
}

// input adds a field of a form. id is the block_id.
func (l *layout) input(id, label, hint string, element slack.BlockElement) {
	l.blocks = append(l.blocks, slack.NewInputBlock(id, plain(label), plain(cutPlain(hint, maxHint)), element))
}

// button is a button with a label, and a longer one that screen readers say.
func button(action, value, label, aloud string, style slack.Style) *slack.ButtonBlockElement {
	b := slack.NewButtonBlockElement(action, value, plain(cutPlain(label, maxLabel))).WithStyle(style)
	b.AccessibilityLabel = cutPlain(aloud, maxLabel)
	return b
}

// view is the message: text is the sentence that stands for it.
func (l *layout) view(text string) View {
	return View{Text: cutMarkup(text, maxText), Blocks: l.blocks}
}

// modal is the view as a modal without a form.
func (l *layout) modal(callback, heading, closeLabel string) slack.ModalViewRequest {
	return slack.ModalViewRequest{
		Type:       slack.VTModal,
		CallbackID: callback,
		Title:      plain(cutPlain(heading, maxHeading)),
		Close:      plain(cutPlain(closeLabel, maxHeading)),
		Blocks:     slack.Blocks{BlockSet: l.blocks},
	}
}

// form is the view as a modal that is submitted. metadata comes back with it.
func (l *layout) form(callback, heading, submit, metadata string) slack.ModalViewRequest {
	v := l.modal(callback, heading, "Cancel")
	v.PrivateMetadata, v.Submit = metadata, plain(cutPlain(submit, maxHeading))
	return v
}

// markdown is verbatim mrkdwn: Slack adds no links or mentions of its own.
func markdown(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, text, false, true)
}

// plain is text that Slack does not interpret.
func plain(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}

// divider adds a line between parts.
func (l *layout) divider() { l.blocks = append(l.blocks, slack.NewDividerBlock()) }
