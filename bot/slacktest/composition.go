package slacktest

// Composition objects: https://docs.slack.dev/reference/block-kit/composition-objects

// plain accepts a plain_text object of up to high characters.
func plain(high int) rule {
	return byType(map[string]rule{"plain_text": plainText(high)})
}

// rich accepts a plain_text or mrkdwn object of up to high characters.
func rich(high int) rule {
	return byType(map[string]rule{"plain_text": plainText(high), "mrkdwn": mrkdwnText(high)})
}

func plainText(high int) rule {
	return object(required("type", typeChecked), required("text", str(1, high)), optional("emoji", boolean))
}

func mrkdwnText(high int) rule {
	text := all(str(1, high), collectText)
	return object(required("type", typeChecked), required("text", text), optional("verbatim", boolean))
}

// collectText keeps mrkdwn, in which users and groups may be mentioned.
func collectText(in *validator, v any) {
	if s, ok := v.(string); ok {
		in.texts = append(in.texts, s)
	}
}

var confirm = object(
	required("title", plain(100)),
	required("text", rich(300)),
	required("confirm", plain(30)),
	required("deny", plain(30)),
	optional("style", buttonStyle),
)

var buttonStyle = oneOf("primary", "danger")

// option is one option of a menu; only overflow menus allow a url. Slack's older
// pages allow a value of 150 characters, the reference 75.
func option(text rule, more ...field) rule {
	return object(append([]field{
		required("text", text),
		required("value", str(1, 75)),
		optional("description", rich(75)),
	}, more...)...)
}

var (
	menuOption  = option(plain(75))
	boxOption   = option(rich(75))
	linkOption  = option(plain(75), optional("url", link))
	optionGroup = object(required("label", plain(75)), required("options", list(1, 100, menuOption)))
)
