package bot_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/handle"
	"countersign/handle/handletest"
)

// click is a click on the button of an act by who.
func (w *world) click(r handle.Request, name, item, who string) document {
	return w.approve(r).set(name, "actions", "0", "action_id").
		set(handle.Action{ID: r.ID, Name: name, Item: item}.String(), "actions", "0", "value").by(who)
}

// form is the submitted form of an act. Its element is that of the state.
func (w *world) form(r handle.Request, name, item, who, field string, element map[string]any) document {
	metadata, err := json.Marshal(map[string]string{"ticket": handle.Action{ID: r.ID, Name: name, Item: item}.String(), "channel": channel, "ts": rootTS})
	if err != nil {
		w.Fatal(err)
	}
	return w.submission(r).set(name, "view", "callback_id").set(string(metadata), "view", "private_metadata").
		set(map[string]any{field: map[string]any{field: element}}, "view", "state", "values").by(who)
}

func (w *world) question(r handle.Request, who, text string) document {
	return w.form(r, "ask", "", who, "question", map[string]any{"type": "plain_text_input", "value": text})
}

func (w *world) answer(r handle.Request, id, who, text string) document {
	return w.form(r, "answer", id, who, "answer", map[string]any{"type": "plain_text_input", "value": text})
}

func (w *world) reassignment(r handle.Request, who string, to ...string) document {
	var options []any
	for _, id := range to {
		options = append(options, map[string]any{"text": map[string]any{"type": "plain_text", "text": id}, "value": id})
	}
	return w.form(r, "reassign", "", who, "approvers", map[string]any{"type": "multi_static_select", "selected_options": options})
}

// opened is the last opened view, which Slack must accept.
func (w *world) opened(n int) string {
	w.Helper()
	calls := w.slack.of("views.open")
	if len(calls) != n {
		w.Fatalf("views.open: got %d calls, want %d", len(calls), n)
	}
	view := calls[n-1].params.Get("view")
	for _, p := range slacktest.ValidateView(json.RawMessage(view)) {
		w.Errorf("Slack would refuse it: %v", p)
	}
	return view
}

// TestQuestionAndAnswer asks, answers, and delivers each form twice.
func TestQuestionAndAnswer(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.wantAck(w.send(w.click(r, "ask", "", approver)))
	if view := w.opened(1); !strings.Contains(view, "Ask the requester") || !strings.Contains(view, "robin.requester") {
		t.Errorf("the form does not say whom it asks: %s", view)
	}
	if n := w.store.Counts(); n.Writes != 0 {
		t.Errorf("opening the form wrote %d times", n.Writes)
	}
	ask := w.question(r, approver, "  How long?\n<!channel> ")
	w.wantAck(w.send(ask))
	w.wantAck(w.send(ask))
	got := w.wantVotes(r.ID, 0, handle.Pending)
	if len(got.Questions) != 1 || got.Questions[0].Text != "How long?\n<!channel>" || got.Questions[0].By.ID != approver {
		t.Fatalf("questions: got %+v, want one", got.Questions)
	}
	if after := w.afterCalls(); len(after) == 0 || after[0].holder == "" {
		t.Errorf("After: got %+v, want a call under a lease", after)
	}

	// From the direct message, which shows no copy of the request.
	inDM := w.click(r, "answer", "q1", requester).set("D0REQUESTER", "container", "channel_id").set("1795341700.000300", "container", "message_ts")
	w.wantAck(w.send(inDM))
	if view := w.opened(2); !strings.Contains(view, "How long?") || !strings.Contains(view, "@U0APPROVER1") {
		t.Errorf("the form does not quote the question: %s", view)
	}
	answer := w.answer(r, "q1", requester, "A month")
	w.wantAck(w.send(answer))
	w.wantAck(w.send(answer))
	got = w.wantVotes(r.ID, 0, handle.Pending)
	if a := got.Questions[0].Answer; a == nil || a.Text != "A month" || a.By.ID != requester {
		t.Errorf("answer: got %+v", a)
	}
	if len(got.Messages) != 1 {
		t.Errorf("messages: got %v, want the root only", got.Messages)
	}
	w.wantPrivate()
	if n := w.slack.count("usergroups.users.list"); n != 0 {
		t.Errorf("user groups were looked up %d times for people who are named", n)
	}
	w.wantErrorAt(w.send(w.answer(r, "q1", requester, "Two months")), "answer", "answered already")
	w.wantAck(w.send(w.click(r, "answer", "q1", requester).set("1795341800.000400", "container", "message_ts")))
	w.wantPrivate("answered already")
	if got := w.stored(r.ID); len(got.Messages) != 1 {
		t.Errorf("the question in the thread became a copy of the message: %v", got.Messages)
	}
}

// TestReview starts and ends reviews. A copy of the message that is clicked joins the
// record, so that it is refreshed too.
func TestReview(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.wantAck(w.send(w.click(r, "reviewing", "", approver)))
	w.wantAck(w.send(w.click(r, "reviewing", "", member).set("1795341700.000300", "container", "message_ts")))
	got := w.stored(r.ID)
	if len(got.Reviews) != 2 || len(got.Messages) != 2 {
		t.Errorf("got reviews %+v and messages %v, want two of each", got.Reviews, got.Messages)
	}
	w.advance(time.Minute)
	w.wantAck(w.send(w.click(r, "reviewing", "", approver)))
	if renewed := w.stored(r.ID).Reviews[0]; !renewed.Until.Equal(got.Reviews[0].Until.Add(time.Minute)) {
		t.Errorf("a renewed review ends %v, before it was %v", renewed.Until, got.Reviews[0].Until)
	}
	w.wantAck(w.send(w.click(r, "stopreviewing", "", approver)))
	if got := w.stored(r.ID); len(got.Reviews) != 1 || got.Reviews[0].By.ID != member {
		t.Errorf("after one has stopped: %+v", got.Reviews)
	}
	w.wantPrivate()
	w.wantAck(w.send(w.click(r, "stopreviewing", "", approver)))
	w.wantPrivate("You aren't reviewing this launch")
	w.wantVotes(r.ID, 0, handle.Pending)
}

func reassignable(r *handle.Request) {
	r.Terms.ReassignTo = []string{"U0SECOND", "S0OTHERS", requester}
	*r = r.RecordGroups(map[string]handle.Group{"S0OTHERS": {Name: "others", Size: 14}})
}

// TestReassign chooses from the configured people and groups, by name.
func TestReassign(t *testing.T) {
	w := newWorld(t)
	r := w.launch(reassignable)
	w.wantAck(w.send(w.click(r, "reassign", "", approver)))
	view := w.opened(1)
	for _, want := range []string{"Member U0SECOND", "@others (14 people)"} {
		if !strings.Contains(view, want) {
			t.Errorf("the form does not offer %q: %s", want, view)
		}
	}
	if strings.Contains(view, "Member U0REQUESTER") {
		t.Errorf("the form offers the requester: %s", view)
	}
	w.wantErrorAt(w.send(w.reassignment(r, approver, requester)), "approvers", "can't be reassigned to them")
	w.wantErrorAt(w.send(w.reassignment(r, approver)), "approvers", "can't be reassigned to them")
	form := w.reassignment(r, approver, "U0SECOND", "S0OTHERS")
	w.wantAck(w.send(form))
	w.advance(time.Second)
	w.wantAck(w.send(form)) // again; the person is no longer an approver
	got := w.wantVotes(r.ID, 0, handle.Pending)
	if len(got.Reassignments) != 1 || strings.Join(got.Terms.Approvers, " ") != "U0SECOND S0OTHERS" {
		t.Errorf("got %+v, approvers %v", got.Reassignments, got.Terms.Approvers)
	}
	w.wantPrivate()
}

// TestReassignWithoutNames opens the form although Slack does not say who the people
// are.
func TestReassignWithoutNames(t *testing.T) {
	w := newWorld(t)
	r := w.launch(reassignable)
	w.slack.fail["users.info"] = ""
	w.wantAck(w.send(w.click(r, "reassign", "", approver))) // whom Slack knows by now
	w.advance(30 * time.Second)
	w.slack.fail["users.info"] = "fatal_error"
	other, err := w.store.Store.Create(t.Context(), handletest.Request(2, launched, posted, reassignable, func(r *handle.Request) { r.Terms.ReassignTo = []string{"U0NEW"} }))
	if err != nil {
		t.Fatal(err)
	}
	w.wantAck(w.send(w.click(other, "reassign", "", approver)))
	if view := w.opened(2); !strings.Contains(view, "User U0NEW") {
		t.Errorf("got %s", view)
	}
}

// TestActsRefused clicks and submits what is not allowed: each person is told privately,
// with the next step, and nothing is recorded but the refusal.
func TestActsRefused(t *testing.T) {
	asked := func(r *handle.Request) {
		v := handle.Voter{Person: handle.Person{ID: approver}, Home: true}
		next, _, err := r.Ask(v, "Why?", launched)
		if err != nil {
			panic(err)
		}
		*r = next
	}
	decided := func(r *handle.Request) {
		*r, _ = r.VoteByMail("Kim", handle.Approve, "", launched.Add(time.Minute))
	}
	unknown := func(r *handle.Request) { *r = r.IdentifyRequester("", nil, false) }
	tests := []struct {
		name          string
		edits         []func(*handle.Request)
		act, item, by string
		team          string
		private       string
		why           handle.RefusalReason
	}{
		{name: "question by another", act: "ask", by: outsider, private: "You aren't an approver of this launch, so nothing was recorded. Approvers: <@U0APPROVER1>", why: handle.RefusedNotApprover},
		{name: "question after the decision", edits: []func(*handle.Request){decided}, act: "ask", by: approver, private: "To reach the requester, reply in the thread.", why: handle.RefusedDecided},
		{name: "question to an unknown requester", edits: []func(*handle.Request){unknown}, act: "ask", by: approver, private: "The requester isn't known in Slack, so a question can't be sent. Reply in the thread", why: handle.RefusedNoRequester},
		{name: "question from another workspace", act: "ask", by: approver, team: "T0ELSEWHERE", private: "different Slack workspace", why: handle.RefusedOtherWorkspace},
		{name: "answer by another", edits: []func(*handle.Request){asked}, act: "answer", item: "q1", by: approver, private: "Only the requester of this launch", why: handle.RefusedNotRequester},
		{name: "answer after the decision", edits: []func(*handle.Request){asked, decided}, act: "answer", item: "q1", by: requester, private: "An answer is no longer needed, so it was not sent.", why: handle.RefusedDecided},
		{name: "answer to no question", act: "answer", item: "q1", by: requester, private: "This question isn't on record.", why: handle.RefusedNoQuestion},
		{name: "review by another", act: "reviewing", by: outsider, private: "You aren't an approver", why: handle.RefusedNotApprover},
		{name: "review of one's own", edits: []func(*handle.Request){func(r *handle.Request) { r.Terms.Approvers = append(r.Terms.Approvers, requester) }}, act: "reviewing", by: requester, private: "This is your own request", why: handle.RefusedOwnRequest},
		{name: "reassignment to no one", act: "reassign", by: approver, private: "can't be reassigned", why: handle.RefusedNotReassigned},
		{name: "reassignment by another", edits: []func(*handle.Request){reassignable}, act: "reassign", by: outsider, private: "You aren't an approver", why: handle.RefusedNotApprover},
		{name: "question after the deadline", edits: []func(*handle.Request){func(r *handle.Request) { r.Terms.Deadline = launched.Add(5 * time.Minute) }}, act: "ask", by: approver, private: "This request expired", why: handle.RefusedExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch(tt.edits...)
			d := w.click(r, tt.act, tt.item, tt.by)
			if tt.team != "" {
				d.set(tt.team, "user", "team_id")
			}
			w.wantAck(w.send(d))
			w.wantPrivate(tt.private)
			got := w.stored(r.ID)
			if n := w.slack.count("views.open"); n != 0 {
				t.Errorf("%d forms were opened", n)
			}
			if got.CountRefusals(tt.why) != 1 {
				t.Errorf("refusals because of %q: got %d, want 1", tt.why, got.CountRefusals(tt.why))
			}
			if len(got.Questions) > len(r.Questions) || len(got.Reviews)+len(got.Reassignments) > 0 {
				t.Errorf("recorded: %+v %+v %+v", got.Questions, got.Reviews, got.Reassignments)
			}
			switch tt.act {
			case "ask":
				d = w.question(r, tt.by, "Why?")
			case "answer":
				d = w.answer(r, tt.item, tt.by, "Because")
			case "reassign":
				d = w.reassignment(r, tt.by, "U0SECOND")
			default:
				return
			}
			if tt.team != "" {
				d.set(tt.team, "user", "team_id")
			}
			field := map[string]string{"ask": "question", "answer": "answer", "reassign": "approvers"}[tt.act]
			want, _, _ := strings.Cut(tt.private, ". Approvers:")
			w.wantErrorAt(w.send(d), field, want)
			if got := w.stored(r.ID); len(got.Questions) > len(r.Questions) || len(got.Reassignments) > 0 {
				t.Errorf("recorded: %+v %+v", got.Questions, got.Reassignments)
			}
		})
	}
}

// TestActsThatFail has buttons and forms that are not ours, triggers that have expired,
// and a store and a Slack that fail.
func TestActsThatFail(t *testing.T) {
	for name, tt := range map[string]struct {
		fail map[string]string
		send func(*world, handle.Request) document
		want string
	}{
		"an expired trigger": {map[string]string{"views.open": "expired_trigger_id"}, func(w *world, r handle.Request) document { return w.click(r, "ask", "", approver) }, "Click Ask again."},
		"a used trigger":     {map[string]string{"views.open": "exchanged_trigger_id"}, func(w *world, r handle.Request) document { return w.click(r, "ask", "", approver) }, "Click Ask again."},
		"a refused view":     {map[string]string{"views.open": "invalid_arguments"}, func(w *world, r handle.Request) document { return w.click(r, "ask", "", approver) }, "The form could not be opened"},
		"an unknown person":  {map[string]string{"users.info": "fatal_error"}, func(w *world, r handle.Request) document { return w.click(r, "reviewing", "", approver) }, "Slack could not confirm who you are, so nothing was recorded."},
		"another's value": {nil, func(w *world, r handle.Request) document {
			return w.click(r, "ask", "", approver).set("reassign", "actions", "0", "action_id")
		}, "belongs to an unknown request"},
		"a verdict": {nil, func(w *world, r handle.Request) document {
			return w.click(r, "reviewing", "", approver).set(handle.Ticket{ID: r.ID, Verdict: handle.Approve}.String(), "actions", "0", "value")
		}, "belongs to an unknown request"},
		"no such request": {nil, func(w *world, r handle.Request) document {
			r.ID = "abcdefghabcdefgh-abcdefgh"
			return w.click(r, "reviewing", "", approver)
		}, "belongs to an unknown request"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.launch()
			for method, code := range tt.fail {
				w.slack.fail[method] = code
			}
			w.wantAck(w.send(tt.send(w, r)))
			w.wantPrivate(tt.want)
			if got := w.stored(r.ID); len(got.Questions)+len(got.Reviews)+len(got.Votes) > 0 {
				t.Errorf("recorded: %+v %+v %+v", got.Questions, got.Reviews, got.Votes)
			}
		})
	}
	t.Run("forms", func(t *testing.T) {
		w := newWorld(t)
		r := w.launch()
		w.wantErrorAt(w.send(w.question(r, approver, "x").set("{}", "view", "private_metadata")), "question", "Close it and click the button")
		w.wantErrorAt(w.send(w.question(r, approver, " \n")), "question", "the text is empty")
		w.wantErrorAt(w.send(w.question(r, approver, "x").set("answer", "view", "callback_id")), "answer", "Close it and click the button")
		r.ID = "abcdefghabcdefgh-abcdefgh"
		w.wantErrorAt(w.send(w.question(r, approver, "x")), "question", "Close it and click the button")
	})
}

// TestReviewsCollide has two people review at the same time as a third writes: no
// change is lost.
func TestReviewsCollide(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	done := make(chan response)
	for _, d := range []document{w.click(r, "reviewing", "", approver), w.click(r, "reviewing", "", member), w.question(r, "U0SECOND", "Why?")} {
		go func() { done <- w.send(d) }()
	}
	for range 3 {
		w.wantAck(<-done)
	}
	if got := w.stored(r.ID); len(got.Reviews) != 2 || len(got.Questions) != 1 {
		t.Errorf("got reviews %+v and questions %+v", got.Reviews, got.Questions)
	}
}

// TestAskFromHome asks in place, from the Home tab and from the request that a list
// opens. What happened is shown there.
func TestAskFromHome(t *testing.T) {
	l := newLists(t)
	all := l.add(1, 2)
	home := l.home(approver)
	i := l.click(approver, home, "decide/"+all[0].ID, "ask")
	if i.Opened == nil {
		t.Fatal("no form for the question")
	}
	fill := func(view slacktest.View, text string) {
		t.Helper()
		s, err := l.slack.Submit(approver, view.ID, map[string]map[string]string{"question": {"question": text}})
		if err != nil || s.Failed {
			t.Fatal(err, s.Status, s.Body)
		}
	}
	fill(*i.Opened, "How long?")
	home, _ = l.slack.Home(approver)
	l.wantText("Home", home.Blocks, "Your question was sent to the requester.")

	i = l.click(approver, home, "decide/"+all[1].ID, "list.review")
	if i.Opened == nil {
		t.Fatal("the request does not open")
	}
	i = l.click(approver, *i.Opened, "", "ask")
	if i.Opened == nil {
		t.Fatal("no form above the request")
	}
	fill(*i.Opened, "Who pays?")
	if v, open := l.slack.Modal(approver); open {
		t.Errorf("the modal %q is still open", v.Title)
	}
	for n, want := range []string{"How long?", "Who pays?"} {
		if got := l.stored(all[n].ID).Questions; len(got) != 1 || got[0].Text != want {
			t.Errorf("request %d: got %+v", n, got)
		}
	}
	if len(l.slack.Ephemerals(approver)) != 0 {
		t.Error("a private message beside the Home tab")
	}
	unknown := l.add(3, 1, func(r *handle.Request) { *r = r.IdentifyRequester("", nil, false) })[0]
	l.click(approver, l.home(approver), "decide/"+unknown.ID, "ask")
	home, _ = l.slack.Home(approver)
	l.wantText("Home", home.Blocks, "Reply in the thread instead")
}

// TestGuestAnswers: guests may launch, so they may answer.
func TestGuestAnswers(t *testing.T) {
	w := newWorld(t)
	w.slack.add(requester, map[string]any{"is_restricted": true})
	r := w.launch()
	w.wantAck(w.send(w.question(r, approver, "Why?")))
	w.wantAck(w.send(w.answer(r, "q1", requester, "Because")))
	if got := w.stored(r.ID).Questions; len(got) != 1 || got[0].Answer == nil {
		t.Errorf("got %+v", got)
	}
	w.wantPrivate()
}

// Acts cost no more reads and writes than a vote.
func TestActCost(t *testing.T) {
	w := newWorld(t)
	r := w.launch(reassignable)
	for _, tt := range []struct {
		name          string
		send          document
		reads, writes int
	}{
		{"a review", w.click(r, "reviewing", "", approver), 1, 1},
		{"a form", w.click(r, "ask", "", approver), 1, 0},
		{"a question", w.question(r, approver, "Why?"), 1, 1},
		{"an answer", w.answer(r, "q1", requester, "Because"), 1, 1},
		{"a reassignment", w.reassignment(r, approver, "U0SECOND"), 1, 1},
	} {
		w.store.Reset()
		w.wantAck(w.send(tt.send))
		if n := w.store.Counts(); n != (handletest.Counts{Reads: tt.reads, Writes: tt.writes}) {
			t.Errorf("%s: got %+v, want %d reads and %d writes", tt.name, n, tt.reads, tt.writes)
		}
	}
	if n := w.slack.count("users.info"); n != 2 {
		t.Errorf("%d people were looked up, want each once", n)
	}
}
