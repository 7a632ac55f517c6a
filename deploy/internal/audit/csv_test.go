package audit

import (
	"encoding/csv"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"countersign/handle"
)

// formula matches what a spreadsheet would take for a formula at the beginning of a
// cell, where commas or where semicolons separate cells.
var formula = regexp.MustCompile(`^["\s]*[=+\-@＝＋－＠]`)

func TestCSVCellsAreNoFormulas(t *testing.T) {
	for _, text := range []string{
		"=1+1", "+1", "-1", "@SUM(1)", "＝1", "ok;=1+1", "ok; =1+1", "ok;;-1", `ok;"=1+1"`, `";"=1+1`, `"=1+1`, "ok;＋1", "a;b;@c", "\f+1", "\u200b=1", "plain; text, with \"quotes\"", "",
	} {
		checkCell(t, text)
	}
}

func FuzzCSVCell(f *testing.F) {
	f.Add(`a;"=b`)
	f.Add("-1")
	f.Fuzz(checkCell)
}

func checkCell(t *testing.T, text string) {
	if !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n") {
		return // OneLine removes these before
	}
	out := line([]string{"id", cell(text), "end"})
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 1 || len(rows[0]) != 3 {
		t.Fatalf("%q: %q is read as %q, %v", text, out, rows, err)
	}
	if got := rows[0][1]; formula.MatchString(got) || strings.ReplaceAll(got, "'", "") != strings.ReplaceAll(text, "'", "") {
		t.Errorf("%q: the cell is %q", text, got)
	}
	for _, part := range strings.Split(out, ";")[1:] { // regardless of quotes, as a reader of semicolons may split
		if formula.MatchString(part) {
			t.Errorf("%q: with semicolons as separators, %q holds a formula", text, out)
		}
	}
	if strings.Contains(text, ";") && !strings.Contains(out, `id,"`) {
		t.Errorf("%q: %q does not quote a cell with a semicolon", text, out)
	}
}

// The approvals needed include the one more that an unproven requester takes.
func TestApprovalsNeededCountTheUnprovenRequester(t *testing.T) {
	r := asked("claimed", day, 1)
	r.Requester = handle.Requester{Email: "rita@example.com", LookedUp: true}
	r.Terms.UnprovenRequester = handle.UnprovenTwoApprovers
	for _, c := range columns {
		if c.name == "approvals needed" && c.of(r) != "2" {
			t.Errorf("%s: %s, want 2", c.name, c.of(r))
		}
	}
}
