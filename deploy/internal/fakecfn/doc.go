// Package fakecfn simulates AWS CloudFormation. It runs templates, speaks the custom resource and wait condition protocols
// over HTTP, and keeps the event log that CloudFormation would.
//
// Wait conditions, wait handles and custom resources behave as documented. Every other resource type succeeds, with
// plausible identifiers and attributes. Stacks are created, updated, rolled back and deleted. Nested stacks are not expanded,
// and transforms other than AWS::LanguageExtensions are not run: what they would add has made-up identifiers.
//
// An update changes the resources whose evaluated properties differ. Simplified: changed stack tags are not passed on to
// resources, a changed Metadata is not a change, and a plain resource is replaced only if its name changes.
//
// An [Engine] has no goroutines and no timers. CreateStack, UpdateStack, DeleteStack and each HTTP request take stacks as far as they
// can go; the owner of the clock calls [Engine.Tick] at the time that [Engine.Next] returns. The same calls at the same
// times with the same identifiers give the same events in the same order.
//
// Reasons, validation messages and error documents are CloudFormation's and S3's own where they are known; the few
// others are marked "own words".
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-reference.html
package fakecfn
