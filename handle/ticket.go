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

// Ticket is what a button or a mailed link carries: which request, and which
// verdict. It never carries the wait URL.
type Ticket struct {
	ID      string
	Verdict Verdict
}

// ErrTicket says that a ticket is not one of ours, or was edited.
var ErrTicket = errors.New("the ticket is not valid")

// ErrTicketExpired says that a mailed ticket is too old.
var ErrTicketExpired = errors.New("the ticket has expired")

// String writes the ticket as a button's value: at most 64 bytes. Slack signs
// what comes back, so the value is only as secret as the channel.
func (t Ticket) String() string { return "v1." + t.ID + "." + string(t.Verdict) }

// ParseTicket reads what String wrote. The error is ErrTicket.
func ParseTicket(s string) (Ticket, error) {
	version, rest, _ := strings.Cut(s, ".")
	id, verdict, _ := strings.Cut(rest, ".")
	t := Ticket{ID: id, Verdict: Verdict(verdict)}
	if _, _, ok := SplitID(id); !ok || version != "v1" || t.Verdict != Approve && t.Verdict != Reject {
		return Ticket{}, ErrTicket
	}
	return t, nil
}

// MailKey signs the tickets of mailed links. Like a wait URL it prints as a
// placeholder.
type MailKey []byte

const hiddenKey = "[mail key]"

func (MailKey) String() string               { return hiddenKey }
func (MailKey) GoString() string             { return hiddenKey }
func (MailKey) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(hiddenKey)) }
func (MailKey) LogValue() slog.Value         { return slog.StringValue(hiddenKey) }
func (MailKey) MarshalText() ([]byte, error) { return []byte(hiddenKey), nil }

// MinMailKey is the least length of a MailKey.
const MinMailKey = 32 // bytes

// Seal writes the ticket for a mailed link: signed, and good until expires. The
// text fits into a URL path as it is.
func (k MailKey) Seal(t Ticket, expires time.Time) string {
	payload := t.String() + "." + strconv.FormatInt(expires.Unix(), 10)
	return payload + "." + base64.RawURLEncoding.EncodeToString(k.mac("ticket", payload))
}

// Code is the six digits that the mail shows beside the link, and that the
// page asks for. A program that follows the link, or submits the page's form,
// has not read the mail.
func (k MailKey) Code(sealed string) string {
	n := binary.BigEndian.Uint64(k.mac("code", sealed))
	return fmt.Sprintf("%06d", n%1_000_000)
}

func (k MailKey) mac(use, text string) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte("countersign mail " + use + "\n" + text))
	return h.Sum(nil)
}

// OpenTicket reads a sealed ticket that any of keys has sealed, and returns
// that key. The signature is checked before anything is read. The error is
// ErrTicket or ErrTicketExpired.
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
