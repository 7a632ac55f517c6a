package page

import (
	"slices"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
)

// person is one of the people as whom a visitor can act.
type person struct {
	ID    string // Slack user ID
	Short string // first name
	Role  string
	Email string
	AWS   bool // has access to the AWS account
}

// people are the sandbox's people that a visitor can choose. The first is the
// default.
var people = []person{
	{ID: sandbox.Rita, Short: "Rita", Role: "requester", AWS: true},
	{ID: sandbox.Ann, Short: "Ann", Role: "approver", AWS: true},
	{ID: sandbox.Bob, Short: "Bob", Role: "approver", AWS: true},
	{ID: sandbox.Dan, Short: "Dan", Role: "colleague", AWS: true},
	{ID: sandbox.Gwen, Short: "Gwen", Role: "guest"},
	{ID: sandbox.Olga, Short: "Olga", Role: "external"},
}

// findPerson finds one of the people by Slack user ID.
func findPerson(people []person, id string, users map[string]slacktest.User) (p person, ok bool) {
	i := slices.IndexFunc(people, func(p person) bool { return p.ID == id })
	if i < 0 {
		return person{}, false
	}
	p = people[i]
	p.Email = users[p.ID].Email
	return p, true
}

// Avatar returns the person's avatar.
func (p person) Avatar() avatar { return avatar{Initials: initials(p.Short), Color: colorOf(p.ID)} }

const colorCount = 8 // avatar colors; the last is for everyone not in people

// colorOf gives each of people a different color.
func colorOf(id string) int {
	i := slices.IndexFunc(people, func(p person) bool { return p.ID == id })
	if i < 0 {
		return colorCount - 1
	}
	return i
}
