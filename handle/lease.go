package handle

import "time"

// Lease lets one process at a time send what should go out once. It expires, so
// a process that dies delays the others by at most LeaseTime. It is not a lock:
// correctness rests on the store's compare-and-swap.
type Lease struct {
	Holder string    `json:"holder,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}

// LeaseTime is twice the longest time that one outgoing call and the write after
// it may take. A holder renews the lease when half of it has passed.
const LeaseTime = 30 * time.Second

// Claim takes the lease for holder, or renews it. ok is false, and r unchanged,
// if another process holds it at now.
func (r Request) Claim(holder string, now time.Time) (next Request, ok bool) {
	if r.Lease.Holder != "" && r.Lease.Holder != holder && now.Before(r.Lease.Until) {
		return r, false
	}
	r = r.Clone()
	r.Lease = Lease{Holder: holder, Until: now.Add(LeaseTime)}
	return r, true
}

// HeldBy reports whether holder has the lease at now.
func (r Request) HeldBy(holder string, now time.Time) bool {
	return holder != "" && r.Lease.Holder == holder && now.Before(r.Lease.Until)
}

// Release ends the lease if holder has it.
func (r Request) Release(holder string) Request {
	if r.Lease.Holder != holder {
		return r
	}
	r = r.Clone()
	r.Lease = Lease{}
	return r
}
