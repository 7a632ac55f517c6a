package blocks

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"countersign/handle"
)

// Callback IDs of the modals that approve several requests: choose, review and confirm,
// then see the results.
const (
	BatchChooseModal = "batch-choose"
	BatchReviewModal = "batch-review"
	BatchResultModal = "batch-result"

	BatchChoice = "requests" // action_id of each group of checkboxes
)

// MaxBatch is how many requests can be approved together. The review list must stay
// below the 20,000 bytes that Slack takes in a Socket Mode answer.
const MaxBatch = 20

const (
	maxOptions   = 10  // of a group of checkboxes
	maxOption    = 75  // characters of an option's text, and of its description
	maxBatchItem = 700 // bytes of the JSON of one request's text
)

// BatchBlock is the block_id of the i-th group of checkboxes.
func BatchBlock(i int) string { return "requests/" + strconv.Itoa(i) }

// BatchGroups is how many groups of checkboxes there can be.
const BatchGroups = MaxBatch / maxOptions

// BatchChoose is the form to choose from the requests waiting for a person, at most
// MaxBatch of them. more says that there are others.
func BatchChoose(items []Item, more bool, metadata string) slack.ModalViewRequest {
	var l layout
	l.section("", "Choose the requests to approve. You'll review the list before anything is approved.")
	for i := 0; i*maxOptions < len(items); i++ {
		var options []*slack.OptionBlockObject
		for _, it := range items[i*maxOptions : min((i+1)*maxOptions, len(items))] {
			options = append(options, option(it))
		}
		label := "Requests"
		if i > 0 {
			label = "More requests"
		}
		input := slack.NewInputBlock(BatchBlock(i), plain(label), nil, slack.NewCheckboxGroupsBlockElement(BatchChoice, options...))
		input.Optional = true
		l.blocks = append(l.blocks, input)
	}
	if more {
		l.context("", fmt.Sprintf("These are the first %d, by deadline. Approve them, then open this form again for more.", MaxBatch))
	}
	v := l.modal(BatchChooseModal, "Approve several", "Cancel")
	v.Submit, v.PrivateMetadata = plain("Review"), metadata
	return v
}

func option(it Item) *slack.OptionBlockObject {
	who := cmp.Or(handle.OneLine(it.Requester, 40), "an unknown requester")
	account := cmp.Or(handle.OneLine(it.AccountName, 30), it.Account)
	text := itemTitle(it)
	if it.Provisioned != "" && it.Provisioned != it.Product {
		text += " as " + handle.OneLine(it.Provisioned, 60)
	}
	if it.Update {
		text = cutPlain(text, maxOption-len(" (update)")) + " (update)"
	}
	return slack.NewOptionBlockObject(it.ID, plain(cutPlain(text, maxOption)), plain(cutPlain(who+" in "+account+", "+it.Region, maxOption)))
}

// LeftOut is a chosen request that cannot be approved together with others, and why,
// in mrkdwn.
type LeftOut struct {
	ID      string
	Request handle.Request // zero if it could not be read
	Why     string
}

// BatchReview lists the requests to approve and asks to confirm. metadata comes back with
// the confirmation.
func BatchReview(list []handle.Request, out []LeftOut, metadata string) slack.ModalViewRequest {
	var l layout
	if len(list) > 0 {
		l.section("", count(len(list), "request", "requests")+" will be approved when you confirm:")
	}
	for i, r := range list {
		l.section("request/"+r.ID, fitted(maxBatchItem, func(n int) string { return strconv.Itoa(i+1) + ". " + reviewed(r, n) }))
	}
	l.leftOut(out, "Not included:")
	if len(l.blocks) == 0 {
		l.section("", "Nothing was chosen.")
	}
	v := l.modal(BatchReviewModal, "Review and confirm", "Cancel")
	if len(list) > 0 {
		v.Submit, v.PrivateMetadata = plain("Approve "+count(len(list), "request", "requests")), metadata
	}
	return v
}

// reviewed shows a request before it is approved, with at most n bytes of each outside
// text.
func reviewed(r handle.Request, n int) string {
	s := asks(r, n) + "\n*Expires* " + Mrkdwn.Date(r.Terms.Deadline) + " · *Approvals* " + approvals(r)
	if r.Update != nil {
		s += "\n" + changed(r.Update, n)
	}
	if !handle.Blank(r.Purpose) {
		s += "\n" + code(shorten(r.WaitURL.Redact(r.Purpose), n), n)
	}
	return s
}

// changed names the first few values that an update changes.
func changed(u *handle.Update, n int) string {
	const most = 3
	total := 0
	var names []string
	for i, c := range u.Changes {
		total += c.Represents()
		if i < most {
			names = append(names, code(c.Name, min(n, 40)))
		}
	}
	s := "The changes can't be shown here"
	if len(names) > 0 {
		s = "Changes " + strings.Join(names, ", ")
		if left := total - len(names); left > 0 {
			s += fmt.Sprintf(" and %d more", left)
		}
	}
	return s + ": see Details."
}

// Shown is a digest of what a review list shows of a request and what its approval
// binds. An approval is refused if the digest has changed since the review.
func Shown(r handle.Request) string {
	b, err := json.Marshal([]any{
		r.Content.Digest(), asks(r, 100), r.Purpose, r.Details, r.Parameters, r.Update, r.Requester.SlackIDs,
		r.Requester.Principal, r.Requester.Proven, r.Stack.ID, r.Stack.Unverified, r.Terms.SelfApproval,
	})
	if err != nil {
		return "" // unreachable: values of the record are stored as JSON
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// BatchOutcome is what happened to one request of a batch. What is mrkdwn.
type BatchOutcome struct {
	Request handle.Request // zero if it could not be read
	ID      string
	What    string
}

// BatchResult says for each request of a batch what happened.
func BatchResult(list []BatchOutcome) slack.ModalViewRequest {
	var l layout
	for i, o := range list {
		l.section("request/"+o.ID, fitted(maxBatchItem, func(n int) string {
			return strconv.Itoa(i+1) + ". " + batchName(o.Request, o.ID, n) + "\n" + cutMarkup(o.What, 300)
		}))
	}
	return l.modal(BatchResultModal, "Approve several", "Close")
}

func (l *layout) leftOut(out []LeftOut, heading string) {
	if len(out) == 0 {
		return
	}
	l.section("", "*"+heading+"*")
	for _, o := range out {
		l.section("left-out/"+o.ID, fitted(maxBatchItem, func(n int) string {
			return batchName(o.Request, o.ID, n) + "\n" + cutMarkup(o.Why, 300)
		}))
	}
}

func batchName(r handle.Request, id string, n int) string {
	if r.ID == "" {
		return "Request " + code(id, 40)
	}
	return shortLaunch(r, n)
}

// What happened to a request of a batch, and why one was left out.
const (
	BatchApproved    = ":white_check_mark: Approved."
	BatchNotDone     = ":hourglass: Not finished in time. Try again: approving twice is safe."
	BatchChanged     = ":warning: Not approved: the request has changed since you reviewed it. Review it again."
	BatchUnreadable  = ":warning: This request could not be read. Try again in a moment."
	BatchNothing     = "Choose at least one request."
	BatchTooMany     = "Choose at most 20 requests."
	BatchFormUnknown = "This form is from an earlier release. Close it and start again."
	BatchNotOpened   = "The form could not be opened. Try again in a moment."
	BatchNoneWaiting = "None of the requests waiting for you can be approved together."
)

// BatchRefused says why a request of a batch was not approved: text is mrkdwn.
func BatchRefused(text string) string { return ":no_entry: " + text }

// BatchRecorded says that an approval counts and that more are needed.
func BatchRecorded(r handle.Request) string { return "☑️ " + Recorded(r) }
