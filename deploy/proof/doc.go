// Package proof holds no code but tests against somebody else's AWS: MiniStack,
// an independent one that runs real templates and real function binaries on
// loopback. .ci/peers installs it; without it the tests are skipped, or fail
// where COUNTERSIGN_PEERS=required.
//
// So far it holds the ground for them: MiniStack is started by the first test
// that needs it, is reached from this machine alone, and outlives no test run,
// not even one that is killed.
package proof
