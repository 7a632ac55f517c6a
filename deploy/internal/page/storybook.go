package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// book is the storybook: everything that the notifier says, in every state,
// drawn as the page draws it.
type book struct {
	Build    string
	Chapters []chapter
}

type chapter struct {
	ID, Title, About string
	Plates           []plate
}

// plate shows one message or one mail.
type plate struct {
	Title, About string
	Message      *message
	Letter       *letter
	JSON         string              // the blocks as they go to Slack
	Problems     []slacktest.Problem // why Slack would refuse them
}

// storybook draws the book.
func storybook() (book, error) {
	messages := chapter{ID: "messages", Title: "The message", About: "One for each request, for its whole life."}
	replies := chapter{ID: "replies", Title: "In its thread", About: "What happened, once each."}
	direct := chapter{ID: "direct", Title: "To whoever asked", About: "Outcomes, as direct messages."}
	mails := chapter{ID: "mail", Title: "By mail", About: "Sent when Slack could not be told."}
	seen := map[string]bool{}
	for _, s := range samples() {
		if err := messages.add(seen, s.Name, s.About, blocks.Message(s.Request)); err != nil {
			return book{}, err
		}
		for _, o := range s.Request.Notifications() {
			name := s.Name + ": " + o.Name
			if err := replies.add(seen, name, "", blocks.Notification(s.Request, o, false)); err != nil {
				return book{}, err
			}
			if _, told := s.Request.PendingDeliveries(o); told {
				if err := direct.add(seen, name, "", blocks.Notification(s.Request, o, true)); err != nil {
					return book{}, err
				}
			}
			mails.mail(seen, name, s.Request, o)
		}
	}
	return book{build, []chapter{messages, replies, direct, mails}}, nil
}

// add adds a plate of a message, unless the book has the very same.
func (c *chapter) add(seen map[string]bool, title, about string, v blocks.View) error {
	blocks, err := json.Marshal(v.Blocks)
	if err != nil {
		return fmt.Errorf("couldn't encode %s: %w", title, err)
	}
	if seen[string(blocks)] {
		return nil
	}
	seen[string(blocks)] = true
	eyes := reader{names: sampleNames(), viewer: sandbox.Ann}
	drawn, err := eyes.blocks(blocks)
	if err != nil {
		return fmt.Errorf("couldn't draw %s: %w", title, err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, blocks, "", "  "); err != nil {
		return fmt.Errorf("couldn't indent %s: %w", title, err)
	}
	c.Plates = append(c.Plates, plate{
		Title: title, About: about, JSON: pretty.String(), Problems: slacktest.ValidateMessage(blocks),
		Message: &message{
			Key: fmt.Sprintf("%s-%d", c.ID, len(c.Plates)), Author: eyes.names.user(sandbox.BotUser), Avatar: avatar{App: true},
			App: true, At: sampleTime, Blocks: drawn,
		},
	})
	return nil
}

// mail adds a plate of a mail, if one is sent on such an occasion.
func (c *chapter) mail(seen map[string]bool, title string, r handle.Request, o handle.Notification) {
	switch {
	case o.Name == handle.NotifyAsked && r.State() == handle.Pending, o.Name == handle.NotifyDecided, o.Name == handle.NotifyBypass:
	default:
		return
	}
	links := &blocks.Links{Base: "https://approvals.example.com", Key: handle.MailKey("the storybook's own made-up mail key")}
	subject, body := blocks.Mail(r, o, links)
	if seen[subject+"\n"+body] {
		return
	}
	seen[subject+"\n"+body] = true
	c.Plates = append(c.Plates, plate{Title: title, Letter: &letter{
		Key: fmt.Sprintf("%s-%d", c.ID, len(c.Plates)), From: "no-reply@sns.amazonaws.com", To: sandbox.Admin, Subject: subject, At: sampleTime, Body: linked(body),
	}})
}

// sampleNames names the people of the samples as the made workspace does.
func sampleNames() names {
	n := names{map[string]slacktest.User{}, map[string]slacktest.UserGroup{}, map[string]slacktest.Channel{}}
	for _, p := range []struct{ id, name string }{
		{sandbox.Rita, "Rita Requester"}, {ann.ID, ann.Name}, {bob.ID, bob.Name}, {sandbox.BotUser, "Countersign"},
	} {
		n.users[p.id] = slacktest.User{ID: p.id, DisplayName: p.name, Bot: p.id == sandbox.BotUser}
	}
	n.groups[sandbox.Approvers] = slacktest.UserGroup{ID: sandbox.Approvers, Handle: "platform-approvers", Users: []string{ann.ID, bob.ID}}
	return n
}

// serveStorybook serves the book.
func serveStorybook(w http.ResponseWriter, _ *http.Request) {
	b, err := storybook()
	if err != nil {
		http.Error(w, "The storybook could not be drawn.", http.StatusInternalServerError)
		return
	}
	write(w, "storybook", b)
}
