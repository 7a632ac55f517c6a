package sim

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/handle"
)

// evidence is what the laws are judged by.
type evidence struct {
	order   []string                   // IDs of requests, as they were created
	sent    map[string]map[string]bool // statuses that reached the wait handle, by request
	mails   map[string]int             // that reached the topic, by request
	posted  map[string]posting         // what was said last in the same words at the same place
	decided map[string]int             // the last call before the decision, by request
	doubt   map[string]int             // the last call at which a mark may have been lost, by request
	stood   time.Duration              // how long functions stood still in the midst of a call
	looked  map[string]looked          // what checkStep has seen, by request
	hushed  int                        // how often a person may not have heard the bot

	stale map[string]bool // messages last updated by who had lost the lease, by channel and ts

	// Messages that somebody deleted, and such as were never posted though
	// somebody pressed on them: by channel and ts, and by request.
	erased map[string]bool
}

// posting is one message on its way out.
type posting struct {
	request string
	call    int           // in order of all calls
	stood   time.Duration // when its sender last wrote its lease; see evidence
	unheard bool          // its answer was bad
}

// looked is a state of a record and of Slack.
type looked struct {
	rev   int64
	slack uint64
}

// maxRevisions is more than any schedule needs.
const maxRevisions = 1000

func newEvidence() evidence {
	return evidence{sent: map[string]map[string]bool{}, mails: map[string]int{}, posted: map[string]posting{}, doubt: map[string]int{}, decided: map[string]int{},
		looked: map[string]looked{}, stale: map[string]bool{}, erased: map[string]bool{}}
}

// toTheBot is the call without which nobody hears what became of a click.
const toTheBot = "the request to the bot"

// tooLong is how long who holds a lease may stand still without losing it: a step
// is begun with half of it left.
const tooLong = handle.LeaseTime / 3

// lapsed reports whether who wrote a lease then may have lost it.
func (s *play) lapsed(stood time.Duration) bool { return s.stood-stood >= tooLong }

// doubts notes what can lawfully make a message go out twice: a mark that was
// perhaps not written.
func (s *play) doubts(in *invocation, what string, i Injection) {
	switch {
	case i.Fault == "":
		return
	case what == toTheBot:
		s.hushed++
	}
	if in != nil && (i.Fault == Dies || i.Fault == DiesAfter || strings.HasPrefix(what, "store ")) {
		s.doubt[in.at] = s.out.Calls
		in.doubted = true
	}
}

// saying holds a message that is about to arrive against the record: who sends
// it holds the lease, and it was not sent before, unless the answer to that or
// the mark of it may have been lost. key is what it says, and where.
func (s *play) saying(in *invocation, key string, i Injection) {
	if in == nil || in.kind == clicking || !i.done() {
		return
	}
	r, name, lapsed := s.store.records[in.at], short(in.at), s.lapsed(in.stood)
	if !r.HeldBy(in.holder, s.now()) && !lapsed {
		s.breaks("who tells holds the lease", "%s: %q went out without", name, in.what)
	}
	if key == "" {
		return
	}
	key = in.at + " " + key
	before, said := s.posted[key]
	lapsed = lapsed || s.lapsed(before.stood)
	if said && !before.unheard && !lapsed && s.doubt[before.request] <= before.call {
		s.breaks("everything is said once", "%s: %q", name, key)
	}
	s.posted[key] = posting{request: in.at, call: s.out.Calls, stood: in.stood, unheard: i.Fault != ""}
}

// showing notes whether a message that is about to be updated is updated by who
// stood still for so long that the lease was lost. Slack knows no conditional
// update, so this can overwrite what a later holder shows; it is mended at the
// latest when the stack has ended.
func (s *play) showing(in *invocation, form string, i Injection) {
	q, err := url.ParseQuery(form)
	if err != nil || in == nil || !i.done() {
		return
	}
	s.stale[q.Get("channel")+q.Get("ts")] = in.kind != clicking && s.lapsed(in.stood)
}

// place is what a call to Slack says, and where; empty if saying it again does
// no harm, as where Slack refuses it because there is no such thread. Of the
// message of a request its buttons and its words may change.
func (s *play) place(method, form string) string {
	if method != "chat.postMessage" {
		return ""
	}
	q, err := url.ParseQuery(form)
	if err != nil {
		return form
	}
	if q.Get("thread_ts") == neverPosted {
		return ""
	}
	if q.Get("thread_ts") != "" || q.Get("channel") != sandbox.Channel {
		return q.Get("channel") + " " + q.Get("thread_ts") + " " + q.Get("text")
	}
	return root
}

const root = "the request's message"

// secret: the wait URL is nowhere but in the store.
func (s *play) secret(where string, text []byte) {
	if bytes.Contains(bytes.ToLower(text), []byte("x-amz-signature")) {
		s.breaks("the wait URL is a secret", "it is in %s", where)
	}
}

// checkChange holds one change of a record against the laws, at the moment at
// which it becomes durable.
func (s *play) checkChange(old, r handle.Request) {
	if old.ID == "" {
		s.order = append(s.order, r.ID)
	}
	name, now := short(r.ID), s.now()
	s.tell("    stored %s: revision %d, %s", name, r.Rev, r.State())
	if old.ID != "" && r.Rev != old.Rev+1 {
		s.breaks("the store compares and swaps", "%s: revision %d after %d", name, r.Rev, old.Rev)
	}
	if r.Rev > maxRevisions {
		s.breaks("a record comes to rest", "%s has been written %d times", name, r.Rev)
	}
	if old.Decision != nil && !reflect.DeepEqual(old.Decision, r.Decision) {
		s.breaks("one decision, ever", "%s was %s and became %s", name, old.State(), r.State())
	}
	if old.ID != "" && (!reflect.DeepEqual(old.Terms, r.Terms) || old.Stack.ID != r.Stack.ID || old.WaitURL.Expose() != r.WaitURL.Expose()) {
		s.breaks("what was asked for is kept", "%s changed its terms", name)
	}
	if len(r.Votes) < len(old.Votes) || !reflect.DeepEqual(old.Votes, r.Votes[:len(old.Votes)]) && len(old.Votes) > 0 {
		s.breaks("no vote is lost", "%s had %d and has %d", name, len(old.Votes), len(r.Votes))
	} else {
		for _, v := range r.Votes[len(old.Votes):] {
			s.checkVote(r, v, now)
		}
	}
	if len(r.Events) < len(old.Events) {
		s.breaks("no history is lost", "%s had %d events and has %d", name, len(old.Events), len(r.Events))
	}
	for key := range old.Delivered {
		if _, ok := r.Delivered[key]; !ok {
			s.breaks("no mark is lost", "%s: %s", name, key)
		}
	}
	if old.Decision == nil && r.Decision != nil {
		s.decided[r.ID] = s.out.Calls
		s.checkDecision(r, now)
	}
	s.checkMarks(old, r)
}

// checkDecision holds a decision against the votes and the clock.
func (s *play) checkDecision(r handle.Request, now time.Time) {
	switch r.State() {
	case handle.Approved:
		people := map[string]bool{}
		for _, v := range r.Votes {
			if v.Verdict == handle.Approve {
				people[v.By.ID] = true
			}
		}
		if len(people) < r.Terms.Approvals {
			s.breaks("as many approve as must", "%s: %d of %d", short(r.ID), len(people), r.Terms.Approvals)
		}
	case handle.Rejected:
		if strings.TrimSpace(r.Decision.Reason) == "" {
			s.breaks("a rejection has a reason", "%s has none", short(r.ID))
		}
	case handle.Expired:
		if now.Before(r.Terms.Deadline) {
			s.breaks("nothing expires early", "%s did", short(r.ID))
		}
	}
}

// checkVote asks the world, not the bot, whether somebody may have said that.
func (s *play) checkVote(r handle.Request, v handle.Vote, now time.Time) {
	who := v.By.ID
	if v.Via == handle.ViaMail {
		who = v.By.Name
		if v.Verdict == handle.Approve && r.Terms.Approvals > 1 {
			s.breaks("mail cannot tell people apart", "%s: one of %d approved by mail", short(r.ID), r.Terms.Approvals)
		}
	} else if !s.entitled(r, who) {
		s.breaks("only the entitled vote", "%s: %s did", short(r.ID), who)
	}
	if !s.said[ballot{r.ID, who, v.Verdict}] {
		s.breaks("votes are what people said", "%s: %s did not say %s", short(r.ID), who, v.Verdict)
	}
	said := 0
	for _, other := range r.Votes {
		if other.Via == v.Via && other.By.ID == v.By.ID && other.By.Name == v.By.Name && other.Verdict == v.Verdict {
			said++
		}
	}
	if said > 1 {
		s.breaks("who says it twice says it once", "%s: %s said %s %d times", short(r.ID), who, v.Verdict, said)
	}
	if !v.At.Before(r.Terms.Deadline) || v.At.After(now) {
		s.breaks("nobody votes past the deadline", "%s: %s did", short(r.ID), who)
	}
}

// entitled says who may decide: of the workspace, no guest, named or in a group
// that is named, and not who asks.
func (s *play) entitled(r handle.Request, who string) bool {
	if who == sandbox.Rita && !s.plan.World.SelfApproval {
		return false
	}
	member := who == sandbox.Ann || who == sandbox.Bob || who == sandbox.Dan || who == sandbox.Rita
	grouped := (who == sandbox.Ann || who == sandbox.Bob) && slices.Contains(r.Terms.Approvers, sandbox.Approvers)
	return member && (grouped || slices.Contains(r.Terms.Approvers, who))
}

// checkHeard: who pressed Approve, and heard nothing or that it is recorded, has
// approved.
func (s *play) checkHeard(who string, m slacktest.Message) {
	for _, b := range m.Buttons() {
		t, err := handle.ParseTicket(b.Value)
		r, ok := s.store.records[t.ID]
		if err != nil || t.Verdict != handle.Approve || !ok {
			continue
		}
		voted := slices.ContainsFunc(r.Votes, func(v handle.Vote) bool { return v.By.ID == who && v.Verdict == handle.Approve })
		if !voted {
			s.breaks("what people hear is true", "%s: %s pressed Approve, heard nothing but good, and it is not on record", short(r.ID), who)
		}
	}
}

// checkMarks: marked is what was done.
func (s *play) checkMarks(old, r handle.Request) {
	if r.Signal != nil && old.Signal == nil && r.Signal.Undeliverable == "" && r.State() != handle.Withdrawn && !s.sent[r.ID][r.Signal.Status] {
		s.breaks("marked is what was done", "%s is marked as signalled, and was not", short(r.ID))
	}
	mails := 0
	for _, key := range slices.Sorted(maps.Keys(r.Delivered)) {
		told := r.Delivered[key]
		if told.TS == "" {
			mails++
		} else if _, marked := old.Delivered[key]; !marked && !s.exists(told.Channel, told.TS) {
			s.breaks("marked is what was done", "%s: %s is not in Slack", short(r.ID), key)
		}
	}
	if mails > s.mails[r.ID] {
		s.breaks("marked is what was done", "%s: %d mails are marked, %d went out", short(r.ID), mails, s.mails[r.ID])
	}
	for _, m := range r.Messages[min(len(old.Messages), len(r.Messages)):] {
		if m.Shown != "" && !s.exists(m.Channel, m.TS) {
			s.breaks("marked is what was done", "%s: its message is not in Slack", short(r.ID))
		}
	}
}

// exists reports whether a message is in Slack. One that was deleted meanwhile
// counts.
func (s *play) exists(channel, ts string) bool {
	_, ok := s.world.Slack.Message(channel, ts)
	return ok || s.erased[channel+ts]
}

// signalling holds a signal that is about to leave against the record: decided
// is what is durable, and nothing else is signalled.
func (s *play) signalling(body []byte) {
	r, got, ok := s.signalOf(body)
	if !ok {
		s.breaks("signalled is what is decided", "a signal of no request")
		return
	}
	if want, owed := r.SignalBody(); !owed || got.Status != want.Status || (got.Status == handle.SignalSuccess) != (r.State() == handle.Approved) {
		s.breaks("signalled is what is decided", "%s is %s, and %s is sent", short(r.ID), r.State(), got.Status)
	}
}

// signalled notes a signal that arrived.
func (s *play) signalled(body []byte) {
	r, got, ok := s.signalOf(body)
	if !ok {
		return
	}
	if s.sent[r.ID] == nil {
		s.sent[r.ID] = map[string]bool{}
	}
	if s.sent[r.ID][got.Status] = true; len(s.sent[r.ID]) > 1 {
		s.breaks("one decision, ever", "%s was signalled both ways", short(r.ID))
	}
}

func (s *play) signalOf(body []byte) (handle.Request, handle.SignalBody, bool) {
	var got handle.SignalBody
	if json.Unmarshal(body, &got) != nil {
		return handle.Request{}, got, false
	}
	r, ok := s.store.records[got.Data]
	return r, got, ok && strings.HasSuffix(got.UniqueID, r.ID)
}

// answering holds an answer to CloudFormation against the record.
func (s *play) answering(in *invocation, body []byte, arrives bool) {
	s.secret("an answer to CloudFormation", body)
	var a struct{ Status, RequestId, Reason, PhysicalResourceId string }
	err := json.Unmarshal(body, &a)
	ask := s.asks[a.RequestId]
	if err != nil || ask == nil || len(body) > 4096 {
		s.breaks("CloudFormation can read its answers", "%d bytes, for request %q", len(body), a.RequestId)
		return
	}
	s.tell("    answers %s with %s %s", ask.label(), a.Status, a.Reason)
	ask.answered = ask.answered || arrives
	id := ask.ResourceProperties.RequestId
	if ask.RequestType == "Create" && id != "" && a.Status == "SUCCESS" && !s.store.records[id].ApprovedFor(ask.StackId) {
		s.breaks("only an approval opens the verdict", "%s is %s", short(id), s.store.records[id].State())
	}
	approved := s.store.records[id].ApprovedFor(ask.StackId) && in != nil && s.decided[id] <= in.begun
	if ask.RequestType == "Create" && id != "" && a.Status != "SUCCESS" && approved && !in.doubted {
		s.breaks("an approval opens the verdict", "%s is approved, and its verdict is %s", short(id), a.Reason)
	}
	if _, recorded := s.store.records[a.PhysicalResourceId]; ask.RequestType == "Create" && id == "" && a.Status == "SUCCESS" && !recorded {
		s.breaks("a launch waits for what is on record", "%s was told to wait for nothing", ask.LogicalResourceId)
	}
	if ask.RequestType == "Delete" && a.Status != "SUCCESS" {
		s.breaks("Delete always succeeds", "%s did not: %s", ask.LogicalResourceId, a.Reason)
	}
}
