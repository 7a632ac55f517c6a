package handle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Ticket is what a button or a mailed link carries: a request's ID and a verdict.
type Ticket struct {
	ID      string
	Verdict Verdict
}

// ErrTicket means that a ticket was not made here, or was changed.
var ErrTicket = errors.New("the ticket is not valid")

// ErrTicketExpired means that a mailed ticket is too old.
var ErrTicketExpired = errors.New("the ticket has expired")

// String returns the ticket as a button's value, of at most 64 bytes. It needs no
// signature of ours, because Slack signs the interaction that returns it.
func (t Ticket) String() string { return "v1." + t.ID + "." + string(t.Verdict) }

// ParseTicket reads what String wrote. The error is ErrTicket.
func ParseTicket(s string) (Ticket, error) {
	version, rest, _ := strings.Cut(s, ".")
	id, verdict, _ := strings.Cut(rest, ".")
	t := Ticket{ID: id, Verdict: Verdict(verdict)}
	if _, _, ok := SplitID(id); !ok || version != "v1" || t.Verdict != Approve && t.Verdict != Reject && t.Verdict != Revoke {
		return Ticket{}, ErrTicket
	}
	return t, nil
}

// Action is what a button carries that gives no verdict: a request's ID, the name of
// what it does, such as details or ask, and for some the item that it is about, such as
// the ID of a question.
type Action struct{ ID, Name, Item string }

// String returns the action as a button's value, of at most 75 bytes. Like a ticket it
// needs no signature of ours.
func (a Action) String() string {
	s := "v1." + a.ID + "." + a.Name
	if a.Item != "" {
		s += "." + a.Item
	}
	return s
}

// ParseAction reads what String wrote. The error is ErrTicket.
func ParseAction(s string) (Action, error) {
	parts := strings.Split(s, ".")
	if len(s) > 75 || len(parts) < 3 || len(parts) > 4 || parts[0] != "v1" || !lowerAlphanumeric(parts[2]) {
		return Action{}, ErrTicket
	}
	a := Action{ID: parts[1], Name: parts[2]}
	if len(parts) == 4 {
		a.Item = parts[3]
		if !lowerAlphanumeric(a.Item) {
			return Action{}, ErrTicket
		}
	}
	if _, _, ok := SplitID(a.ID); !ok {
		return Action{}, ErrTicket
	}
	return a, nil
}

func lowerAlphanumeric(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// MailKey signs the tickets of mailed links. It prints as a placeholder.
type MailKey []byte

const hiddenKey = "[mail key]"

func (MailKey) String() string               { return hiddenKey }
func (MailKey) GoString() string             { return hiddenKey }
func (MailKey) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(hiddenKey)) }
func (MailKey) LogValue() slog.Value         { return slog.StringValue(hiddenKey) }
func (MailKey) MarshalText() ([]byte, error) { return []byte(hiddenKey), nil }

// MinMailKey is the minimum length of a MailKey.
const MinMailKey = 32 // bytes

// Seal returns the ticket for a mailed link: signed, and valid until expires. It
// needs no escaping in a URL path.
func (k MailKey) Seal(t Ticket, expires time.Time) string {
	payload := t.String() + "." + strconv.FormatInt(expires.Unix(), 10)
	return payload + "." + base64.RawURLEncoding.EncodeToString(k.mac("ticket", payload))
}

// Code returns the six digits that the mail shows beside the link and that the
// page asks for. A program that only follows links and submits forms, such as a
// mail scanner, does not know them.
func (k MailKey) Code(sealed string) string {
	n := binary.BigEndian.Uint64(k.mac("code", sealed))
	return fmt.Sprintf("%06d", n%1_000_000)
}

func (k MailKey) mac(use, text string) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte("countersign mail " + use + "\n" + text))
	return h.Sum(nil)
}

// OpenTicket reads a ticket that one of keys has sealed, and returns that key. It
// verifies the signature before it parses the ticket. The error is ErrTicket or
// ErrTicketExpired.
func OpenTicket(keys []MailKey, sealed string, now time.Time) (Ticket, MailKey, error) {
	payload, mac, _ := cutLast(sealed)
	sum, err := base64.RawURLEncoding.Strict().DecodeString(mac)
	if err != nil || len(sealed) > 256 || strings.ContainsAny(sealed, "\r\n") { // which base64 skips
		return Ticket{}, nil, ErrTicket
	}
	for _, k := range keys {
		if len(k) < MinMailKey || !hmac.Equal(sum, k.mac("ticket", payload)) {
			continue
		}
		ticket, expiry, _ := cutLast(payload)
		seconds, err := strconv.ParseInt(expiry, 10, 64)
		if err != nil {
			return Ticket{}, nil, ErrTicket
		}
		t, err := ParseTicket(ticket)
		if err != nil {
			return Ticket{}, nil, err
		}
		if now.Unix() >= seconds {
			return Ticket{}, nil, ErrTicketExpired
		}
		return t, k, nil
	}
	return Ticket{}, nil, ErrTicket
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
