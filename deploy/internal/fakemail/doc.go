// Package fakemail simulates an Amazon SNS topic with e-mail subscribers.
//
// It serves the AWS Query protocol, which
// github.com/aws/aws-sdk-go-v2/service/sns speaks to its BaseEndpoint, and
// enforces the rules of https://docs.aws.amazon.com/sns/latest/api: characters and
// length of subjects, size of messages, confirmed subscribers. It does not verify
// signatures; it only requires a Signature Version 4 for SNS in the topic's Region.
package fakemail
