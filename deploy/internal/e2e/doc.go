// Package e2e holds no code but tests against somebody else's AWS: MiniStack,
// an independent one that runs real templates and real function binaries on
// loopback. .ci/peers installs it; without it the tests are skipped, or fail
// where COUNTERSIGN_PEERS=required.
//
// Countersign is deployed there as it is on AWS: the secret, sam build and sam
// deploy, the Slack app from the stack's manifest, a product. Then products are
// launched. Of the world only Slack is ours, the fake one of bot/slacktest, and
// the people; what MiniStack does not send, the events of stacks that come to
// their end, is sent as AWS documents it.
package e2e
