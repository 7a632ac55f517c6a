// Package page serves the local run's web page: simulated Service Catalog and
// CloudFormation, a simulated Slack channel as one chosen person sees it, the
// administrators' mail, and the stored requests. The page updates itself.
//
// All HTML is rendered on the server by html/template. The script in the
// browser patches what changed into the page and posts what the visitor does.
// So text from outside is escaped in one place, and the storybook renders
// messages exactly as the page does.
package page
