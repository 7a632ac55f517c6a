// Package interop contains only tests against Slack's own software: Bolt, its app
// framework, and @slack/types, its TypeScript types of blocks and views. .ci/peers
// installs both; without them the tests are skipped, or fail with
// COUNTERSIGN_PEERS=required.
//
// The tests read a recording of the sandbox: everything that its simulated Slack
// sent to the bot, and everything that the bot and the notifier sent to Slack.
package interop
