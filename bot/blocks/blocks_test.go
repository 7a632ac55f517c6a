package blocks_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
	"pgregory.net/rapid"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
)

var update = flag.Bool("update", false, "write the golden files anew")

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const (
	account = "111122223333"
	stackID = "arn:aws:cloudformation:us-east-1:111122223333:stack/SC-111122223333-pp-abcdefghijklm/0d5b6a60-1111-2222-3333-444455556666"
	channel = "C0APPROVALS"
	group   = "S0PLATFORM"
	rita    = "U0RITA"
	ann     = "U0ANN"
)

// sample is a request with everything in it.
func sample() handle.Request {
	return handle.Request{
		ID: "abcdefghijkmnpqr-stuvwxyz", CreatedAt: start,
		Stack: handle.Stack{ID: stackID, Name: "SC-111122223333-pp-abcdefghijklm", Account: account, Region: "us-east-1", Gate: "ApprovalRequest"},
		Product: handle.Product{Name: "Message queue (test)", ID: "prod-abcd1234", Version: "pa-abcd1234", Portfolio: "port-abcd1234",
			Provisioned: "my-queue", ProvisionedID: "pp-abcdefghijklm"},
		Requester: handle.Requester{Email: "rita@example.com", Principal: "arn:aws:sts::111122223333:assumed-role/Requesters/rita@example.com",
			SlackID: rita, SlackIDs: []string{rita}, LookedUp: true, Proven: true},
		Purpose:    "Orders of the web shop",
		Details:    []handle.Field{{Name: "Kept for", Value: "4 days"}},
		Parameters: []handle.Field{{Name: "AdminPassword", Value: "(hidden)"}, {Name: "Environment", Value: "test"}},
		Terms:      handle.Terms{Channel: channel, Approvers: []string{group, "U0BOSS"}, Approvals: 1, Deadline: start.Add(11 * time.Hour), RemindAt: start.Add(8 * time.Hour)},
	}.RecordCreation()
}

// sampleOfGroups is sample with what Slack says about the groups, and with others to
// turn to.
func sampleOfGroups() handle.Request {
	r := sample()
	r.Terms.ReassignTo, r.Terms.EscalateTo, r.Terms.EscalateAt = []string{"U0DAN", "S0SECURITY", rita}, []string{"S0SECURITY"}, start.Add(2*time.Hour)
	return r.RecordGroups(map[string]handle.Group{
		group:        {Name: "platform", Size: 3, Members: []string{ann, "U0CAT", rita}},
		"S0SECURITY": {Name: "security & <audit>", Size: 14},
	})
}

// sampleUpdate is a request of an update of sample's product.
func sampleUpdate() handle.Request {
	r := sample()
	r.Update = &handle.Update{Approved: r.ID, RequestID: "8c1d7f00-update", PhysicalID: r.ID, Unshown: true, Changes: []handle.Change{
		{Name: "Environment", Old: "test", New: "production"}, {Name: "MaxReceives", New: "5"},
	}}
	r.ID, r.Stack.Updating = "bcdefghijkmnpqra-tuvwxyzs", true
	r.Terms.UnprovenRequester = handle.UnprovenTwoApprovers
	r.Requester.Launcher, r.Requester.Principal, r.Requester.Proven = r.Requester.Principal, "", false
	return r
}

// expiredLaunch is a launch that may still be approved for relaunch.
func expiredLaunch() handle.Request {
	r := sample()
	r.Terms.GrantForSeconds = int((72 * time.Hour).Seconds())
	r.Content = handle.Content{Product: r.Product.ID, Template: handle.TemplateDigest("Resources: {}"), Account: account, Region: "us-east-1", Principal: r.Requester.Principal}
	return r.Expire(r.Terms.Deadline)
}

func must(r handle.Request, err error) handle.Request {
	if err != nil {
		panic(err)
	}
	return r
}

func voter(id string) handle.Voter {
	return handle.Voter{Person: handle.Person{Team: "T0EXAMPLE", ID: id, Name: id}, Home: true, Groups: []string{group}}
}

// states are records in every state that a person can see.
func states() map[string]handle.Request {
	at := start.Add(time.Hour)
	pending := sample()
	claimed := sample()
	claimed.Requester = handle.Requester{Email: "claimed@example.com", LookedUp: true}
	another := sample()
	another.Requester = handle.Requester{Email: "bob@example.com", Principal: "arn:aws:sts::111122223333:assumed-role/Requesters/rita",
		SlackID: "U0BOB", SlackIDs: []string{"U0BOB"}, LookedUp: true}
	quorum := sample()
	quorum.Terms.Approvals = 2
	quorum = must(quorum.VoteBySlack(voter(ann), handle.Approve, "", at))
	reasked := pending.MarkPosted(channel, "1.000001", "", at).MarkDelivered("reply/asked", channel, "1.000002", at).
		MarkMessageGone(handle.Message{Channel: channel, TS: "1.000001"}, at)
	locked := pending
	for range handle.MaxWrongCodes {
		locked = locked.RecordRefusal(handle.Person{Name: "Kim"}, handle.Ticket{ID: pending.ID, Verdict: handle.Approve}.WrongCode("sealed"), at)
	}
	approved := must(pending.VoteBySlack(voter(ann), handle.Approve, "", at))
	unsignalled := approved.MarkSignalled("couldn't signal CloudFormation: it answered 403 Forbidden", at)
	approved = approved.MarkSignalled("", at)
	rejected := must(pending.VoteBySlack(voter(ann), handle.Reject, "Use the shared queue, please", at))
	up := handle.Ended{Status: "CREATE_COMPLETE", At: at.Add(time.Minute), Outputs: []handle.Field{{Name: "QueueUrl", Value: "https://sqs.example.com/q"}}}
	down := handle.Ended{Status: "ROLLBACK_COMPLETE", At: at.Add(time.Minute), Reason: "Queue: You have reached the quota of your account."}
	updated := sampleUpdate()
	unknown := sampleUpdate()
	unknown.Update.Approved, unknown.Update.Changes, unknown.Update.Unshown = "", nil, false
	expired := expiredLaunch()
	late := expired.Decision.At.Add(48 * time.Hour)
	granted := must(expired.VoteBySlack(voter(ann), handle.Approve, "", late))
	again := sample()
	again.ID, again.GrantFrom, again.Content = "zyxwvutsrqpnmkjh-gfedcba9", granted.ID, granted.Content
	used, _ := granted.UseGrant(again.ID, late.Add(time.Hour))
	asked, _, err := sampleOfGroups().Ask(voter(ann), "How long do you need it, and who pays?\nA rough guess is enough.", at)
	asked = must(asked, err)
	answered := must(asked.AnswerQuestion("q1", voter(rita), "Until May; the web shop pays.", at.Add(time.Minute)))
	reviewed := must(must(sampleOfGroups().StartReview(voter(ann), at)).StartReview(voter("U0BOSS"), at.Add(10*time.Minute)))
	half := sampleOfGroups()
	half.Terms.Approvals = 2
	half = must(half.VoteBySlack(voter(ann), handle.Approve, "", at))
	reassigned := must(sampleOfGroups().Reassign(voter(ann), []string{"U0DAN", "S0SECURITY"}, at))
	updateApproved := must(must(updated.VoteBySlack(voter(ann), handle.Approve, "", at)).VoteBySlack(voter("U0BOB"), handle.Approve, "", at))
	reminded := sample()
	reminded.Terms.RemindAt, reminded.Terms.Approvals = time.Time{}, 2
	reminded.Terms.Reminders = handle.ReminderTimes(start, reminded.Terms.Deadline, handle.DefaultReminders(), handle.WorkingHours{})
	reminded.Terms.EscalateAt, reminded.Terms.EscalateTo = start.Add(4*time.Hour), []string{"S0SECOND", "U0DEPUTY"}
	reminded = reminded.RecordGroups(map[string]handle.Group{group: {Size: 3, Members: []string{ann, "U0BOB", "U0CARL"}}})
	escalated := must(reminded.VoteBySlack(voter(ann), handle.Approve, "", at)).Escalate(reminded.Terms.EscalateAt)
	return map[string]handle.Request{
		"reminded":         reminded,
		"escalated":        escalated,
		"nudged":           must(pending.Nudge(voter(rita), start.Add(150*time.Minute))),
		"update":           updated,
		"update-unknown":   unknown,
		"update-approved":  updateApproved,
		"update-refused":   updateApproved.MarkSignalled("couldn't answer CloudFormation: it answered 403 Forbidden", at),
		"update-completed": updateApproved.RecordEnd(handle.Ended{Status: "UPDATE_COMPLETE", At: at.Add(time.Minute)}),
		"update-rejected":  must(updated.VoteBySlack(voter(ann), handle.Reject, "Keep it in test, please", at)),
		"update-expired":   updated.Expire(updated.Terms.Deadline),
		"update-bypassed":  approved.RecordEnd(up).RecordBypass("an update changed its template without an approval", late),

		"relaunch-awaited": expired,
		"relaunch-granted": granted,
		"relaunch-used":    used,
		"relaunch-revoked": must(granted.RevokeGrant(voter("U0BOB"), late.Add(time.Hour))),
		"relaunch-lapsed":  granted.LapseGrant(granted.Grant.Until),
		"by-grant":         again.ApproveByGrant(used, late.Add(time.Hour)),

		"question":          asked,
		"question-answered": answered,
		"reviewed":          reviewed,
		"waits-for-rest":    half,
		"reassigned":        reassigned,

		"pending":     pending,
		"claimed":     claimed,
		"another":     another, // is claimed than is proven
		"quorum":      quorum,
		"reasked":     reasked,
		"locked":      locked,
		"approved":    approved,
		"unsignalled": unsignalled,
		"by-mail":     must(pending.VoteByMail("Ann Approver", handle.Approve, "", at)),
		"rejected":    rejected,
		"expired":     pending.Expire(start.Add(11 * time.Hour)),
		"withdrawn":   pending.Withdraw("the stack was rolled back or deleted before a decision", at),
		"bypassed":    pending.RecordEnd(up),
		"launched":    approved.RecordEnd(up),
		"failed":      approved.RecordEnd(down),
	}
}

func wire(t *testing.T, v blocks.View) []byte {
	t.Helper()
	b, err := json.MarshalIndent(map[string]any{"text": v.Text, "blocks": v.Blocks}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte(`\u003c`), []byte("<"))
	b = bytes.ReplaceAll(b, []byte(`\u003e`), []byte(">"))
	return append(bytes.ReplaceAll(b, []byte(`\u0026`), []byte("&")), '\n')
}

// golden compares got with the file, which holds what goes over the wire.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; if the change is meant, run the test with -update):\n%s", path, diff)
	}
}

func TestViews(t *testing.T) {
	links := &blocks.Links{Base: "https://bot.example.com", Key: handle.MailKey(strings.Repeat("k", handle.MinMailKey))}
	for name, r := range states() {
		t.Run(name, func(t *testing.T) {
			message := blocks.Message(r)
			valid(t, message)
			golden(t, name+".json", wire(t, message))
			var said strings.Builder
			for _, o := range r.Notifications() {
				for _, direct := range []bool{false, true} {
					v := blocks.Notification(r, o, direct)
					valid(t, v)
					said.WriteString(o.Name + ": " + v.Text + "\n")
				}
				if asked := o.Name == handle.NotifyAsked && r.State() == handle.Pending; asked || o.Kind() == handle.NotifyLocked || o.Name == handle.NotifyDecided || o.Name == handle.NotifyBypass {
					subject, body := blocks.Mail(r, o, links)
					said.WriteString("\nMail: " + subject + "\n\n" + body + "\n")
				}
			}
			golden(t, name+".txt", []byte(said.String()))
		})
	}
}

func valid(t interface{ Errorf(string, ...any) }, v blocks.View) {
	b, err := json.Marshal(v.Blocks)
	if err != nil {
		t.Errorf("%v", err)
	}
	for _, p := range slacktest.ValidateMessage(b) {
		t.Errorf("Slack would refuse it: %v\n%s", p, b)
	}
	if v.Text == "" {
		t.Errorf("no text for notifications and screen readers")
	}
}

// TestForms compares the forms with their golden files.
func TestForms(t *testing.T) {
	asked, _, err := sampleOfGroups().Ask(voter(ann), "How long do you need it?", start)
	asked = must(asked, err)
	for name, v := range map[string]slack.ModalViewRequest{
		"reject":   blocks.Reject(sample(), "metadata"),
		"ask":      blocks.Ask(sample(), "metadata"),
		"answer":   blocks.Answer(asked, "q1", "metadata"),
		"withdraw": blocks.Withdraw(sample(), "metadata"),
		"reassign": blocks.Reassign(asked, map[string]string{"U0DAN": "Dan Approver"}, "metadata"),
	} {
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range slacktest.ValidateView(b) {
			t.Errorf("%s: Slack would refuse it: %v", name, p)
		}
		golden(t, name+".modal.json", append(b, '\n'))
	}
}

// Outside text is hostile: whatever stands in a template, a tag, a parameter, a
// reason or an output, a message mentions only whom we mention, and links only
// where we link.
func TestOutsideTextStaysText(t *testing.T) {
	hostile := []string{"<!channel>", "<!here>", "<@U0VICTIM>", "<!subteam^S0VICTIM>", "<https://evil.example.com|Approve>", "https://evil.example.com",
		"*Approvals*\n2 of 2", "`", "```", "&lt;!channel&gt;", "<!date^0^{date}|x>", "\u202Egnp.exe", "😀", "\x00", "\xff", "_", "~", ">", "\n> quote", "@here", "#general", "|", "&", strings.Repeat("x", 5000)}
	piece := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String())
	text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(piece, 0, 5).Draw(t, "pieces"), "") })
	rapid.Check(t, func(t *rapid.T) {
		outside := func(label string) string { return text.Draw(t, label) }
		r := sample()
		r.Product = handle.Product{Name: outside("product"), ID: outside("id"), Version: outside("version"), Portfolio: outside("portfolio"), Provisioned: outside("provisioned")}
		r.Requester = handle.Requester{Email: outside("email"), Principal: outside("principal"), LookedUp: true}
		r.Purpose = outside("purpose")
		r.Details = []handle.Field{{Name: outside("name"), Value: outside("value")}}
		r.Parameters = slices.Repeat([]handle.Field{{Name: outside("parameter"), Value: outside("value")}}, 30)
		r.Stack.Name = outside("stack")
		switch at := start.Add(time.Hour); rapid.IntRange(0, 4).Draw(t, "then") {
		case 1:
			if rejected, err := r.VoteBySlack(voter(ann), handle.Reject, outside("reason"), at); err == nil {
				r = rejected
			}
		case 2:
			r = must(r.VoteByMail("x"+outside("typed name"), handle.Approve, outside("reason"), at))
		case 3:
			r = r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: at, Outputs: slices.Repeat([]handle.Field{{Name: outside("output"), Value: outside("value")}}, 30)})
		case 4:
			r = r.Withdraw(outside("reason"), at).RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", At: at, Reason: outside("failure")})
		}
		views := []blocks.View{blocks.Message(r)}
		for _, o := range r.Notifications() {
			views = append(views, blocks.Notification(r, o, false), blocks.Notification(r, o, true))
		}
		for _, v := range views {
			valid(t, v)
			ours(t, v.Text)
			b, _ := json.Marshal(v.Blocks)
			eachMrkdwn(b, func(s string) { ours(t, s) })
		}
	})
}

// ours checks that every mention and link in s is one that we make.
func ours(t *rapid.T, s string) {
	slacktest.WalkSpans(slacktest.ParseMrkdwn(s), func(span slacktest.Span) {
		switch {
		case !span.Control(), span.Kind == slacktest.SpanDate:
		case span.Kind == slacktest.SpanUser && slices.Contains([]string{rita, ann, "U0BOSS"}, span.Target):
		case span.Kind == slacktest.SpanGroup && span.Target == group:
		case span.Kind == slacktest.SpanLink && strings.HasPrefix(span.Target, "https://console.aws.amazon.com/cloudformation/"):
		default:
			t.Fatalf("outside text became a %s of %q in %q", span.Kind, span.Target, s)
		}
	})
}

// eachMrkdwn calls f with the text of every mrkdwn object in a document.
func eachMrkdwn(document []byte, f func(string)) {
	var v any
	if json.Unmarshal(document, &v) != nil {
		return
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if text, ok := v["text"].(string); ok && v["type"] == "mrkdwn" {
				f(text)
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
}

func TestSubjectsAreWhatSNSTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := sample()
		r.Product.Name = rapid.String().Draw(t, "name")
		subject, _ := blocks.Mail(r, handle.Notification{Name: handle.NotifyAsked}, nil)
		if len(subject) == 0 || len(subject) > 99 {
			t.Errorf("%d characters", len(subject))
		}
		for _, c := range subject {
			if c < ' ' || c > '~' {
				t.Errorf("%q in %q", c, subject)
			}
		}
	})
}

// An approver who has asked and waits for the answer is not reminded. If no one else is
// missing, the requester is.
func TestReminderLeavesOutThoseWhoWaitForAnAnswer(t *testing.T) {
	r := sampleOfGroups()
	r.Terms.Approvers = []string{ann, "U0BOSS", group}
	r = r.RecordGroups(map[string]handle.Group{group: {Name: "platform", Size: 3, Members: []string{ann, "U0CAT", "U0DAN"}}})
	remind := func(r handle.Request) string {
		return blocks.Notification(r, handle.Notification{Name: handle.NotifyReminder + "-0", At: start.Add(time.Hour)}, false).Text
	}
	asked, _, err := r.Ask(voter(ann), "How long do you need it?", start)
	if err != nil {
		t.Fatal(err)
	}
	if text := remind(asked); strings.Contains(text, "<@"+ann+">") || strings.Contains(text, group) || !strings.Contains(text, "<@U0BOSS>, <@U0CAT> and <@U0DAN>: this launch has been waiting for your decision") {
		t.Errorf("with ann's question open: %s", text)
	}
	if text := blocks.Nudged(asked); !strings.Contains(text, "1 question still waits for your answer.") {
		t.Errorf("the requester nudges without answering: %s", text)
	}
	alone := asked.Clone()
	alone.Terms.Approvers = []string{ann}
	if text := remind(alone); strings.Contains(text, "<@"+ann+">") || !strings.Contains(text, "<@"+rita+">: this launch") || !strings.Contains(text, "for your answer") {
		t.Errorf("only ann is missing: %s", text)
	}
	answered, err := asked.AnswerQuestion("q1", voter(rita), "A week", start)
	if err != nil {
		t.Fatal(err)
	}
	if text := remind(answered); !strings.Contains(text, "<!subteam^"+group+">") && !strings.Contains(text, "<@"+ann+">") {
		t.Errorf("after the answer: %s", text)
	}
	if len(asked.WaitingFor()) != len(r.WaitingFor()) {
		t.Error("the message no longer shows that it waits for ann")
	}
}

// Mentions notify people when a message is posted: the request's message and the first
// reply in its thread together mention each approver once, and the requester not as an
// approver.
func TestApproversAreMentionedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := sampleOfGroups()
		r.Terms.Approvers = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{group, "S0SECURITY", "S0UNNAMED", ann, rita, "U0BOSS", "U0CAT", "U0DAN",
			"U0E", "U0F", "U0G", "U0H", "U0I", "U0J", "U0K", "U0L", "U0M"}), 1, 17, rapid.ID).Draw(t, "approvers")
		mentioned := map[string]int{}
		count := func(v blocks.View) {
			b, _ := json.Marshal(v.Blocks)
			eachMrkdwn(b, func(s string) {
				slacktest.WalkSpans(slacktest.ParseMrkdwn(s), func(span slacktest.Span) {
					if span.Kind == slacktest.SpanUser || span.Kind == slacktest.SpanGroup {
						mentioned[span.Target]++
					}
				})
			})
		}
		first, mentionsRequester := handle.NotifyAsked, 2 // by each
		if rapid.Bool().Draw(t, "asked again") {
			first, mentionsRequester = handle.NotifyReasked+"-0", 1
		}
		count(blocks.Message(r))
		count(blocks.Notification(r, handle.Notification{Name: first}, false))
		for _, a := range r.WaitingFor() {
			if mentioned[a.ID] != 1 {
				t.Fatalf("%s is mentioned %d times", a.ID, mentioned[a.ID])
			}
		}
		if mentioned[rita] != mentionsRequester {
			t.Fatalf("the requester is mentioned %d times", mentioned[rita])
		}
	})
}
