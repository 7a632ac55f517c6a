package handle

import "time"

// Lease lets one process at a time send what must go out once. It is a
// courtesy with an end, not a lock: a holder that died holds up nobody for
// longer than LeaseTime, and every mark is made under compare-and-swap.
type Lease struct {
	Holder string    `json:"holder,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}

// LeaseTime is twice as long as any single call to the outside and the mark after
// it may take. Whoever acts under a lease renews it when half of it is over.
const LeaseTime = 30 * time.Second

// Claim takes the lease for holder, or renews it. ok is false, and r
// unchanged, if somebody else holds it at now.
func (r Request) Claim(holder string, now time.Time) (next Request, ok bool) {
	if r.Lease.Holder != "" && r.Lease.Holder != holder && now.Before(r.Lease.Until) {
		return r, false
	}
	r = r.Clone()
	r.Lease = Lease{Holder: holder, Until: now.Add(LeaseTime)}
	return r, true
}

// Held reports whether holder has the lease at now.
func (r Request) HeldBy(holder string, now time.Time) bool {
	return holder != "" && r.Lease.Holder == holder && now.Before(r.Lease.Until)
}

// Release gives the lease back if holder has it.
func (r Request) Release(holder string) Request {
	if r.Lease.Holder != holder {
		return r
	}
	r = r.Clone()
	r.Lease = Lease{}
	return r
}
