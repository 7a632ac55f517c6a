package notifier_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/bot/slacktest"
	"countersign/handle"
)

// askedBySlack checks that a pending request is asked in one live message, whose
// thread or own notification reached the approvers.
func (w *testWorld) askedBySlack(id string) handle.Message {
	w.Helper()
	r := w.load(id)
	root, ok := r.Root()
	if !ok {
		w.Fatalf("the question has no message: %+v", r.Outstanding())
	}
	if m := w.message(root); m.Deleted || m.ThreadTS != "" || len(m.ButtonsIn("decide")) != 3 {
		w.Errorf("the root is %+v, want a message with its buttons", m)
	}
	for _, m := range w.slack.Messages(channel) {
		if m.TS != root.TS && !m.Deleted {
			w.Errorf("a message is left over: %q", m.Text)
		}
	}
	if steps := r.Due(w.Now()); len(steps) > 0 {
		w.Errorf("still due: %+v", steps)
	}
	return root
}

// deleteRoot deletes the request's message; and, as an administrator can, its thread.
func (w *testWorld) deleteRoot(id string, withThread bool) handle.Message {
	w.Helper()
	root, ok := w.load(id).Root()
	if !ok {
		w.Fatal("no message")
	}
	if withThread {
		for _, reply := range w.message(root).Replies {
			if err := w.slack.DeleteMessage(root.Channel, reply.TS); err != nil {
				w.Fatal(err)
			}
		}
	}
	if err := w.slack.DeleteMessage(root.Channel, root.TS); err != nil {
		w.Fatal(err)
	}
	return root
}

// The next thing that is posted about a pending request notices that its message was
// deleted, with its thread or without, and the question is asked again.
func TestDeletedQuestionIsAskedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		withThread bool
		next       func(w *testWorld, r handle.Request)
	}{
		"reminder, message deleted":            {false, func(w *testWorld, r handle.Request) { w.sweep(10 * time.Hour) }},
		"reminder, message and thread deleted": {true, func(w *testWorld, r handle.Request) { w.sweep(10 * time.Hour) }},
		"vote, message deleted":                {false, func(w *testWorld, r handle.Request) { w.decide(r.ID, handle.Approve, "") }},
		"vote, message and thread deleted":     {true, func(w *testWorld, r handle.Request) { w.decide(r.ID, handle.Approve, "") }},
		"locked link, message deleted":         {false, func(w *testWorld, r handle.Request) { w.lock(r.ID) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.notifier.Defaults.Approvals = 2
			r := w.launch()
			old := w.deleteRoot(r.ID, tt.withThread)
			w.advance(time.Minute)
			tt.next(w, r)
			root := w.askedBySlack(r.ID)
			if root.TS == old.TS {
				t.Fatal("the deleted message is still the root")
			}
			asked := w.message(root)
			notified := slices.Clone(asked.Notified) // the message names people, the thread groups
			for _, reply := range asked.Replies {
				notified = append(notified, reply.Notified...)
			}
			for _, awaited := range w.load(r.ID).WaitingFor() {
				for _, id := range append(slices.Clone(awaited.Group.Members), awaited.ID) {
					if handle.IsUser(id) && !slices.Contains(notified, id) {
						t.Errorf("the new message and its thread do not notify %s", id)
					}
				}
			}
			if !slices.Contains(notified, bob) { // who has not voted
				t.Errorf("Bob is not notified: %s", asked.Blocks)
			}
			if len(w.mail.sent) > 0 {
				t.Errorf("%d mails", len(w.mail.sent))
			}
		})
	}
}

// TestDeletionIsFoundAfterAFailedUpdate: the update that would find out that the message was
// deleted fails once, and the reminder goes to the thread of the deleted message.
func TestDeletionIsFoundAfterAFailedUpdate(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	old := w.deleteRoot(r.ID, false)
	failed := false
	w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
		if method != "chat.update" || form.Get("ts") != old.TS || failed {
			return nil
		}
		failed = true
		return &slacktest.Fault{Status: http.StatusServiceUnavailable}
	})
	w.sweep(r.Terms.Reminders[0].Sub(w.Now()) + time.Minute)
	w.sweep(15 * time.Minute)
	if !failed {
		t.Fatal("no update failed")
	}
	if root := w.askedBySlack(r.ID); root.TS == old.TS {
		t.Error("the deleted message is still the root")
	}
}

// lock records too many wrong codes at a mailed link, and sweeps.
func (w *testWorld) lock(id string) {
	w.Helper()
	r := w.load(id)
	for range handle.MaxWrongCodes {
		r = r.RecordRefusal(handle.Person{Name: "Kim"}, handle.Ticket{ID: id, Verdict: handle.Approve}.WrongCode("sealed"), w.Now())
	}
	if _, err := w.store.Replace(w.T.Context(), r); err != nil {
		w.Fatal(err)
	}
	w.sweep(5 * time.Minute)
}

// The message is deleted before the first reply, so that nothing shows its loss but
// the answer to that reply: it has no thread_ts. The reply becomes the question.
func TestReplyToDeletedMessageBecomesTheQuestion(t *testing.T) {
	w := newWorld(t)
	w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
		if method == "chat.postMessage" && form.Get("thread_ts") != "" && len(w.slack.Messages(channel)) == 1 {
			if err := w.slack.DeleteMessage(channel, form.Get("thread_ts")); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	r := w.launch()
	root := w.askedBySlack(r.ID)
	if m := w.message(root); !slices.Contains(m.Notified, ann) || m.Updates != 1 {
		t.Errorf("notified %v, %d updates; want Ann among them, and one update to the question", m.Notified, m.Updates)
	}
}

// Slack says in so many words that there is no such thread.
func TestUnknownThreadIsAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.notifier.Defaults.Approvals = 2
	r := w.launch()
	old := w.deleteRoot(r.ID, true)
	w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
		if form.Get("thread_ts") == old.TS {
			return &slacktest.Fault{Error: "thread_not_found"}
		}
		return nil
	})
	w.advance(time.Minute)
	w.decide(r.ID, handle.Approve, "")
	if root := w.askedBySlack(r.ID); root.TS == old.TS {
		t.Error("the deleted message is still the root")
	}
}

// Slack never knows the thread, of any message: the question is not posted without end,
// and the approvers are told another way.
func TestThreadsThatAreNeverFoundDoNotFillTheChannel(t *testing.T) {
	for _, code := range []string{"thread_not_found", "message_not_found"} {
		for _, mail := range []bool{true, false} {
			w := newWorld(t)
			if !mail {
				w.notifier.Mail = nil
			}
			w.refusePosts(code, true)
			r := w.launch()
			w.sweep(time.Hour)
			if posted := len(w.slack.Messages(channel)); posted > 3 {
				t.Errorf("%s: the question was posted %d times", code, posted)
			}
			if r = w.load(r.ID); r.State() != handle.Pending || len(r.Due(w.Now())) > 0 {
				t.Errorf("%s: the request is %s, and due are %+v", code, r.State(), r.Due(w.Now()))
			}
			if mails, direct := len(w.mail.sent), len(w.slack.DMs(ann)); mail && mails != 1 || !mail && direct != 1 {
				t.Errorf("%s, with mail %t: %d mails, and %d direct messages to Ann", code, mail, mails, direct)
			}
		}
	}
}

// A decided request asks nothing: what is reported of it stays where Slack puts it.
func TestDecidedRequestIsNotAskedAgain(t *testing.T) {
	w := newWorld(t)
	r := w.launch()
	w.decide(r.ID, handle.Reject, "no")
	w.deleteRoot(r.ID, true)
	if err := w.ended("ROLLBACK_COMPLETE"); err != nil {
		t.Fatal(err)
	}
	w.sweep(time.Hour)
	for _, m := range w.slack.Messages(channel) {
		if len(m.ButtonsIn("decide")) > 0 {
			t.Errorf("asked again: %q", m.Text)
		}
	}
	if r = w.load(r.ID); len(r.Due(w.Now())) > 0 || len(r.Reasked) > 0 {
		t.Errorf("due %+v, asked again at %v", r.Due(w.Now()), r.Reasked)
	}
}

// refusePosts makes Slack refuse all posts, or only replies, with an error code.
func (w *testWorld) refusePosts(code string, repliesOnly bool) (posts *atomic.Int32) {
	posts = new(atomic.Int32)
	w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
		if method != "chat.postMessage" || repliesOnly && form.Get("thread_ts") == "" {
			return nil
		}
		posts.Add(1)
		return &slacktest.Fault{Error: code}
	})
	return posts
}

// What Slack refuses for good is tried once; what it refuses with a code that is not
// known, a few times. The question comes by mail instead.
func TestLastingRefusals(t *testing.T) {
	for _, code := range []string{"channel_not_found", "not_in_channel", "is_archived", "restricted_action", "restricted_action_thread_only_channel",
		"account_inactive", "token_revoked", "a_code_of_next_year"} {
		t.Run(code, func(t *testing.T) {
			most := 1
			if code == "a_code_of_next_year" {
				most = 5
			}
			w := newWorld(t)
			posts := w.refusePosts(code, false)
			r := w.launch()
			w.sweep(4 * time.Hour)
			if n := int(posts.Load()); n > most || len(w.mail.sent) != 1 {
				t.Errorf("%d posts and %d mails, want at most %d and 1", n, len(w.mail.sent), most)
			}
			if r = w.load(r.ID); r.State() != handle.Pending {
				t.Errorf("the request is %s", r.State())
			}
		})
	}
}

// The message is posted, but its thread takes no reply that mentions the approvers:
// they are told by mail, with links to decide.
func TestApproversWhoCannotBeMentionedGetMail(t *testing.T) {
	for _, code := range []string{"cannot_reply_to_message", "is_archived", "not_in_channel", "restricted_action_thread_locked", "a_code_of_next_year"} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t)
			w.refusePosts(code, true)
			r := w.launch()
			w.sweep(time.Hour)
			if len(w.mail.sent) != 1 || !strings.Contains(w.mail.sent[0].body, "/decide/") || !strings.Contains(w.mail.sent[0].body, "did not let Countersign notify") {
				t.Fatalf("mails: %+v, want one that says why and has links", w.mail.sent)
			}
			w.decide(r.ID, handle.Approve, "")
			w.sweep(time.Hour)
			if len(w.mail.sent) != 2 || !strings.HasPrefix(w.mail.sent[1].subject, "Approved") {
				t.Errorf("mails: %+v, want one of the decision too", w.mail.sent)
			}
		})
	}
}

// Without a mail topic, they are told by direct message, each once, the requester not.
func TestApproversWhoCannotBeMentionedOrMailedGetDirectMessages(t *testing.T) {
	const carl = "U0CARL"
	for _, code := range []string{"cannot_reply_to_message", "restricted_action_thread_locked", "a_code_of_next_year"} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t)
			w.slack.AddUser(slacktest.User{ID: carl, Name: "carl", RealName: "Carl", Email: "carl@example.com"})
			w.slack.AddUserGroup(slacktest.UserGroup{ID: group, Handle: "platform", Users: []string{ann, bob, rita}})
			w.notifier.Mail = nil
			w.notifier.Defaults.Approvers = []string{group, carl, ann}
			w.refusePosts(code, true)
			r := w.launch()
			w.sweep(time.Hour)
			w.sweep(10 * time.Hour)
			root, _ := w.load(r.ID).Root()
			link := "https://slack.com/archives/" + root.Channel + "/p" + strings.ReplaceAll(root.TS, ".", "")
			for _, id := range []string{ann, bob, carl} {
				if got := w.slack.DMs(id); len(got) != 1 || !strings.Contains(got[0].Text, link) || len(got[0].ButtonsIn("decide")) > 0 {
					t.Errorf("%s got %+v, want one message that leads to the request", id, got)
				}
			}
			for _, m := range w.slack.DMs(rita) {
				if strings.Contains(m.Text, "your approval") {
					t.Errorf("the requester is asked: %q", m.Text)
				}
			}
			w.decide(r.ID, handle.Approve, "")
			w.sweep(time.Hour)
			if got := len(w.slack.DMs(ann)); got != 1 {
				t.Errorf("Ann got %d messages", got)
			}
		})
	}
}

// Approvers who take no direct messages cost a few attempts, and only they are not told.
func TestRefusedDirectMessageToOneApprover(t *testing.T) {
	w := newWorld(t)
	w.notifier.Mail = nil
	attempts := 0
	w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
		switch {
		case method == "chat.postMessage" && form.Get("thread_ts") != "":
			return &slacktest.Fault{Error: "is_archived"}
		case method == "chat.postMessage" && form.Get("channel") == ann:
			attempts++
			return &slacktest.Fault{Error: "messages_tab_disabled"}
		}
		return nil
	})
	w.launch()
	w.sweep(10 * time.Hour)
	if attempts != 1 || len(w.slack.DMs(ann)) != 0 || len(w.slack.DMs(bob)) != 1 {
		t.Errorf("%d attempts at Ann, who got %d messages, and Bob %d; want 1, 0 and 1", attempts, len(w.slack.DMs(ann)), len(w.slack.DMs(bob)))
	}
}

// The thread has mentioned the approvers, and only the requester takes no direct
// messages: the approvers are not told a second time.
func TestRequesterWhoCannotBeWrittenToTellsApproversNothing(t *testing.T) {
	for _, mail := range []bool{true, false} {
		w := newWorld(t)
		if !mail {
			w.notifier.Mail = nil
		}
		w.slack.SetFault(func(method string, form url.Values) *slacktest.Fault {
			if method == "chat.postMessage" && form.Get("channel") == rita {
				return &slacktest.Fault{Error: "messages_tab_disabled"}
			}
			return nil
		})
		w.launch()
		w.sweep(time.Hour)
		if len(w.mail.sent) != 0 || len(w.slack.DMs(ann)) != 0 {
			t.Errorf("with mail %t: %d mails, and %d direct messages to Ann", mail, len(w.mail.sent), len(w.slack.DMs(ann)))
		}
	}
}

// A 429 is a 429 whatever its Retry-After says. What asks to wait past the deadline
// is mailed at once; the rest waits for Slack.
func TestRetryAfter(t *testing.T) {
	date := start.Add(90 * time.Second).Format(http.TimeFormat)
	for _, tt := range []struct {
		name   string
		values []string
		want   time.Duration
		mailed bool
	}{
		{"missing", nil, 30 * time.Second, false},
		{"empty", []string{""}, 30 * time.Second, false},
		{"a number", []string{"45"}, 45 * time.Second, false},
		{"zero", []string{"0"}, time.Second, false},
		{"fractional", []string{"44.2"}, 45 * time.Second, false},
		{"a list", []string{"40, 45"}, 45 * time.Second, false},
		{"two headers", []string{"45", "40"}, 45 * time.Second, false},
		{"a date", []string{date}, 90 * time.Second, false},
		{"a date in the past", []string{start.Add(-time.Hour).Format(http.TimeFormat)}, time.Second, false},
		{"negative", []string{"-5"}, 30 * time.Second, false},
		{"no number", []string{"soon"}, 30 * time.Second, false},
		{"not a number", []string{"NaN"}, 30 * time.Second, false},
		{"a day", []string{"86400"}, 24 * time.Hour, true},
		{"huge", []string{"99999999999999999999999"}, 24 * time.Hour, true},
		{"infinite", []string{"Inf"}, 24 * time.Hour, true},
		{"a far date", []string{start.AddDate(10, 0, 0).Format(http.TimeFormat)}, 24 * time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.notifier.Slack = w.slackVia(func(req *http.Request) (*http.Response, error) {
				if !isPost(req) {
					return nil, nil
				}
				return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": tt.values},
					Body: io.NopCloser(strings.NewReader("slow down")), Request: req}, nil
			})
			w.notifier.Wait = func(context.Context, time.Duration) error { return io.EOF } // the launch does not wait
			r := w.launch()
			got := r.Attempts["post"]
			if wait := got.NotBefore.Sub(start); !got.RateLimited || got.Abandoned || wait != max(tt.want, 10*time.Second) {
				t.Errorf("waits %s: %+v, want %s", wait, got, tt.want)
			}
			if (len(w.mail.sent) > 0) != tt.mailed {
				t.Errorf("%d mails at launch, want one: %t", len(w.mail.sent), tt.mailed)
			}
		})
	}
}

// Slack asks to wait past the deadline and there is no mail, so no approver would
// ever be asked: the launch fails at once.
func TestWaitPastDeadlineWithoutMailFailsTheLaunch(t *testing.T) {
	w := newWorld(t)
	w.notifier.Mail = nil
	w.slack.SetFault(func(method string, _ url.Values) *slacktest.Fault {
		if method == "chat.postMessage" {
			return &slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: 20 * time.Hour}
		}
		return nil
	})
	if got, err := w.handle(w.event(nil, nil)); err != nil || got.Status != "FAILED" || !strings.Contains(got.Reason, "rate limited; no mail topic") {
		t.Errorf("answered %+v, error %v", got, err)
	}
}

// A refusal of Slack to look people up, with any error code, is not an answer: it is asked
// until the request closes, and no one may decide before.
func TestRefusedLookUpIsAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.stacks.description = proven("arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com")
	refuse := "missing_scope"
	w.slack.SetFault(func(method string, _ url.Values) *slacktest.Fault {
		if method == "users.lookupByEmail" && refuse != "" {
			return &slacktest.Fault{Error: refuse}
		}
		return nil
	})
	r := w.launch()
	for _, code := range []string{"account_inactive", "a_code_of_next_year", "token_revoked"} {
		refuse = code
		w.sweep(2 * time.Hour)
	}
	if r = w.load(r.ID); r.Requester.LookedUp || r.State() != handle.Pending {
		t.Fatalf("%s, requester %+v, want it pending and unknown", r.State(), r.Requester)
	}
	refuse = ""
	w.sweep(30 * time.Minute)
	if r = w.load(r.ID); !r.Requester.LookedUp || r.Requester.SlackID != rita {
		t.Errorf("requester %+v, want Rita", r.Requester)
	}
}
