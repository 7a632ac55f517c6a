package blocks_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"countersign/bot/blocks"
	"countersign/bot/slacktest"
	"countersign/handle"
)

func modalJSON(t interface{ Errorf(string, ...any) }, r handle.Request) string {
	b, err := json.Marshal(blocks.Details(r))
	if err != nil {
		t.Errorf("%v", err)
	}
	for _, p := range slacktest.ValidateView(b) {
		t.Errorf("Slack would refuse it: %v", p)
	}
	return string(b)
}

func TestDetailsModal(t *testing.T) {
	var indented strings.Builder
	e := json.NewEncoder(&indented)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(blocks.Details(sample())); err != nil {
		t.Fatal(err)
	}
	golden(t, "details.modal.json", []byte(indented.String()))
	modalJSON(t, sample())
}

// TestDetailsModalShowsAllOrCounts fills the modal beyond what Slack takes.
func TestDetailsModalShowsAllOrCounts(t *testing.T) {
	r := sample()
	r.Parameters = nil
	for i := range 200 {
		r.Parameters = append(r.Parameters, handle.Field{Name: fmt.Sprintf("P%03d", i), Value: strings.Repeat("x", 400)})
	}
	if got := modalJSON(t, r); !strings.Contains(got, "P199") || strings.Contains(got, "more on the stack") {
		t.Error("parameters of 80 KB are not shown whole")
	}
	for i := range r.Parameters {
		r.Parameters[i].Value = strings.Repeat("x", 4096) // no record holds this much
	}
	if got := modalJSON(t, r); !strings.Contains(got, " more on the stack's page in the AWS console.") {
		t.Error("what is left out is not counted")
	}
}

func TestDetailsModalKeepsOutsideTextInert(t *testing.T) {
	piece := rapid.OneOf(rapid.SampledFrom([]string{"<!channel>", "<@U0VICTIM>", "<https://evil.example.com|x>", "`", "\n", "&lt;!here&gt;", strings.Repeat("&`", 3000)}), rapid.String())
	text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(piece, 0, 5).Draw(t, "pieces"), "") })
	rapid.Check(t, func(t *rapid.T) {
		r := sample()
		r.Purpose, r.Product.Name = text.Draw(t, "purpose"), text.Draw(t, "title")
		r.Parameters = []handle.Field{{Name: text.Draw(t, "name"), Value: text.Draw(t, "value")}}
		eachMrkdwn([]byte(modalJSON(t, r)), func(s string) { ours(t, s) })
	})
}

// TestMessageShowsNothingTwice drops parameters that repeat the purpose or the
// e-mail address, but no others with the same value.
func TestMessageShowsNothingTwice(t *testing.T) {
	r := sample()
	r.Purpose = "test"
	r.Parameters = []handle.Field{{Name: "Environment", Value: "test"}, {Name: "LaunchPurpose", Value: "test"}, {Name: "Purpose", Value: "else"}, {Name: "UserEmail", Value: r.Requester.Email}}
	message, err := json.Marshal(blocks.Message(r).Blocks)
	if err != nil {
		t.Fatal(err)
	}
	_, mail := blocks.Mail(r, handle.Notification{Name: handle.NotifyAsked}, nil)
	for _, got := range []string{string(message), mail} {
		if strings.Contains(got, "LaunchPurpose") || strings.Contains(got, "UserEmail") || !strings.Contains(got, "Environment") || !strings.Contains(got, "else") {
			t.Errorf("got %s", got)
		}
	}
	if got := modalJSON(t, r); !strings.Contains(got, "LaunchPurpose") || !strings.Contains(got, "UserEmail") {
		t.Error("the details lack a parameter")
	}
}

func TestShortenedValuesSaySo(t *testing.T) {
	r := sample()
	r.Parameters = []handle.Field{{Name: "Policy", Value: strings.Repeat("x", 1000)}}
	b, _ := json.Marshal(blocks.Message(r).Blocks)
	_, mail := blocks.Mail(r, handle.Notification{Name: handle.NotifyAsked}, nil)
	for _, got := range []string{string(b), mail} {
		i := strings.Index(got, "xxx")
		kept := len(got[i:]) - len(strings.TrimLeft(got[i:], "x"))
		if want := fmt.Sprintf("x… (%d more characters)", 1000-kept); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestMailDefangsLinks keeps mail clients from making links of outside text. Our own
// links stay.
func TestMailDefangsLinks(t *testing.T) {
	links := &blocks.Links{Base: "https://bot.example.com", Key: handle.MailKey(strings.Repeat("k", handle.MinMailKey))}
	for text, want := range map[string]string{
		"see https://evil.example/login?x=1":    "see hxxps://evil[.]example/login?x=1",
		"HTTP://Evil.Example.COM":               "hxxp://Evil[.]Example[.]COM",
		"ftp://evil.example":                    "ftp[:]//evil[.]example",
		"go to www.evil.example/x now":          "go to www[.]evil[.]example/x now",
		"evil.com/approve":                      "evil[.]com/approve",
		"evil。com":                              "evil[.]com",
		"http://1.2.3.4/x":                      "hxxp://1[.]2[.]3[.]4/x",
		"https://user@evil.com/":                "hxxps://user@evil[.]com/",
		"m7i.large at 10:00, 4.5 of index.html": "m7i.large at 10:00, 4.5 of index.html",
		"ask rita@example.com":                  "ask rita@example.com",
	} {
		r := sample()
		r.Purpose, r.Details, r.Parameters = text, []handle.Field{{Name: text, Value: "1"}}, []handle.Field{{Name: "A", Value: text}}
		r.Product.Name = text
		rejected := must(r.VoteByMail("Ann", handle.Reject, text, start))
		_, asked := blocks.Mail(r, handle.Notification{Name: handle.NotifyAsked}, links)
		_, decided := blocks.Mail(rejected, handle.Notification{Name: handle.NotifyDecided}, links)
		for _, body := range []string{asked, decided} {
			if want != text && strings.Contains(body, text) || strings.Count(body, want) < 4 {
				t.Errorf("%q is mailed as %s", text, body)
			}
		}
		if strings.Count(asked, "\n  https://bot.example.com/decide/v1.") != 2 {
			t.Errorf("our own links are lost: %s", asked)
		}
	}
}
