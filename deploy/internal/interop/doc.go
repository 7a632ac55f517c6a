// Package interop holds no code but tests against readers that Slack made:
// Bolt, its framework for apps, and @slack/types, its types of blocks and views.
// .ci/peers installs them; without them the tests are skipped, or fail where
// COUNTERSIGN_PEERS=required.
//
// One recording of the made world, see record, is what they read: everything that
// its Slack sent to the bot, and everything that the bot and the notifier sent to
// Slack.
package interop
