// Package e2e contains only tests that install and use Countersign on MiniStack, an
// independent AWS emulator that runs real templates and real function binaries on
// loopback. .ci/peers installs MiniStack; without it the tests are skipped, or fail
// with COUNTERSIGN_PEERS=required.
//
// Countersign is deployed as on AWS: secret, sam build and sam deploy, the Slack app
// from the stack's manifest, a product. Then products are launched. Slack is the
// simulated one of bot/slacktest. MiniStack sends no stack status events, so the
// tests send them as AWS documents them. Where its CloudFormation answers reads
// differently from AWS's, a proxy corrects the answers.
package e2e
