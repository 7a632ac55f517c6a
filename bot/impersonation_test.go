package bot_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
)

// TestNoOneActsForAnother clicks every button and submits every form as people who may
// not, with values that name requests and questions that they were not shown. Whatever
// they send, only refusals get onto the record.
func TestNoOneActsForAnother(t *testing.T) {
	const stranger, left, robot = "U0STRANGER", "U0LEFT", "U0ROBOT"
	l := newLists(t)
	l.slack.AddUser(slacktest.User{ID: stranger, Name: "stranger", TeamID: "T0ELSEWHERE"})
	l.slack.AddUser(slacktest.User{ID: left, Name: "left", Deleted: true})
	l.slack.AddUser(slacktest.User{ID: robot, Name: "robot", Bot: true})
	open := func(r *handle.Request) {
		r.Terms.Approvers = []string{approver, guest, left, robot, stranger} // who was entitled once must still be a member
		r.Terms.ReassignTo = []string{outsider, "U0SECOND"}
		v := handle.Voter{Person: handle.Person{ID: approver}, Home: true}
		for _, step := range []func(handle.Request) (handle.Request, error){
			func(r handle.Request) (handle.Request, error) {
				next, _, err := r.Ask(v, "Why?", launched)
				return next, err
			},
			func(r handle.Request) (handle.Request, error) { return r.StartReview(v, launched) },
		} {
			next, err := step(*r)
			if err != nil {
				t.Fatal(err)
			}
			*r = next
		}
	}
	granted := func(r *handle.Request) {
		r.Terms.Approvers = []string{approver, guest, left, robot, stranger}
		r.Terms.Deadline, r.Terms.GrantForSeconds = launched.Add(time.Minute), 86400
		r.Content = handle.Content{Product: r.Product.ID, Version: r.Product.Version, Account: r.Stack.Account, Region: r.Stack.Region, Principal: r.Requester.Principal}
		*r = r.Expire(launched.Add(time.Minute))
		next, err := r.VoteBySlack(handle.Voter{Person: handle.Person{ID: approver}, Home: true}, handle.Approve, "", launched.Add(2*time.Minute))
		if err != nil || next.Grant == nil {
			t.Fatal("no grant", err)
		}
		*r = next
	}
	all := append(l.add(1, 1, open), l.add(2, 1, granted)...)
	const asApprover, asRequester = "approver", "requester"
	may := map[string]string{
		"approve": asApprover, "reject": asApprover, "revoke": asApprover, "ask": asApprover, "reviewing": asApprover, "stopreviewing": asApprover, "reassign": asApprover,
		blocks.BatchReviewModal: asApprover, "answer": asRequester, "withdraw": asRequester, "nudge": asRequester,
	}
	people := map[string][]string{
		asApprover:  {outsider, guest, left, robot, stranger, requester, "U0UNKNOWN", ""},
		asRequester: {outsider, guest, left, robot, stranger, approver, "U0UNKNOWN", ""},
	}
	kept := func(r handle.Request) string {
		b, err := json.Marshal([]any{r.Votes, r.Decision, r.Questions, r.Reviews, r.Nudges, r.Reassignments, r.Terms, r.Grant, r.Messages, r.FirstApprovers})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	send := func(payload document) {
		l.slack.AddTrigger("trigger", approver)
		l.signed("/slack/interactivity", "application/x-www-form-urlencoded", url.Values{"payload": {encode(t, payload)}}.Encode(), nil)
	}
	// act sends what name can arrive as, and reports whether the request changed.
	act := func(name, who string, r handle.Request) bool {
		value := handle.Action{ID: r.ID, Name: name}.String()
		switch name {
		case "approve", "reject", "revoke":
			value = handle.Ticket{ID: r.ID, Verdict: handle.Verdict(name)}.String()
		case "answer":
			value = handle.Action{ID: r.ID, Name: name, Item: "q1"}.String()
		}
		from, err := json.Marshal(map[string]any{"ticket": value, "channel": channel, "ts": rootTS, "home": true, "r": [][2]string{{r.ID, blocks.Shown(r)}}})
		if err != nil {
			t.Fatal(err)
		}
		team := "T0HOME"
		if who == stranger {
			team = "T0ELSEWHERE"
		}
		element := map[string]any{"value": "because I say so", "selected_options": []any{map[string]any{"value": outsider}}}
		values := map[string]any{}
		for _, field := range []string{"question", "answer", "withdrawal", "approvers", "reason"} {
			values[field] = map[string]any{field: element}
		}
		payload := func(kind, key string, place map[string]any) document {
			return document{
				"type": kind, "api_app_id": "A0COUNTERSIGN", "trigger_id": "trigger", "user": map[string]any{"id": who, "team_id": team},
				"actions": []any{map[string]any{"action_id": name, "value": value}}, key: place,
			}
		}
		before := kept(l.stored(r.ID))
		send(payload("block_actions", "container", map[string]any{"channel_id": channel, "message_ts": rootTS}))
		send(payload("block_actions", "view", map[string]any{"id": "V1", "type": "home"}))
		send(payload("block_actions", "view", map[string]any{"id": "V1", "type": "modal", "private_metadata": "home"}))
		send(payload("view_submission", "view", map[string]any{"callback_id": name, "private_metadata": string(from), "state": map[string]any{"values": values}}))
		return kept(l.stored(r.ID)) != before
	}
	for name, role := range may {
		for _, who := range people[role] {
			for _, r := range all {
				if act(name, who, r) {
					t.Errorf("%s by %q, who is no %s, changed the request", name, who, role)
				}
			}
		}
	}
	for _, c := range l.slack.Calls() {
		if c.Method == "views.open" || c.Method == "views.push" {
			t.Errorf("a form was opened: %+v", c)
		}
	}
	n := 2
	for name, role := range may { // the same sent by those who may does something
		n++
		r := l.add(n, 1, map[bool]func(*handle.Request){true: granted, false: open}[name == "revoke"])[0]
		if !act(name, map[string]string{asApprover: approver, asRequester: requester}[role], r) {
			t.Errorf("%s by the %s changed nothing", name, role)
		}
	}
}
