package handle

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// RefusedWrongCode refuses a mailed link's form whose code differs from the
// mail's. It is recorded per link, as [Ticket.WrongCode] returns it. Earlier
// releases recorded it as it is, and such events count for every link.
const RefusedWrongCode RefusalReason = "wrong code"

// MaxWrongCodes is how many wrong codes lock a mailed link. A code is one in a
// million.
const MaxWrongCodes = 5

// WrongCode returns the reason with which wrong codes at one mailed link are
// recorded, such as wrong code/approve/0123456789abcdef. sealed is t as the link
// carries it. There are two links for each mail key, so there are few reasons.
func (t Ticket) WrongCode(sealed string) RefusalReason {
	sum := sha256.Sum256([]byte(sealed))
	return RefusedWrongCode + "/" + RefusalReason(t.Verdict) + "/" + RefusalReason(hex.EncodeToString(sum[:8]))
}

// WrongCodes counts the wrong codes at one link, which WrongCode names.
func (r Request) WrongCodes(link RefusalReason) int {
	return r.CountRefusals(RefusedWrongCode) + r.CountRefusals(link)
}

// LinkLocked reports whether a link, which WrongCode names, no longer decides.
func (r Request) LinkLocked(link RefusalReason) bool { return r.WrongCodes(link) >= MaxWrongCodes }

// lockedLinks returns a notification for each locked link. A locked link counts no
// further codes, so their times stay the same.
func (r Request) lockedLinks() []Notification {
	last := map[string]time.Time{}
	var links []string
	for _, e := range r.Events {
		if e.Kind != EventRefused || !strings.HasPrefix(e.Text, string(RefusedWrongCode)+"/") {
			continue
		}
		if !slices.Contains(links, e.Text) {
			links = append(links, e.Text)
		}
		if e.At.After(last[e.Text]) {
			last[e.Text] = e.At
		}
	}
	var list []Notification
	for _, link := range links {
		if parts := strings.Split(link, "/"); len(parts) == 3 && r.LinkLocked(RefusalReason(link)) {
			list = append(list, Notification{Name: NotifyLocked + "-" + parts[1] + "-" + parts[2], At: last[link], Verdict: Verdict(parts[1])})
		}
	}
	return list
}
