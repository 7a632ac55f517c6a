package blocks_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
)

// maxMail is how much SNS takes. See
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const maxMail = 256 << 10

// FuzzSizes draws records with the most and longest of everything, in any script, and
// checks everything that people see of them: Slack and SNS must take it whole, and no
// cut may leave half a character, escape, mention, date or link.
func FuzzSizes(f *testing.F) {
	for seed := range uint64(80) {
		f.Add(seed, "plain")
	}
	for i, s := range []string{"&", "<!channel>", "`", "*", "\u0301", "👩‍👩‍👧‍👦", "\u3164", "漢", "\u202E", "\xff", "\n", "<", ";", "&amp;", "||", "﷽"} {
		f.Add(uint64(100+i), s)
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		checkSizes(t, randomRecord{rand.New(rand.NewPCG(seed, 0)), text}.request())
	})
}

func checkSizes(t *testing.T, r handle.Request) {
	t.Helper()
	messages := map[string]blocks.View{"message": blocks.Message(r), "ask": blocks.AskDirect(r)}
	links := &blocks.Links{Base: "https://bot.example.com", Key: handle.MailKey(strings.Repeat("k", handle.MinMailKey))}
	notifications := append(r.Notifications(),
		handle.Notification{Name: handle.NotifyAsked}, handle.Notification{Name: handle.NotifyReminder}, handle.Notification{Name: handle.NotifyReasked + "-0"},
		handle.Notification{Name: handle.NotifyLocked + "-0", Verdict: handle.Approve})
	for _, n := range notifications {
		messages["reply "+n.Name] = blocks.Notification(r, n, false)
		messages["direct "+n.Name] = blocks.Notification(r, n, true)
		if n.Name != handle.NotifyAsked && n.Name != handle.NotifyDecided {
			continue // not mailed, or shorter
		}
		subject, body := blocks.Mail(r, n, links)
		if len(subject) == 0 || len(subject) > 99 || len(body) > maxMail || !utf8.ValidString(body) {
			t.Errorf("mail %s: a subject of %d bytes and a body of %d", n.Name, len(subject), len(body))
		}
		if n.Name == handle.NotifyAsked && strings.Count(body, "https://bot.example.com/decide/") == 0 && r.Decision == nil {
			t.Errorf("the mail has lost its links")
		}
	}
	for name, v := range messages {
		valid(t, v)
		for _, p := range slacktest.ValidateText(v.Text) {
			t.Errorf("%s: Slack would not show its text whole: %v", name, p)
		}
		whole(t, name, v.Text)
		b, err := json.Marshal(v.Blocks)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		eachMrkdwn(b, func(s string) { whole(t, name, s); size += len(s) })
		if size > 40_000 {
			t.Errorf("%s has %d bytes", name, size)
		}
	}
	names := map[string]string{}
	for _, id := range r.Terms.ReassignTo {
		names[id] = r.Purpose
	}
	modals := map[string]any{"details": blocks.Details(r), "rejection": blocks.Reject(r, strings.Repeat("m", 3000)), "question": blocks.Ask(r, ""), "answer": blocks.Answer(r, "q1", "")}
	if len(r.ReassignOptions()) > 0 {
		modals["reassignment"] = blocks.Reassign(r, names, "")
	}
	for name, modal := range modals {
		b, err := json.Marshal(modal)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range slacktest.ValidateView(b) {
			t.Errorf("Slack would refuse the %s: %v", name, p)
		}
		eachMrkdwn(b, func(s string) { whole(t, name, s) })
	}
	for _, f := range []blocks.Format{blocks.Mrkdwn, blocks.Plain} {
		for _, action := range []string{"ask", "answer", "reviewing", "reassign"} {
			for _, reason := range []handle.RefusalReason{handle.RefusedNotApprover, handle.RefusedDecided, handle.RefusedNoRequester, handle.RefusedTooMany, handle.RefusedTooSoon, handle.RefusedTooFew} {
				s := f.RefusedAction(r, action, reason)
				if len(s) > 2000 && reason != handle.RefusedNotApprover {
					t.Errorf("the answer to %s at %s has %d bytes", reason, action, len(s))
				}
				if f == blocks.Mrkdwn {
					whole(t, "answer", s)
				}
			}
		}
	}
	for _, reason := range []handle.RefusalReason{handle.RefusedNotApprover, handle.RefusedOwnRequest, handle.RefusedDecided, handle.RefusedExpired, "else"} {
		if s := blocks.Mrkdwn.Refused(r, reason); s != "" {
			for _, p := range slacktest.ValidateText(s) {
				t.Errorf("the answer to %s: %v", reason, p)
			}
			whole(t, "answer", s)
		}
	}
}

var (
	entity  = regexp.MustCompile(`&(amp|lt|gt);`)
	control = regexp.MustCompile(`<(@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+|!date\^\d+\^[^<>|]*\|[^<>|]*|https://[^<>|]*\|[^<>|]*)>`)
)

// whole checks that mrkdwn has no half of an escape, control sequence or code span.
func whole(t *testing.T, name, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%s: half a character in %q", name, s)
	}
	rest := control.ReplaceAllString(s, "")
	if strings.ContainsAny(rest, "<>") {
		t.Errorf("%s: half a mention, date or link in %q", name, rest)
	}
	if strings.Contains(entity.ReplaceAllString(rest, ""), "&") {
		t.Errorf("%s: half an escape in %q", name, rest)
	}
	for line := range strings.Lines(rest) {
		if strings.Count(line, "`")%2 != 0 {
			t.Errorf("%s: half a code span in %q", name, line)
		}
	}
}

// randomRecord draws a request that holds more than the notifier would store.
type randomRecord struct {
	*rand.Rand
	text string // from the fuzzer
}

// string draws up to most bytes.
func (d randomRecord) string(most int) string {
	pieces := []string{"x", "&", "<", ">", "`", "*_~", "漢字", "é", "e\u0301", "👩‍👩‍👧‍👦", "🇩🇪", "עברית", "\u3164", " ", "\n", "<!channel>", "&lt;", "<@U0VICTIM>", "https://evil.example.com/", d.text}
	n := []int{0, 1, 20, 60, 119, 121, 255, 400, most}[d.IntN(9)]
	piece := pieces[d.IntN(len(pieces))]
	if d.IntN(3) == 0 {
		piece += pieces[d.IntN(len(pieces))]
	}
	s := strings.Repeat(piece, min(n, most)/max(len(piece), 1)+1)
	return s[:min(len(s), n, most)] // half a character too
}

func (d randomRecord) fields() []handle.Field {
	list := make([]handle.Field, []int{0, 0, 1, 1, 2, 11, 12, 12, 13, 13, 50, 200}[d.IntN(12)])
	name, value := d.string(255), d.string(4096)
	for i := range list {
		if d.IntN(10) == 0 {
			name, value = d.string(255), d.string(4096)
		}
		list[i] = handle.Field{Name: name, Value: value}
	}
	if d.IntN(8) == 0 {
		return handle.RedactFields(handle.WaitURL{}, list) // as the notifier stores them
	}
	return list
}

func (d randomRecord) chance() bool { return d.IntN(2) == 0 }

func (d randomRecord) person() handle.Person {
	return handle.Person{ID: fmt.Sprintf("U0%09d", d.IntN(1e9)), Name: d.string(255)}
}

func (d randomRecord) request() handle.Request {
	at := start.Add(time.Hour)
	r := handle.Request{
		ID: "abcdefghijkmnpqr-stuvwxyz", CreatedAt: start,
		Stack: handle.Stack{ID: stackID + d.string(1000), Name: d.string(255), Account: d.string(255), AccountName: d.string(255), Region: d.string(255),
			Unverified: d.chance(), Updating: d.chance(), OtherAccount: d.chance()},
		Product: handle.Product{Name: d.string(4096), ID: d.string(255), ProductName: d.string(8191), Version: d.string(255), VersionName: d.string(8191),
			Portfolio: d.string(255), Provisioned: d.string(255), ProvisionedID: d.string(255)},
		Requester: handle.Requester{Email: d.string(320), Principal: d.string(2048), Launcher: d.string(2048), LookedUp: d.chance(), Proven: d.chance()},
		Purpose:   d.string(16 << 10),
		Details:   d.fields(), Parameters: d.fields(),
		Terms: handle.Terms{Channel: channel, Approvals: 1 + d.IntN(20), Deadline: start.Add(11 * time.Hour), RemindAt: at, GrantForSeconds: 3600, SelfApproval: d.chance(),
			UnprovenRequester: handle.UnprovenTwoApprovers},
		Content: handle.Content{Account: account},
	}
	if d.chance() {
		r.Requester.SlackID = rita
	}
	for range d.IntN(51) {
		r.Terms.Approvers = append(r.Terms.Approvers, []string{d.person().ID, fmt.Sprintf("S0%09d", d.IntN(1e9))}[d.IntN(2)])
	}
	if d.IntN(3) == 0 {
		r.Update = &handle.Update{Unshown: d.chance()}
		if d.chance() {
			r.Update.Approved = r.ID
		}
		r.Update.Changes = handle.Changes(d.fields(), d.fields())
	}
	r.Groups = map[string]handle.Group{}
	for _, id := range r.Terms.Groups() {
		r.Groups[id] = []handle.Group{{}, {Name: d.string(80), Size: d.IntN(1e6)}}[d.IntN(2)]
	}
	for i := range d.IntN(21) {
		q := handle.Question{ID: fmt.Sprint("q", i+1), By: d.person(), At: at, Text: d.string(2000)}
		if d.chance() {
			q.Answer = &handle.Answer{By: d.person(), At: at, Text: d.string(2000)}
		}
		r.Questions = append(r.Questions, q)
	}
	for range d.IntN(11) {
		r.Reviews = append(r.Reviews, handle.Review{By: d.person(), At: at, Until: at.Add(time.Minute)})
	}
	for range d.IntN(51) {
		r.Terms.ReassignTo = append(r.Terms.ReassignTo, []string{d.person().ID, fmt.Sprintf("S0%09d", d.IntN(1e9))}[d.IntN(2)])
	}
	if d.chance() {
		r.EscalatedAt, r.Terms.EscalateTo = at, r.Terms.ReassignTo
		r.Reassignments = []handle.Reassignment{{By: d.person(), At: at, To: r.Terms.ReassignTo}}
	}
	for range d.IntN(21) {
		r.Votes = append(r.Votes, handle.Vote{By: d.person(), Verdict: handle.Approve, Via: handle.ViaSlack, At: at})
	}
	if state := []handle.State{handle.Pending, handle.Approved, handle.Rejected, handle.Expired, handle.Withdrawn}[d.IntN(5)]; state != handle.Pending {
		r.Decision = &handle.Decision{State: state, By: d.person(), Reason: d.string(4096), Via: []handle.Via{handle.ViaSlack, handle.ViaMail, handle.ViaGrant}[d.IntN(3)], At: at}
		r.GrantFrom = d.string(100)
	}
	if d.IntN(3) == 0 {
		r.Signal = &handle.Signal{Undeliverable: d.string(1000)}
	}
	if d.IntN(4) == 0 {
		r.Bypass = &handle.Bypass{At: at, How: d.string(1000)}
	}
	if d.chance() {
		r.Ended = &handle.Ended{Status: []string{"CREATE_COMPLETE", "UPDATE_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_FAILED", d.string(255)}[d.IntN(5)], Reason: d.string(4096), Outputs: d.fields(), At: at}
	}
	if r.State() == handle.Expired && d.chance() {
		r.Grant = &handle.Grant{Until: at, Lapsed: d.IntN(4) == 0}
		if d.chance() {
			r.Grant.At = at
		}
		switch d.IntN(4) {
		case 0:
			r.Grant.UsedBy, r.Grant.UsedAt = d.string(100), at
		case 1:
			r.Grant.RevokedAt, r.Grant.RevokedBy = at, d.person()
		}
	}
	return r
}

// TestLeftOutIsCounted shows lists of every length up to CloudFormation's 200
// parameters: what is shown and what is counted make up the whole.
func TestLeftOutIsCounted(t *testing.T) {
	more := regexp.MustCompile(`… and (\d+) more`)
	for _, value := range []string{"x", strings.Repeat("&", 4096), strings.Repeat("漢", 1365)} {
		for _, n := range []int{1, 2, 11, 12, 13, 14, 49, 50, 99, 199, 200, 260} {
			var list []handle.Field
			for i := range n {
				list = append(list, handle.Field{Name: fmt.Sprintf("Parameter%03d", i), Value: value})
			}
			r := sample()
			r.Details, r.Parameters = nil, handle.RedactFields(r.WaitURL, list)
			r = must(r.VoteBySlack(voter(ann), handle.Approve, "", start))
			r = r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: start, Outputs: list})
			r.Purpose = ""
			_, mail := blocks.Mail(r, handle.Notification{Name: handle.NotifyAsked}, nil)
			ended := blocks.Notification(r, handle.Notification{Name: handle.NotifyEnded}, true)
			details := blocks.Details(r)
			r.Ended = nil
			for name, got := range map[string]string{"message": encode(t, blocks.Message(r).Blocks), "outputs": encode(t, ended.Blocks), "mail": mail} {
				shown := regexp.MustCompile(`Parameter\d\d\d`).FindAllString(got, -1)
				left := 0
				if m := more.FindStringSubmatch(got); m != nil {
					_, _ = fmt.Sscan(m[1], &left)
				}
				if name == "mail" && n > 200 && left == 0 {
					left = n - 199 // as the field that counts says
				}
				if len(shown)+left != n {
					t.Errorf("%d of %.4q: the %s shows %d and counts %d more", n, value, name, len(shown), left)
				}
			}
			names := map[string]bool{}
			for _, name := range regexp.MustCompile(`Parameter\d\d\d`).FindAllString(encode(t, details.Blocks), -1) {
				names[name] = true
			}
			if len(names) == 0 {
				t.Errorf("%d of %.4q: the details show none", n, value)
			}
		}
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestManyOutputs has outputs that together with what stands before them exceed a
// section's 3,000 characters.
func TestManyOutputs(t *testing.T) {
	r := sample()
	r.Product.Name = strings.Repeat("&", 100)
	r = must(r.VoteBySlack(voter(ann), handle.Approve, "", start))
	var outputs []handle.Field
	for i := range 12 {
		outputs = append(outputs, handle.Field{Name: fmt.Sprintf("Output%02d", i), Value: strings.Repeat("x", 230)})
	}
	r = r.RecordEnd(handle.Ended{Status: "CREATE_COMPLETE", At: start, Outputs: outputs})
	for _, direct := range []bool{false, true} {
		v := blocks.Notification(r, handle.Notification{Name: handle.NotifyEnded}, direct)
		valid(t, v)
		got := encode(t, v.Blocks)
		if !strings.Contains(got, "the stack is ready") || !strings.Contains(got, "Output00") || !strings.Contains(got, "Output11") && !strings.Contains(got, "more: see Details") {
			t.Errorf("direct %t: got %s", direct, got)
		}
	}
}
