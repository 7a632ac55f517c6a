package handle_test

import (
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/handle"
)

var (
	mailKey  = handle.MailKey(strings.Repeat("k", handle.MinMailKey))
	otherKey = handle.MailKey(strings.Repeat("o", handle.MinMailKey))
)

func ticket(v handle.Verdict) handle.Ticket { return handle.Ticket{ID: launch().ID, Verdict: v} }

func TestTicketRoundTrip(t *testing.T) {
	for _, v := range []handle.Verdict{handle.Approve, handle.Reject} {
		want := ticket(v)
		s := want.String()
		if len(s) > 64 {
			t.Errorf("got %d bytes, want at most 64", len(s))
		}
		if got, err := handle.ParseTicket(s); got != want || err != nil {
			t.Errorf("%q: got %+v, %v, want %+v", s, got, err, want)
		}
	}
}

func TestParseTicketRefusesOtherText(t *testing.T) {
	id := launch().ID
	for _, s := range []string{
		"", ".", "..", "v1", "v1.", "v1..", "v1.." + "approve",
		id, id + ".approve", "v1." + id, "v1." + id + ".",
		"v2." + id + ".approve", "V1." + id + ".approve", "." + id + ".approve", " v1." + id + ".approve",
		"v1." + id + ".Approve", "v1." + id + ".approve ", "v1." + id + ".approve\n", "v1." + id + ".approved", "v1." + id + ".maybe",
		"v1." + id + ".approve.", "v1." + id + ".approve.reject", "v1." + id + "..approve",
		"v1." + strings.ToUpper(id) + ".approve", "v1." + id[1:] + ".approve", "v1." + id + "a.approve", "v1.x.approve",
		"v1." + strings.Replace(id, "-", "_", 1) + ".approve", "v1." + id + "\n.approve",
	} {
		if got, err := handle.ParseTicket(s); !errors.Is(err, handle.ErrTicket) || got != (handle.Ticket{}) {
			t.Errorf("%q: got %+v, %v, want %v", s, got, err, handle.ErrTicket)
		}
	}
}

func TestSealedTicketRoundTrip(t *testing.T) {
	expires := at.Add(time.Hour)
	for _, v := range []handle.Verdict{handle.Approve, handle.Reject} {
		sealed := mailKey.Seal(ticket(v), expires)
		if escaped := url.PathEscape(sealed); escaped != sealed {
			t.Errorf("%q needs escaping in a path", sealed)
		}
		got, key, err := handle.OpenTicket([]handle.MailKey{otherKey, mailKey}, sealed, at)
		if err != nil || got != ticket(v) || string(key) != string(mailKey) {
			t.Errorf("got %+v, %v, want %+v and the key that sealed it", got, err, ticket(v))
		}
	}
}

func TestOpenTicket(t *testing.T) {
	expires := at.Add(time.Hour)
	sealed := mailKey.Seal(ticket(handle.Approve), expires)
	payload := sealed[:strings.LastIndex(sealed, ".")]
	mac := sealed[len(payload)+1:]
	short := handle.MailKey("short")
	oneShort := handle.MailKey(strings.Repeat("k", handle.MinMailKey-1))
	seal := func(k handle.MailKey, id string, v handle.Verdict) string {
		return k.Seal(handle.Ticket{ID: id, Verdict: v}, expires)
	}
	for _, tt := range []struct {
		name   string
		keys   []handle.MailKey
		sealed string
		now    time.Time
		want   error
	}{
		{"good", []handle.MailKey{mailKey}, sealed, at, nil},
		{"long before it was sealed", []handle.MailKey{mailKey}, sealed, time.Time{}, nil},
		{"in the last second", []handle.MailKey{mailKey}, sealed, expires.Add(-time.Second), nil},
		{"in the last nanosecond", []handle.MailKey{mailKey}, sealed, expires.Add(-1), nil},
		{"at its expiry", []handle.MailKey{mailKey}, sealed, expires, handle.ErrTicketExpired},
		{"later", []handle.MailKey{mailKey}, sealed, expires.Add(time.Hour), handle.ErrTicketExpired},
		{"another key", []handle.MailKey{otherKey}, sealed, at, handle.ErrTicket},
		{"another key, and too late", []handle.MailKey{otherKey}, sealed, expires, handle.ErrTicket},
		{"no keys", nil, sealed, at, handle.ErrTicket},
		{"an empty key", []handle.MailKey{{}}, handle.MailKey{}.Seal(ticket(handle.Approve), expires), at, handle.ErrTicket},
		{"a nil key", []handle.MailKey{nil}, handle.MailKey(nil).Seal(ticket(handle.Approve), expires), at, handle.ErrTicket},
		{"a short key", []handle.MailKey{short}, short.Seal(ticket(handle.Approve), expires), at, handle.ErrTicket},
		{"a key short by one", []handle.MailKey{oneShort}, oneShort.Seal(ticket(handle.Approve), expires), at, handle.ErrTicket},
		{"a short key before the right one", []handle.MailKey{short, mailKey}, sealed, at, nil},
		{"nothing", []handle.MailKey{mailKey}, "", at, handle.ErrTicket},
		{"dots", []handle.MailKey{mailKey}, "....", at, handle.ErrTicket},
		{"not sealed", []handle.MailKey{mailKey}, ticket(handle.Approve).String(), at, handle.ErrTicket},
		{"no signature", []handle.MailKey{mailKey}, payload, at, handle.ErrTicket},
		{"an empty signature", []handle.MailKey{mailKey}, payload + ".", at, handle.ErrTicket},
		{"half a signature", []handle.MailKey{mailKey}, sealed[:len(sealed)-20], at, handle.ErrTicket},
		{"padded", []handle.MailKey{mailKey}, sealed + "=", at, handle.ErrTicket},
		{"a line break in the signature", []handle.MailKey{mailKey}, payload + "." + mac[:4] + "\n" + mac[4:], at, handle.ErrTicket},
		{"something appended", []handle.MailKey{mailKey}, sealed + "." + mac, at, handle.ErrTicket},
		{"a megabyte", []handle.MailKey{mailKey}, strings.Repeat("A", 1<<20) + "." + mac, at, handle.ErrTicket},
		{"the code's key", []handle.MailKey{mailKey}, payload + "." + base64.RawURLEncoding.EncodeToString([]byte(mailKey)), at, handle.ErrTicket},
		{"sealed, but not a request ID", []handle.MailKey{mailKey}, seal(mailKey, "x", handle.Approve), at, handle.ErrTicket},
		{"sealed, but not a verdict", []handle.MailKey{mailKey}, seal(mailKey, launch().ID, "maybe"), at, handle.ErrTicket},
		{"sealed, but a dot too many", []handle.MailKey{mailKey}, seal(mailKey, launch().ID, "approve.x"), at, handle.ErrTicket},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, key, err := handle.OpenTicket(tt.keys, tt.sealed, tt.now)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && (got != (handle.Ticket{}) || key != nil) {
				t.Errorf("got %+v and a key with the error", got)
			}
		})
	}
}

// The test changes every byte of a sealed ticket to every other value.
func TestOpenTicketRefusesEditedTickets(t *testing.T) {
	sealed := mailKey.Seal(ticket(handle.Reject), at.Add(time.Hour))
	keys := []handle.MailKey{mailKey}
	for i := range len(sealed) {
		for c := range 256 {
			edited := sealed[:i] + string([]byte{byte(c)}) + sealed[i+1:]
			if edited == sealed {
				continue
			}
			if got, _, err := handle.OpenTicket(keys, edited, at); !errors.Is(err, handle.ErrTicket) {
				t.Fatalf("byte %d set to %#x: got %+v, %v, want %v", i, c, got, err, handle.ErrTicket)
			}
		}
		if _, _, err := handle.OpenTicket(keys, sealed[:i]+sealed[i+1:], at); !errors.Is(err, handle.ErrTicket) {
			t.Errorf("byte %d left out: got %v, want %v", i, err, handle.ErrTicket)
		}
	}
}

func TestSealedTicketsOfEarlierReleases(t *testing.T) {
	// Mails sent before an upgrade must work after it.
	sealed := mailKey.Seal(handle.Ticket{ID: "aaaaaaaaaaaaaaaa-bbbbbbbb", Verdict: handle.Approve}, at)
	if want := "v1.aaaaaaaaaaaaaaaa-bbbbbbbb.approve.1795424400.k0gNGaEB42sfSQVYUxnxVuC5a-n4KZaAbTwbMkUjQ8Q"; sealed != want {
		t.Errorf("got %q, want %q", sealed, want)
	}
	if got, want := mailKey.Code(sealed), "477100"; got != want {
		t.Errorf("got code %s, want %s", got, want)
	}
}

func TestMailCode(t *testing.T) {
	digits := regexp.MustCompile(`^[0-9]{6}$`)
	seen := map[string]bool{}
	for i := range 50 {
		sealed := mailKey.Seal(ticket(handle.Approve), at.Add(time.Duration(i)*time.Second))
		for _, key := range []handle.MailKey{mailKey, otherKey} {
			code := key.Code(sealed)
			if !digits.MatchString(code) {
				t.Errorf("got code %q, want six digits", code)
			}
			if key.Code(sealed) != code {
				t.Error("got two codes for one ticket and key")
			}
			seen[code] = true
		}
	}
	if len(seen) < 95 { // a few of a million can be equal by chance
		t.Errorf("got %d codes for 100 pairs of ticket and key", len(seen))
	}
	approve, reject := mailKey.Seal(ticket(handle.Approve), at), mailKey.Seal(ticket(handle.Reject), at)
	if mailKey.Code(approve) == mailKey.Code(reject) {
		t.Error("approving and rejecting have the same code")
	}
	if strings.Contains(approve, mailKey.Code(approve)) {
		t.Error("the link contains its code")
	}
}
