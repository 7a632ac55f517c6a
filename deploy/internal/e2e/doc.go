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
//
// MiniStack updates stacks: it sends Update with the old properties and waits for the
// answer. An answer with a new physical ID updates the verdict and, after the update,
// deletes the old request. FAILED rolls the update back, which sends Update with the
// previous values. GetTemplate and DescribeStacks show an update's template and
// parameters while it is in progress, and the previous ones once it is rolled back.
//
// Its events of an update differ: also unchanged and new resources have UPDATE_ events.
//
// Not played, because MiniStack differs from AWS:
//   - CancelUpdateStack takes effect only once the held answer has arrived, so no
//     request is withdrawn, and cancelling an unapproved update cannot be observed
//     while a resource is being updated.
//   - Without Service Catalog, products are not updated but their stacks, and a
//     relaunch is a new stack with the same principal, template and parameters.
package e2e
