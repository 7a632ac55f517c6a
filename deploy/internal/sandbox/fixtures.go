package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/fakemail"
	"countersign/deploy/internal/localfn"
	"countersign/handle"
	"countersign/notifier"
)

// The simulated account, workspace and people.
const (
	Region  = "us-east-1"
	Account = "111122223333"

	// OtherAccount launches through the topic, and its stacks cannot be read.
	OtherAccount = "444455556666"
	Topic        = "arn:aws:sns:" + Region + ":" + Account + ":countersign-mail"

	Team      = "T0EXAMPLE"
	otherTeam = "T0ELSEWHERE"
	AppID     = "A0COUNTERSIGN"
	BotUser   = "U0COUNTERSIGN"
	Channel   = "C0APPROVALS"
	Approvers = "S0PLATFORM" // a user group

	Rita  = "U0RITA" // launches products
	Ann   = "U0ANN"  // an approver
	Bob   = "U0BOB"  // an approver
	Dan   = "U0DAN"  // a colleague who may not approve
	Gwen  = "U0GWEN" // a guest
	Olga  = "U0OLGA" // in another workspace, through Slack Connect
	Admin = "admins@example.com"

	// With a Grid: the organization, a sister workspace, and people in it.
	Organization = "E0HOLDING"
	SisterTeam   = "T0SISTER"
	Sam          = "U0SAM"  // an approver, in both workspaces
	Tess         = "U0TESS" // in the sister workspace only

	token         = "xoxb-made-up-token"
	signingSecret = "made-up-signing-secret"
)

func functionsConfig(cloudFormation, slack, mail, bot string) localfn.Config {
	return localfn.Config{
		CloudFormation: cloudFormation, Slack: slack, Mail: mail, Bot: bot,
		Region: Region, Account: Account, TopicARN: Topic, Token: token, TeamID: Team, AppID: AppID,
		SigningSecrets: []string{signingSecret},
		MailKey:        []byte("a made-up key for the links in mails"),
		Defaults: notifier.Defaults{
			Channel:   Channel,
			Approvers: []string{Approvers},
			Approvals: 1,
			Margin:    handle.MinMargin,

			UnprovenRequester: handle.UnprovenTwoApprovers,
			GrantFor:          72 * time.Hour,
		},
	}
}

// EveryAction configures the functions so that requests are reminded and escalated, and
// can be reassigned: to Dan, who may not approve otherwise.
func EveryAction(d *notifier.Defaults) {
	d.Reminders = handle.DefaultReminders()
	d.ReassignTo, d.EscalateTo, d.EscalateAfter = []string{Dan}, []string{Dan}, 6*time.Hour
}

func newWorkspace(now func() time.Time, origin, bot string, client *http.Client, limits slacktest.RateLimits, grid *Grid) *slacktest.Workspace {
	c := slacktest.Config{
		Now: now, TeamID: Team, TeamName: "Example", Domain: "example",
		AppID: AppID, BotID: "B0COUNTERSIGN", BotUserID: BotUser, BotName: "countersign", BotToken: token,
		Scopes: []string{"chat:write", "users:read", "users:read.email", "usergroups:read", "commands", "reactions:write"}, MessagesTab: true, HomeTab: true,
		Origin: origin, SigningSecret: signingSecret, RequestURL: bot + "/slack/interactivity",
		CommandURL: bot + "/slack/commands", EventsURL: bot + "/slack/events",
		Client: client, RateLimits: limits,
	}
	if grid == nil {
		w := slacktest.New(c)
		Populate(w)
		return w
	}
	c.EnterpriseID, c.EnterpriseName, c.OrgInstall = Organization, "Holding", grid.OrgInstall
	w := slacktest.New(c)
	populateGrid(w)
	return w
}

// Populate adds the people, the approvers' user group and the channel to a
// workspace.
func Populate(w *slacktest.Workspace) {
	person := func(id, name, real, team string) slacktest.User {
		return slacktest.User{ID: id, TeamID: team, Name: name, RealName: real, DisplayName: real, Email: name + "@example.com"}
	}
	w.AddUser(person(Rita, "rita", "Rita Requester", Team))
	w.AddUser(person(Ann, "ann", "Ann Approver", Team))
	w.AddUser(person(Bob, "bob", "Bob Approver", Team))
	w.AddUser(person(Dan, "dan", "Dan Developer", Team))
	guest := person(Gwen, "gwen", "Gwen Guest", Team)
	guest.Restricted = true
	w.AddUser(guest)
	w.AddUser(person(Olga, "olga", "Olga Outsider", otherTeam))
	w.AddUserGroup(slacktest.UserGroup{ID: Approvers, Handle: "platform-approvers", Name: "Platform approvers", Users: []string{Ann, Bob}})
	w.AddChannel(slacktest.Channel{ID: Channel, Name: "launch-approvals", Members: []string{BotUser, Rita, Ann, Bob, Dan, Gwen, Olga}, ExtShared: true})
}

// Grid puts the workspace into an Enterprise Grid, where each person has a second
// user ID, in the organization.
type Grid struct {
	Configured bool // Countersign's SlackEnterprise names the organization, so all its members are at home
	OrgInstall bool // the app is installed on the organization; then Configured must be set too
}

// OrgID returns the ID in the organization of a person in a Grid.
func OrgID(user string) string { return "W" + strings.TrimPrefix(user, "U") }

// populateGrid adds the same people as Populate, with their second IDs, and those of
// a sister workspace. Lists mix both IDs, as Slack's do.
func populateGrid(w *slacktest.Workspace) {
	Populate(w)
	for _, u := range w.Users() {
		if u.TeamID == Team && u.ID != BotUser {
			u.EnterpriseUserID, u.Teams = OrgID(u.ID), []string{Team}
			w.AddUser(u)
		}
	}
	w.AddUser(slacktest.User{ID: Sam, EnterpriseUserID: OrgID(Sam), TeamID: SisterTeam, Teams: []string{SisterTeam, Team},
		Name: "sam", RealName: "Sam Sister", DisplayName: "Sam Sister", Email: "sam@example.com"})
	w.AddUser(slacktest.User{ID: Tess, EnterpriseUserID: OrgID(Tess), TeamID: SisterTeam, Teams: []string{SisterTeam},
		Name: "tess", RealName: "Tess Sister", DisplayName: "Tess Sister", Email: "tess@example.com"})
	w.AddUserGroup(slacktest.UserGroup{ID: Approvers, Handle: "platform-approvers", Name: "Platform approvers", Users: []string{Ann, OrgID(Bob), OrgID(Sam)}})
	w.AddChannel(slacktest.Channel{ID: Channel, Name: "launch-approvals", Members: []string{BotUser, Rita, Ann, Bob, Dan, Gwen, Olga, Sam, Tess}, ExtShared: true, OrgShared: true})
}

func newTopic(now func() time.Time) *fakemail.Topic {
	return fakemail.New(fakemail.Config{Now: now, ARN: Topic, Subscribers: []fakemail.Subscriber{{Address: Admin, Confirmed: true}}})
}

// sweepEvent returns the event of a schedule that fires each minute. See
// https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html
func sweepEvent(now time.Time) []byte {
	b, _ := json.Marshal(map[string]any{ // cannot fail: strings only
		"version": "0", "id": now.Format("20060102-150405"), "detail-type": "Scheduled Event",
		"source": "aws.events", "account": Account, "time": now.Format(time.RFC3339), "region": Region,
		"resources": []string{"arn:aws:events:" + Region + ":" + Account + ":rule/countersign-sweep"}, "detail": map[string]string{},
	})
	return b
}
