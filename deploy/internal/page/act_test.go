package page_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// clickOn clicks a button of any message.
func (s *fixture) clickOn(as string, m slacktest.Message, action string) {
	s.Helper()
	s.do("click", as, body{"channel": m.ChannelID, "ts": m.TS, "action": action})
}

// fill submits the open form of a person.
func (s *fixture) fill(as, field, value string) {
	s.Helper()
	view, ok := s.sandbox.Slack.Modal(as)
	if !ok {
		s.Fatalf("%s has no form open", as)
	}
	s.do("submit", as, body{"view": view.ID, "values": map[string]any{field: map[string]string{field: value}}})
}

// with returns the first message whose blocks have a button with that action.
func with(t *testing.T, messages []slacktest.Message, action string) slacktest.Message {
	t.Helper()
	for _, m := range messages {
		for _, m := range append([]slacktest.Message{m}, m.Replies...) {
			for _, b := range m.Buttons() {
				if b.ActionID == action {
					return m
				}
			}
		}
	}
	t.Fatalf("no message has the button %s", action)
	return slacktest.Message{}
}

// A question goes to the thread and to the requester, who answers it from the direct
// message. The answer mentions the person who asked. Both stay on the message.
func TestQuestion(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	s.clickButton(sandbox.Ann, "ask")
	s.shows(sandbox.Ann, "modal", "Ask the requester")
	s.fill(sandbox.Ann, "question", "How long?")
	s.shows(sandbox.Ann, "slack", "1 open question", "How long?")
	question := with(t, s.sandbox.Slack.DMs(sandbox.Rita), "answer")
	if !strings.Contains(question.Text, "How long?") {
		t.Errorf("the direct message says %q", question.Text)
	}
	s.clickOn(sandbox.Rita, question, "answer")
	s.shows(sandbox.Rita, "modal", "How long?")
	s.fill(sandbox.Rita, "answer", "A month")
	s.shows(sandbox.Ann, "slack", "answered in the thread", "A month")
	channel := s.sandbox.Slack.Messages(sandbox.Channel)
	mentioned := 0
	for _, reply := range channel[0].Replies {
		if strings.Contains(reply.Text, "A month") && strings.Contains(reply.Text, "<@"+sandbox.Ann+">") {
			mentioned++
		}
	}
	if mentioned != 1 {
		t.Errorf("%d replies have the answer and mention who asked, want 1", mentioned)
	}

	// The button stays; a second answer is refused, in private.
	s.clickOn(sandbox.Rita, question, "answer")
	if private := s.sandbox.Slack.Ephemerals(sandbox.Rita); len(private) != 1 || !strings.Contains(private[0].Text, "answered already") {
		t.Errorf("private messages: %+v", private)
	}
	reply := with(t, channel, "answer")
	s.clickOn(sandbox.Dan, reply, "answer")
	s.shows(sandbox.Dan, "slack", "Only the requester of this launch can do this")
	s.clickButton(sandbox.Ann, "approve")
	if got := s.request(); got.State() != handle.Approved || len(got.Messages) != 1 {
		t.Errorf("got %s, messages %v", got.State(), got.Messages)
	}
	s.clickOn(sandbox.Rita, reply, "answer")
	s.shows(sandbox.Rita, "slack", "An answer is no longer needed")
}

// A review is shown until it ends, by itself or by the button.
func TestReviewing(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	s.clickButton(sandbox.Ann, "reviewing")
	s.clickButton(sandbox.Bob, "reviewing")
	s.shows(sandbox.Dan, "slack", "Reviewing", "until")
	s.clickButton(sandbox.Bob, "stopreviewing")
	if got := s.request().Reviews; len(got) != 1 || got[0].By.ID != sandbox.Ann {
		t.Errorf("reviews: %+v", got)
	}
	s.do("advance", sandbox.Rita, body{"seconds": int((handle.ReviewTime + 2*time.Minute).Seconds())})
	s.hides(sandbox.Dan, "slack", "Reviewing")
	if status, _ := s.try("click", sandbox.Ann, body{"channel": sandbox.Channel, "ts": s.request().Messages[0].TS, "action": "stopreviewing"}); status == http.StatusOK {
		t.Error("the button to stop is shown without a review")
	}
}

// Ann passes a request on to Dan, who may approve then.
func TestReassign(t *testing.T) {
	s := newFixture(t)
	s.launch(sandbox.Rita, nil)
	s.shows(sandbox.Ann, "slack", "Waiting for", "@platform-approvers")
	s.clickButton(sandbox.Ann, "reassign")
	s.shows(sandbox.Ann, "modal", "Reassign this launch?", "Dan Developer")
	s.fill(sandbox.Ann, "approvers", sandbox.Dan)
	s.shows(sandbox.Bob, "slack", "Reassigned")
	s.clickButton(sandbox.Bob, "approve")
	s.shows(sandbox.Bob, "slack", "You aren't an approver")
	s.clickButton(sandbox.Dan, "approve")
	if got := s.request(); got.State() != handle.Approved || got.Decision.By.ID != sandbox.Dan {
		t.Errorf("got %s by %s", got.State(), got.Decision.By.ID)
	}
}
