package page

import (
	"slices"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
)

// person is one of the people whom a visitor can be.
type person struct {
	ID    string // Slack user ID
	Short string // first name
	Role  string
	Email string
	AWS   bool // has access to the AWS account
}

// cast are the people of the made world, in the order in which a story meets
// them. The first is who a visitor is at first.
var cast = []person{
	{ID: sandbox.Rita, Short: "Rita", Role: "asks", AWS: true},
	{ID: sandbox.Ann, Short: "Ann", Role: "approves", AWS: true},
	{ID: sandbox.Bob, Short: "Bob", Role: "approves", AWS: true},
	{ID: sandbox.Dan, Short: "Dan", Role: "colleague", AWS: true},
	{ID: sandbox.Gwen, Short: "Gwen", Role: "guest"},
	{ID: sandbox.Olga, Short: "Olga", Role: "other company"},
}

// personOf finds one of the cast by Slack user ID.
func personOf(id string, users map[string]slacktest.User) (p person, ok bool) {
	i := slices.IndexFunc(cast, func(p person) bool { return p.ID == id })
	if i < 0 {
		return person{}, false
	}
	p = cast[i]
	p.Email = users[p.ID].Email
	return p, true
}

// Avatar is the person's.
func (p person) Avatar() avatar { return avatar{Initials: initials(p.Short), Tone: tone(p.ID)} }

const tones = 8 // colours of avatars; the last is for strangers

// tone gives each of the cast a colour of their own.
func tone(id string) int {
	i := slices.IndexFunc(cast, func(p person) bool { return p.ID == id })
	if i < 0 {
		return tones - 1
	}
	return i
}
