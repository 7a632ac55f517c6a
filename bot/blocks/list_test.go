package blocks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"pgregory.net/rapid"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
)

// socketModeLimit is the size from which on Slack drops an answer by Socket Mode.
const socketModeLimit = 20_000 // bytes

// listItem is how a list shows r to the person with that ID.
func listItem(r handle.Request, id string) blocks.Item {
	s, ok := r.Summary()
	if !ok {
		panic("the request is closed")
	}
	v := voter(id)
	return blocks.Item{Summary: s, Waiting: s.WaitsFor(v, start.Add(time.Hour)), Own: s.RequestedBy(v.Person)}
}

func openRequests() []handle.Request {
	posted := sample().MarkPosted(channel, "1772442000.000100", "", start)
	posted.Stack.AccountName = "Production"
	quorum := states()["quorum"]
	quorum.ID = "cdefghijkmnpqrab-uvwxyzst"
	asked, _, err := posted.Ask(voter(ann), "Which team?", start)
	if err != nil {
		panic(err)
	}
	asked.ID = "defghijkmnpqrabc-vwxyzstu"
	late := states()["relaunch-awaited"]
	late.ID = "efghijkmnpqrabcd-wxyzstuv"
	unknown := sample()
	unknown.ID, unknown.Requester = "fghijkmnpqrabcde-xyzstuvw", handle.Requester{Email: "claimed@example.com", LookedUp: true}
	unknown.Terms.Approvers = []string{group, "U0BOSS", "U0BOB", "U0EVE", "U0ZOE"}
	return []handle.Request{posted, sampleUpdate(), quorum, asked, late, unknown}
}

func listItems(id string) (items []blocks.Item) {
	for _, r := range openRequests() {
		items = append(items, listItem(r, id))
	}
	return items
}

// encoded is v as it goes over the wire.
func encoded(t interface{ Fatal(...any) }, v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// size is how many bytes v has on the wire, where slack-go escapes what HTML would
// interpret.
func size(t interface{ Fatal(...any) }, v any) int {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return len(b)
}

func TestLists(t *testing.T) {
	granted := listItem(states()["relaunch-granted"], ann)
	granted.ID = "ghijkmnpqrabcdef-yzstuvwx"
	for name, l := range map[string]blocks.Listing{
		"list-waiting":    {List: "waiting", Items: listItems("U0CARA"), First: true, Batch: `{"q":"waiting"}`, Next: `{"q":"waiting","a":"x"}`},
		"list-all":        {List: "all", Items: append(listItems(rita), granted), Previous: `{"q":"all"}`},
		"list-search":     {List: "all", Search: true, Text: `product:"message queue" <b>`, First: true},
		"list-searches":   {List: "all", Search: true, Text: "nothing", First: true, Next: `{"q":"nothing","a":"x"}`, GroupsUnknown: true},
		"list-none":       {List: "waiting", First: true},
		"list-none-mine":  {List: "mine", First: true},
		"list-none-all":   {List: "all", First: true},
		"list-after-last": {List: "all", Previous: `{"q":"all"}`},
	} {
		v := l.Message()
		valid(t, v)
		golden(t, name+".json", wire(t, v))
	}
	for name, v := range map[string]blocks.View{
		"command-help":    blocks.CommandHelp("/approvals", ""),
		"command-unknown": blocks.CommandHelp("/approvals", "“owner <b>” is not a search field. Use requester, product or account."),
	} {
		valid(t, v)
		golden(t, name+".json", wire(t, v))
	}
}

func TestHomeTabs(t *testing.T) {
	granted := listItem(states()["relaunch-granted"], ann)
	granted.Waiting = true
	for name, v := range map[string]slack.HomeTabViewRequest{
		"home-empty": blocks.Home{At: start}.View(),
		"home-full": blocks.Home{Notice: blocks.Outcome(sample(), handle.Approve, "Recorded. 1 more approval is needed."), Waiting: listItems("U0CARA"),
			Own: listItems(rita)[:1], Grants: []blocks.Item{granted}, Next: `{"q":"waiting","a":"x"}`, Batch: `{"q":"waiting"}`, MoreOwn: true, MoreGrants: true, GroupsUnknown: true, At: start}.View(),
		"home-guest": blocks.HomeNote(blocks.GuestsSeeNoLists),
	} {
		validView(t, v)
		golden(t, name+".view.json", encoded(t, v))
	}
}

func validView(t interface {
	Errorf(string, ...any)
	Fatal(...any)
}, v any) {
	b := encoded(t, v)
	for _, p := range slacktest.ValidateView(b) {
		t.Errorf("Slack would refuse it: %v\n%s", p, b)
	}
}

func TestBatchForms(t *testing.T) {
	list := openRequests()
	out := []blocks.LeftOut{
		{ID: list[2].ID, Request: list[2], Why: blocks.BatchRefused("You already approved this request. 1 more approval is needed.")},
		{ID: "hijkmnpqrabcdefg-zstuvwxy", Why: blocks.BatchUnreadable},
	}
	for name, v := range map[string]slack.ModalViewRequest{
		"batch-choose": blocks.BatchChoose(listItems("U0CARA"), true, "{}"),
		"batch-review": blocks.BatchReview([]handle.Request{list[0], list[1], list[5]}, out, `{"r":[]}`),
		"batch-none":   blocks.BatchReview(nil, out, "{}"),
		"batch-result": blocks.BatchResult([]blocks.BatchOutcome{
			{Request: list[0], ID: list[0].ID, What: blocks.BatchApproved},
			{Request: list[1], ID: list[1].ID, What: blocks.BatchRecorded(list[1])},
			{Request: list[2], ID: list[2].ID, What: blocks.BatchRefused("Already rejected by <@U0BOB>.")},
			{Request: list[3], ID: list[3].ID, What: blocks.BatchChanged},
			{Request: list[4], ID: list[4].ID, What: blocks.BatchNotDone},
			{ID: "hijkmnpqrabcdefg-zstuvwxy", What: blocks.BatchUnreadable},
		}),
		"review":           blocks.Review(list[0], true, "home"),
		"review-relaunch":  blocks.Review(list[4], true, ""),
		"review-requester": blocks.Review(list[0], false, ""),
		"result":           blocks.Result(blocks.Outcome(list[0], handle.Approve, blocks.NotRecorded)),
	} {
		validView(t, v)
		golden(t, name+".modal.json", encoded(t, v))
	}
}

// Whatever is launched, Slack takes each list and form, answers stay below what Socket
// Mode takes, and outside text stays text.
func TestListsFitSlacksLimits(t *testing.T) {
	hostile := []string{"<!channel>", "<@U0VICTIM>", "<https://evil.example.com|Approve>", "*", "`", "&", "😀", "\x00", "\xff", "\"", "\\", "\u2028", strings.Repeat("&", 300), strings.Repeat("\"", 300), strings.Repeat("😀", 300)}
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(hostile), rapid.String()), 0, 4).Draw(t, "pieces"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		r := sample().MarkPosted(channel, "1772442000.000100", "", start)
		r.Product = handle.Product{Name: text.Draw(t, "product"), ProductName: text.Draw(t, "name"), Provisioned: text.Draw(t, "provisioned")}
		r.Stack.AccountName, r.Purpose = text.Draw(t, "account"), text.Draw(t, "purpose")
		r.Requester = handle.Requester{Email: text.Draw(t, "email"), Principal: text.Draw(t, "principal"), LookedUp: true}
		r.Terms.Approvers = []string{group, "U0BOSS", rita, ann}
		r.Update = &handle.Update{Approved: r.ID, Changes: slices.Repeat([]handle.Change{{Name: text.Draw(t, "change"), New: "x"}}, 9)}
		var items []blocks.Item
		var all []handle.Request
		for range blocks.MaxBatch {
			n := r
			n.ID = fmt.Sprintf("abcdefghijkmnpqr-stuvw%s", strings.Repeat(string("abcdefghijkmnpqrstuvwxyz"[len(all)]), 3))
			all = append(all, n)
			items = append(items, listItem(n, ann))
		}
		page := blocks.Listing{List: "all", Search: true, Text: text.Draw(t, "search"), Items: items[:blocks.ListSize], GroupsUnknown: true,
			Previous: strings.Repeat("\"", 450), Next: strings.Repeat("\"", 450), Batch: strings.Repeat("\"", 300)}.Message()
		valid(t, page)
		home := blocks.Home{Waiting: items[:10], Own: items[:10], Grants: items[:10], Next: "{}", Previous: "{}", Batch: "{}", At: start}.View()
		metadata := strings.Repeat("x", 1200)
		choose := blocks.BatchChoose(items, true, metadata)
		review := blocks.BatchReview(all, nil, metadata)
		var said []blocks.BatchOutcome
		for _, r := range all {
			said = append(said, blocks.BatchOutcome{Request: r, ID: r.ID, What: blocks.BatchRefused(blocks.Mrkdwn.Refused(r, handle.RefusedNotApprover))})
		}
		result := blocks.BatchResult(said)
		for _, v := range []any{home, choose, review, result} {
			validView(t, v)
		}
		for name, answer := range map[string]any{
			"list":   map[string]any{"response_type": "ephemeral", "text": page.Text, "blocks": page.Blocks},
			"review": map[string]any{"response_action": "update", "view": review},
			"result": map[string]any{"response_action": "update", "view": result},
		} {
			if n := size(t, answer); n >= socketModeLimit {
				t.Fatalf("%s: %d bytes", name, n)
			}
		}
		for _, v := range []any{blocks.Listing{Items: items[:2]}.Message().Blocks, blocks.BatchReview(all[:2], nil, ""), blocks.BatchResult(said[:2])} {
			eachMrkdwn(encoded(t, v), func(s string) {
				ours(t, strings.ReplaceAll(s, "https://slack.com/archives/", "https://console.aws.amazon.com/cloudformation/"))
			})
		}
	})
}
