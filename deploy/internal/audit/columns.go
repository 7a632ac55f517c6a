package audit

import (
	"strconv"
	"strings"
	"time"

	"countersign/bot/blocks"
	"countersign/deploy/internal/report"
	"countersign/handle"
)

// columns are the columns of a CSV file. Times are RFC 3339, in UTC. Spreadsheets and
// scripts depend on the names.
var columns = []struct {
	name string
	of   func(handle.Request) string
}{
	{"request", func(r handle.Request) string { return r.ID }},
	{"asked at", func(r handle.Request) string { return stamp(r.CreatedAt) }},
	{"state", func(r handle.Request) string { return string(r.State()) }},
	{"decided at", func(r handle.Request) string { return stamp(decision(r).At) }},
	{"decided by", func(r handle.Request) string { return decision(r).By.Name }},
	{"decided by user ID", func(r handle.Request) string { return decision(r).By.ID }},
	{"via", func(r handle.Request) string { return string(decision(r).Via) }},
	{"reason", func(r handle.Request) string { return decision(r).Reason }},
	{"approved by", func(r handle.Request) string { return voters(r, handle.Approve) }},
	{"rejected by", func(r handle.Request) string { return voters(r, handle.Reject) }},
	{"bypassed at", func(r handle.Request) string { return stamp(bypass(r).At) }},
	{"bypassed how", func(r handle.Request) string { return bypass(r).How }},
	{"requester, proven by AWS", func(r handle.Request) string { return r.Requester.Principal }},
	{"requester, as typed", func(r handle.Request) string { return r.Requester.Email }},
	{"purpose", func(r handle.Request) string { return r.Purpose }},
	{"product", blocks.Title},
	{"product ID", func(r handle.Request) string { return r.Product.ID }},
	{"version ID", func(r handle.Request) string { return r.Product.Version }},
	{"portfolio ID", func(r handle.Request) string { return r.Product.Portfolio }},
	{"provisioned product ID", func(r handle.Request) string { return r.Product.ProvisionedID }},
	{"account", func(r handle.Request) string { return r.Stack.Account }},
	{"region", func(r handle.Request) string { return r.Stack.Region }},
	{"stack", func(r handle.Request) string { return r.Stack.ID }},
	{"approvers", func(r handle.Request) string { return strings.Join(r.Terms.Approvers, " ") }},
	{"approvals needed", func(r handle.Request) string { return strconv.Itoa(r.ApprovalsNeeded()) }},
	{"self-approval", func(r handle.Request) string { return strconv.FormatBool(r.Terms.SelfApproval) }},
	{"closes at", func(r handle.Request) string { return stamp(r.Terms.Deadline) }},
	{"clicks refused", func(r handle.Request) string { return strconv.Itoa(refused(r)) }},
	{"stack ended as", func(r handle.Request) string { return ended(r).Status }},
	{"stack ended at", func(r handle.Request) string { return stamp(ended(r).At) }},
	{"content digest", func(r handle.Request) string { return r.Content.Digest() }},
	{"template digest", func(r handle.Request) string { return r.Content.Template }},
	{"parameters digest", func(r handle.Request) string { return r.Content.Parameters }},
	{"gate parameters digest", func(r handle.Request) string { return r.Content.GateParameters }},
	{"gate template digest", func(r handle.Request) string { return r.Content.GateTemplate }},
	{"launched by, proven by AWS", func(r handle.Request) string { return r.Requester.Launcher }},
	{"update of request", func(r handle.Request) string { return value(r.Update).Approved }},
	{"changes", report.Changes},
	{"approved by grant of request", takenGrant},
	{"grant by", report.GrantedBy},
	{"granted at", func(r handle.Request) string { return stamp(value(r.Grant).At) }},
	{"grant until", func(r handle.Request) string { return stamp(value(r.Grant).Until) }},
	{"grant used by request", func(r handle.Request) string { return value(r.Grant).UsedBy }},
	{"grant used at", func(r handle.Request) string { return stamp(value(r.Grant).UsedAt) }},
	{"grant revoked by", func(r handle.Request) string { return report.Person(value(r.Grant).RevokedBy) }},
	{"grant revoked at", func(r handle.Request) string { return stamp(value(r.Grant).RevokedAt) }},
	{"questions and answers", report.Questions},
	{"reassigned", report.Reassignments},
	{"escalated at", func(r handle.Request) string { return stamp(r.EscalatedAt) }},
	{"escalated to", func(r handle.Request) string {
		if r.EscalatedAt.IsZero() {
			return ""
		}
		return strings.Join(r.Terms.EscalateTo, " ")
	}},
	{"approvers at launch", func(r handle.Request) string { return strings.Join(r.AskedAtFirst(), " ") }},
	{"nudges", func(r handle.Request) string { return strconv.Itoa(len(r.Nudges)) }},
}

// takenGrant is the ID of the expired request whose grant approved r.
func takenGrant(r handle.Request) string {
	if decision(r).Via != handle.ViaGrant {
		return ""
	}
	return r.GrantFrom
}

func decision(r handle.Request) handle.Decision { return value(r.Decision) }
func bypass(r handle.Request) handle.Bypass     { return value(r.Bypass) }
func ended(r handle.Request) handle.Ended       { return value(r.Ended) }

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// voters names those who voted verdict.
func voters(r handle.Request, verdict handle.Verdict) string {
	var names []string
	for _, v := range r.Votes {
		if v.Verdict == verdict {
			names = append(names, report.Voter(v.By, v.Via))
		}
	}
	return strings.Join(names, ", ")
}

// refused counts the votes that were refused.
func refused(r handle.Request) int {
	n := 0
	for _, e := range r.Events {
		if e.Kind == handle.EventRefused {
			n += max(e.Count, 1)
		}
	}
	return n
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
