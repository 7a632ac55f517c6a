// Package function is what the two Lambda functions share: configuration, the
// secret, HTTP and AWS clients, logs and metrics. It ties the bot and the notifier
// to the reconciler, on AWS and in the simulation.
//
// Lambda freezes a process between invocations and reuses it for many. The
// configuration is read once. An invalid one does not end the process, because
// Lambda would only start it again: the notifier answers CloudFormation FAILED, and
// the bot answers 503.
package function
