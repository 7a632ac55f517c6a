// Package page is the page of the made world: what a newcomer sees and presses.
// It shows the made CloudFormation, the made Slack as one person sees it, the
// admins' mail and the record, and keeps itself current.
//
// All of it is drawn on this side, by html/template; the browser's part moves
// what is new into the page, and sends what people do. So text from outside is
// escaped in one place, and the storybook shows what the page shows.
package page
