package handle_test

import (
	"testing"
	"time"

	"countersign/handle"
)

func TestLease(t *testing.T) {
	r := launch()
	if r.HeldBy("", at) || r.HeldBy("one", at) {
		t.Error("a new request is held")
	}
	one, ok := r.Claim("one", at)
	if !ok || !one.HeldBy("one", at) || one.HeldBy("two", at) || one.HeldBy("", at) {
		t.Fatalf("claimed by one: got %t, %+v", ok, one.Lease)
	}
	if want := at.Add(handle.LeaseTime); !one.Lease.Until.Equal(want) {
		t.Errorf("got a lease until %s, want %s", one.Lease.Until, want)
	}
	last := one.Lease.Until.Add(-1)
	if !one.HeldBy("one", last) || one.HeldBy("one", one.Lease.Until) {
		t.Error("the lease does not end when it says")
	}
	for _, now := range []time.Time{at, last} {
		next, ok := one.Claim("two", now)
		if ok {
			t.Errorf("two took the lease of one %s after it was claimed", now.Sub(at))
		}
		wantSame(t, "refused the lease", one, next)
	}
	two, ok := one.Claim("two", one.Lease.Until)
	if !ok || !two.HeldBy("two", one.Lease.Until) || two.HeldBy("one", one.Lease.Until) {
		t.Errorf("two did not get the lease of one who died: %+v", two.Lease)
	}
	renewed, ok := one.Claim("one", last)
	if want := last.Add(handle.LeaseTime); !ok || !renewed.Lease.Until.Equal(want) {
		t.Errorf("renewed: got until %s, want %s", renewed.Lease.Until, want)
	}
	wantSame(t, "given back by another", one, one.Release("two"))
	free := one.Release("one")
	if free.Lease != (handle.Lease{}) {
		t.Errorf("given back: got %+v", free.Lease)
	}
	if _, ok := free.Claim("two", at); !ok {
		t.Error("two did not get the lease that one gave back")
	}
	wantSame(t, "nobody gives back what nobody has", r, r.Release(""))
}

func TestNobodyHoldsALease(t *testing.T) {
	r, _ := launch().Claim("", at)
	if r.HeldBy("", at) {
		t.Error("a process without a name holds the lease")
	}
	if _, ok := r.Claim("one", at); !ok {
		t.Error("nobody's lease keeps others out")
	}
}
