// Package fakecfn is a made AWS CloudFormation: it runs real templates, speaks the real custom
// resource and wait condition protocols over HTTP, and keeps the real event log, so that code written for
// AWS meets here what it meets there. It knows nothing of the programs it is used to try.
//
// What it makes and what it does not. Wait conditions, wait handles and custom resources behave as documented;
// every other resource type is a plain resource that simply succeeds and has plausible identifiers and
// attributes. Nothing is ever updated: stacks are created, rolled back and deleted.
//
// An [Engine] owns no goroutine and no timer. It works eagerly whenever something arrives (CreateStack, an HTTP
// request, DeleteStack), and whoever owns the clock calls [Engine.Tick] when [Engine.Next] says so. The same
// inputs at the same instants with the same identifiers give the same events in the same order.
//
// Texts that a person or a program may read (reasons, validation messages, error documents) are
// CloudFormation's and S3's own where they are known; the few that are not are marked "own words".
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-reference.html
package fakecfn
