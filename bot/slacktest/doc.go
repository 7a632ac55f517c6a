// Package slacktest simulates a Slack workspace for tests and the local run:
// channels, users, messages, modals, the Home tab, and the part of the Web API that
// an approval app needs.
//
// Both directions are real HTTP. The app calls the Web API with
// github.com/slack-go/slack through OptionAPIURL, or in memory through
// [Workspace.RoundTrip]. What a user does ([Workspace.ClickButton],
// [Workspace.Submit], [Workspace.Command]) reaches the app as a signed POST to
// Config.RequestURL.
//
// The workspace refuses what Slack refuses: wrong tokens, missing scopes, channels
// that the bot is not in, blocks over Slack's limits, used triggers. Where Slack's
// behaviour is undocumented, it takes the stricter reading. It also refuses what it
// does not model (attachments, rich_text, group DMs) instead of ignoring it.
//
// It is deterministic: IDs come from counters and time from Config.Now. It starts no
// goroutine except in RoundTrip, and holds no lock while it POSTs to the app or
// calls the Fault hook, so both may call back into it.
package slacktest
