package slacktest

// The composition objects of docs.slack.dev/reference/block-kit/composition-objects.

// plain takes a plain_text object of up to high characters.
func plain(high int) rule {
	return byType(map[string]rule{"plain_text": plainText(high)})
}

// rich takes a plain_text or mrkdwn object of up to high characters.
func rich(high int) rule {
	return byType(map[string]rule{"plain_text": plainText(high), "mrkdwn": mrkdwnText(high)})
}

func plainText(high int) rule {
	return object(must("type", kind), must("text", str(1, high)), may("emoji", boolean))
}

func mrkdwnText(high int) rule {
	text := all(str(1, high), gatherText)
	return object(must("type", kind), must("text", text), may("verbatim", boolean))
}

// gatherText keeps text that people and groups may be mentioned in.
func gatherText(in *inspection, v any) {
	if s, ok := v.(string); ok {
		in.texts = append(in.texts, s)
	}
}

var confirm = object(
	must("title", plain(100)),
	must("text", rich(300)),
	must("confirm", plain(30)),
	must("deny", plain(30)),
	may("style", buttonStyle),
)

var buttonStyle = oneOf("primary", "danger")

// option is a choice in a menu; its url is allowed in overflow menus alone.
// Slack's older pages allow a value of 150 characters, its types 75.
func option(text rule, more ...field) rule {
	return object(append([]field{
		must("text", text),
		must("value", str(1, 75)),
		may("description", rich(75)),
	}, more...)...)
}

var (
	menuOption  = option(plain(75))
	boxOption   = option(rich(75))
	linkOption  = option(plain(75), may("url", link))
	optionGroup = object(must("label", plain(75)), must("options", list(1, 100, menuOption)))
)
