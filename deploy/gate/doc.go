// Package gate reads CloudFormation templates: it parses them, checks what CloudFormation checks, finds which resource
// depends on which, and evaluates their expressions for one stack. It lints their gates.
//
// Messages that a template's author reads are CloudFormation's own where they are known; the few others are marked
// "own words".
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-reference.html
package gate
