package bot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"countersign/handle"
)

// query is a parsed /approvals command: one of the lists, and search terms that must all
// match.
type query struct {
	text  string // as typed; it can be parsed again
	list  list
	terms []term
}

// list is one of the lists of open requests.
type list string

const (
	listWaiting list = "waiting" // for the person
	listMine    list = "mine"    // requested by them
	listAll     list = "all"
)

// term is one word of a search.
type term struct {
	key   string // requester, product or account; empty if it may be anywhere
	value string // in lower case
	user  string // the ID in a mention; value is empty then
}

// maxQuery bounds a command's text as JSON, because the list's buttons carry it.
const maxQuery = 400 // bytes

// queryError tells the person in one sentence why a command was not understood.
type queryError string

func (e queryError) Error() string { return string(e) }

// parseQuery reads the text of a command, with Slack's escapes and mentions. The
// error is a queryError.
func parseQuery(text string) (query, error) {
	q := query{text: strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD")), list: listAll}
	if b, err := json.Marshal(q.text); err != nil || len(b) > maxQuery {
		return q, queryError("The search is too long. Use fewer words.")
	}
	words := splitQuery(q.text)
	if len(words) == 0 {
		q.list = listWaiting
		return q, nil
	}
	if w := words[0]; !w.quoted {
		switch l := list(strings.ToLower(w.text)); l {
		case listWaiting, listMine, listAll:
			q.list, words = l, words[1:]
		}
	}
	for _, w := range words {
		t, err := w.term()
		if err != nil {
			return q, err
		}
		if t != (term{}) {
			q.terms = append(q.terms, t)
		}
	}
	return q, nil
}

// shown is the text as the person typed it, without Slack's escapes and with the labels
// of mentions and links.
func (q query) shown() string {
	var b strings.Builder
	for rest := q.text; ; {
		before, control, found := strings.Cut(rest, "<")
		b.WriteString(before)
		if !found {
			return queryEscapes.Replace(b.String())
		}
		var inside string
		inside, rest, _ = strings.Cut(control, ">")
		target, label, _ := strings.Cut(inside, "|")
		switch user, mention := strings.CutPrefix(target, "@"); {
		case mention && label != "":
			b.WriteString("@" + strings.TrimPrefix(label, "@"))
		case mention:
			b.WriteString("@" + user)
		case label != "":
			b.WriteString(label)
		default:
			b.WriteString(strings.TrimPrefix(target, "mailto:"))
		}
	}
}

// wantsHelp reports whether the text of a command asks how to use it.
func wantsHelp(text string) bool {
	return slices.Contains([]string{"help", "-h", "--help", "?"}, strings.ToLower(strings.TrimSpace(text)))
}

// word is a part of a command's text. A quoted word has no key, and its <controls> are
// plain text.
type word struct {
	key, text string
	quoted    bool
}

// quotes maps each opening quotation mark to the marks that close it. Phones type curly
// ones.
var quotes = map[rune]string{
	'"': "\"”“", '“': "”\"“", '”': "”\"", '„': "“”\"", '«': "»", '\'': "'’", '‘': "’'", '’': "’'",
}

// splitQuery splits text at spaces outside quotes and outside Slack's <controls>. An
// open quote ends with the text.
func splitQuery(text string) (words []word) {
	runes := []rune(text)
	for i := 0; i < len(runes); {
		if unicode.IsSpace(runes[i]) {
			i++
			continue
		}
		var w word
		var part strings.Builder
	scan:
		for i < len(runes) && !unicode.IsSpace(runes[i]) {
			c := runes[i]
			ends := quotes[c]
			switch {
			case ends != "" && part.Len() == 0:
				for i++; i < len(runes) && !strings.ContainsRune(ends, runes[i]); i++ {
					part.WriteRune(runes[i])
				}
				i++
				w.quoted = true
				break scan
			case c == '<':
				for ; i < len(runes) && runes[i] != '>'; i++ {
					part.WriteRune(runes[i])
				}
			case c == ':' && w.key == "" && part.Len() > 0 && !strings.HasPrefix(part.String(), "<"):
				w.key = strings.ToLower(part.String())
				part.Reset()
				i++
				continue
			}
			if i < len(runes) {
				part.WriteRune(runes[i])
				i++
			}
		}
		w.text = part.String()
		words = append(words, w)
	}
	return words
}

var queryEscapes = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

func (w word) term() (term, error) {
	t := term{key: w.key}
	switch w.key {
	case "", "requester", "product", "account":
	case "by", "from":
		t.key = "requester"
	default:
		return t, queryError(fmt.Sprintf("“%s” is not a search field. Use requester, product or account.", handle.OneLine(queryEscapes.Replace(w.key), 40)))
	}
	text := w.text
	if inside, control := strings.CutPrefix(text, "<"); control && !w.quoted {
		inside = strings.TrimSuffix(inside, ">")
		target, label, _ := strings.Cut(inside, "|")
		user, mention := strings.CutPrefix(target, "@")
		switch {
		case mention && handle.IsUser(user) && (t.key == "" || t.key == "requester"):
			t.key, t.user = "requester", user
			return t, nil
		case mention, strings.HasPrefix(target, "#"), strings.HasPrefix(target, "!"):
			return t, queryError("You can search by requester, but not by channel or group.")
		case label != "":
			text = label // Slack turned an address into a link
		default:
			text = strings.TrimPrefix(target, "mailto:")
		}
	}
	text = strings.TrimSpace(queryEscapes.Replace(text))
	if t.key == "requester" {
		text = strings.TrimPrefix(text, "@")
	}
	if handle.Blank(text) {
		if t.key != "" {
			return t, queryError(fmt.Sprintf("“%s:” needs a value after the colon.", w.key))
		}
		return term{}, nil
	}
	t.value = strings.ToLower(text)
	return t, nil
}

// matches reports whether s matches all terms of q. It ignores q.list.
func (q query) matches(s handle.Summary) bool {
	return !slices.ContainsFunc(q.terms, func(t term) bool { return !t.matches(s) })
}

func (t term) matches(s handle.Summary) bool {
	has := func(fields ...string) bool {
		return slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(strings.ToLower(f), t.value) })
	}
	switch {
	case t.user != "":
		return s.RequesterID == t.user || slices.Contains(s.RequesterIDs, t.user)
	case t.key == "requester":
		return has(s.Requester)
	case t.key == "product":
		return has(s.Product, s.ProductName, s.ProductID, s.Provisioned)
	case t.key == "account":
		return has(s.Account, s.AccountName)
	}
	return has(s.Requester, s.Product, s.ProductName, s.ProductID, s.Provisioned, s.Account, s.AccountName, s.Region, s.ID)
}
