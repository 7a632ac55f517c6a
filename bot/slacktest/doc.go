// Package slacktest is a made Slack workspace: channels, people, messages, modals,
// and the part of Slack's Web API that an approval app needs, served over HTTP.
//
// It is met the way Slack is met. Going out, an app calls it with the real
// github.com/slack-go/slack client through OptionAPIURL. Coming in, what a
// person does ([Workspace.Press], [Workspace.Submit]) reaches the app as a
// signed POST to Config.RequestURL.
//
// It refuses what Slack refuses: wrong tokens, missing scopes, channels that the
// bot was not invited to, blocks over Slack's limits, spent triggers. Where Slack's
// behaviour is not documented, the stricter reading is taken. What is not modelled
// (attachments, rich_text, group DMs) is refused too, rather than let through.
//
// It is deterministic: identifiers come from counters, time from Config.Now. It
// owns no goroutine, and holds no lock while it POSTs to the app or asks the
// Fault hook, so both may call back into it.
package slacktest
