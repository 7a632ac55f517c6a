// Package fakemail is a made SNS topic with mailboxes behind it.
//
// It speaks the AWS Query protocol of SNS, as the client of
// github.com/aws/aws-sdk-go-v2/service/sns does when its BaseEndpoint is set, and
// applies the rules of docs.aws.amazon.com/sns/latest/api: what may stand in a
// subject, how long a message may be, who gets it. It does not check the
// signature itself, only that there is one for this service and Region.
package fakemail
