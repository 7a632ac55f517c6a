// Package function is what the two Lambda functions share: their configuration,
// the secret, the clients that lead outside, logs and metrics. The bot and the
// notifier are tied together here, on AWS as in the made world.
//
// A process lives for many invocations, frozen between them. Its configuration
// is read once. A fault in it does not end the process, which Lambda would only
// start again: the notifier then answers CloudFormation FAILED, and the bot 503.
package function
