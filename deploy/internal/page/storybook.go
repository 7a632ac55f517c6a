package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/slack-go/slack"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// storybook shows every Slack message and mail in every state, rendered as the
// page renders them.
type storybook struct {
	Build    string
	Sections []section
}

type section struct {
	ID, Title, About string
	Examples         []example
}

// example shows one message or one mail.
type example struct {
	Title, About string
	Message      *message
	Mail         *mail
	JSON         string              // the blocks as sent to Slack
	Problems     []slacktest.Problem // why Slack would reject them
}

// newStorybook renders the storybook.
func newStorybook() (storybook, error) {
	messages := section{ID: "messages", Title: "Request message", About: "One per request, updated as the request changes."}
	details := section{ID: "details", Title: "Details", About: "The modal behind the Details button: all values in full."}
	replies := section{ID: "replies", Title: "Thread replies", About: "One per event of the request."}
	direct := section{ID: "direct", Title: "Direct messages", About: "The requester's thread: beside each request message is its first message, which is updated too; these are the replies. Approvers get one only if nothing else can tell them."}
	mails := section{ID: "mail", Title: "Mail", About: "Sent when Slack cannot be reached."}
	forms := section{ID: "forms", Title: "Forms", About: "The modals that ask for a text or a choice."}
	seen := map[string]bool{}
	inQuestion := asked(withGroups(pending(1)))
	for _, f := range []struct {
		title, about string
		form         slack.ModalViewRequest
	}{
		{"Reject", "The reason goes to the requester.", blocks.Reject(inQuestion, "")},
		{"Ask", "Says who gets the question.", blocks.Ask(inQuestion, "")},
		{"Answer", "For the requester, from the direct message or the thread.", blocks.Answer(inQuestion, "q1", "")},
		{"Withdraw", "For the requester, from the direct message. The reason is optional.", blocks.Withdraw(inQuestion, "")},
		{"Reassign", "People and groups that the configuration allows.", blocks.Reassign(inQuestion, map[string]string{bob.ID: bob.Name}, "")},
	} {
		if err := forms.add(seen, f.title, f.about, blocks.View{Text: f.title, Blocks: f.form.Blocks.BlockSet}); err != nil {
			return storybook{}, err
		}
	}
	lists := section{ID: "lists", Title: "Lists and the Home tab", About: "What /approvals and the Home tab show to one person, and the forms that they open."}
	for _, s := range listSamples() {
		if err := lists.addList(seen, s); err != nil {
			return storybook{}, err
		}
	}
	for _, s := range samples() {
		if err := messages.add(seen, s.Name, s.About, blocks.Message(s.Request)); err != nil {
			return storybook{}, err
		}
		if s.Request.Requester.Addressable() {
			if err := messages.add(seen, s.Name+": to the requester", "The first direct message.", blocks.Direct(s.Request)); err != nil {
				return storybook{}, err
			}
		}
		if err := details.add(seen, s.Name+": details", "", blocks.View{Text: "Details", Blocks: blocks.Details(s.Request).Blocks.BlockSet}); err != nil {
			return storybook{}, err
		}
		posted := s.Request.MarkPosted(sandbox.Channel, "1772442000.000100", "", sampleTime)
		if s.Request.Decision == nil {
			if err := direct.add(seen, s.Name+": to an approver", "Sent if neither the thread nor a mail could notify them.", blocks.AskDirect(posted)); err != nil {
				return storybook{}, err
			}
		}
		for _, o := range s.Request.Notifications() {
			name := s.Name + ": " + notificationTitle(o)
			if err := replies.add(seen, name, "", blocks.Notification(s.Request, o, false)); err != nil {
				return storybook{}, err
			}
			if _, toRequester := posted.PendingDeliveries(o); toRequester && o.Kind() != handle.NotifyAsked { // which is the first message
				if err := direct.add(seen, name, "", blocks.Notification(s.Request, o, true)); err != nil {
					return storybook{}, err
				}
			}
			mails.mail(seen, name, s.Request, o)
		}
	}
	return storybook{build, []section{messages, forms, details, replies, direct, lists, mails}}, nil
}

// notificationTitle names a notification in the storybook.
func notificationTitle(n handle.Notification) string {
	return map[string]string{
		handle.NotifyAsked: "new request", handle.NotifyVote: "one approval", handle.NotifyReminder: "reminder",
		handle.NotifyDecided: "outcome", handle.NotifyBypass: "bypass", handle.NotifyEnded: "stack finished", handle.NotifyLocked: "mailed link locked",
		handle.NotifyGranted: "approved for relaunch", handle.NotifyQuestion: "question", handle.NotifyAnswer: "answer",
		handle.NotifyReassigned: "reassigned", handle.NotifyEscalated: "escalated", handle.NotifyNudge: "nudge",
	}[n.Kind()]
}

// add adds an example of a message, unless an identical one was added before.
func (c *section) add(seen map[string]bool, title, about string, v blocks.View) error {
	blocks, err := json.Marshal(v.Blocks)
	if err != nil {
		return fmt.Errorf("couldn't encode %s: %w", title, err)
	}
	if seen[string(blocks)] {
		return nil
	}
	seen[string(blocks)] = true
	rd := reader{names: sampleNames(), viewer: sandbox.Ann}
	rendered, err := rd.blocks(blocks)
	if err != nil {
		return fmt.Errorf("couldn't render %s: %w", title, err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, blocks, "", "  "); err != nil {
		return fmt.Errorf("couldn't indent %s: %w", title, err)
	}
	c.Examples = append(c.Examples, example{
		Title: title, About: about, JSON: pretty.String(), Problems: slacktest.ValidateMessage(blocks),
		Message: &message{
			Key: fmt.Sprintf("%s-%d", c.ID, len(c.Examples)), Author: rd.names.user(sandbox.BotUser), Avatar: avatar{App: true},
			App: true, At: sampleTime, Blocks: rendered,
		},
	})
	return nil
}

// mail adds an example of a mail, if this notification is sent by mail.
func (c *section) mail(seen map[string]bool, title string, r handle.Request, o handle.Notification) {
	switch {
	case o.Kind() == handle.NotifyLocked, o.Name == handle.NotifyAsked && r.State() == handle.Pending, o.Name == handle.NotifyDecided, o.Name == handle.NotifyBypass:
	default:
		return
	}
	links := &blocks.Links{Base: "https://approvals.example.com", Key: handle.MailKey("example mail key of the storybook")}
	subject, body := blocks.Mail(r, o, links)
	if seen[subject+"\n"+body] {
		return
	}
	seen[subject+"\n"+body] = true
	c.Examples = append(c.Examples, example{Title: title, Mail: &mail{
		Key: fmt.Sprintf("%s-%d", c.ID, len(c.Examples)), From: "no-reply@sns.amazonaws.com", To: sandbox.Admin, Subject: subject, At: sampleTime, Body: splitLinks(body),
	}})
}

// sampleNames returns the names of the people in the samples.
func sampleNames() names {
	n := names{map[string]slacktest.User{}, map[string]slacktest.UserGroup{}, map[string]slacktest.Channel{}}
	for _, p := range []struct{ id, name string }{
		{sandbox.Rita, "Rita Requester"}, {ann.ID, ann.Name}, {bob.ID, bob.Name}, {sandbox.BotUser, "Countersign"}, {grid.ID, grid.Name},
	} {
		n.users[p.id] = slacktest.User{ID: p.id, DisplayName: p.name, Bot: p.id == sandbox.BotUser}
	}
	n.groups[security] = slacktest.UserGroup{ID: security, Handle: "security"}
	n.groups[sandbox.Approvers] = slacktest.UserGroup{ID: sandbox.Approvers, Handle: "platform-approvers", Users: []string{ann.ID, bob.ID}}
	return n
}

// serveStorybook serves the storybook.
func serveStorybook(w http.ResponseWriter, _ *http.Request) {
	b, err := newStorybook()
	if err != nil {
		http.Error(w, "Couldn't render the storybook.", http.StatusInternalServerError)
		return
	}
	writePage(w, "storybook", b)
}
