package handle_test

import (
	"testing"
	"time"

	"countersign/handle"
)

func TestLeaseExcludesOthersUntilItExpires(t *testing.T) {
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
		t.Error("the lease does not end at Until")
	}
	for _, now := range []time.Time{at, last} {
		next, ok := one.Claim("two", now)
		if ok {
			t.Errorf("two took the lease %s after one claimed it", now.Sub(at))
		}
		wantSame(t, "after a refused Claim", one, next)
	}
	two, ok := one.Claim("two", one.Lease.Until)
	if !ok || !two.HeldBy("two", one.Lease.Until) || two.HeldBy("one", one.Lease.Until) {
		t.Errorf("two did not get the expired lease: %+v", two.Lease)
	}
	renewed, ok := one.Claim("one", last)
	if want := last.Add(handle.LeaseTime); !ok || !renewed.Lease.Until.Equal(want) {
		t.Errorf("renewed: got until %s, want %s", renewed.Lease.Until, want)
	}
	wantSame(t, "released by another process", one, one.Release("two"))
	free := one.Release("one")
	if free.Lease != (handle.Lease{}) {
		t.Errorf("released: got %+v", free.Lease)
	}
	if _, ok := free.Claim("two", at); !ok {
		t.Error("two did not get the released lease")
	}
	wantSame(t, "released with an empty name", r, r.Release(""))
}

func TestEmptyNameHoldsNoLease(t *testing.T) {
	r, _ := launch().Claim("", at)
	if r.HeldBy("", at) {
		t.Error("a process without a name holds the lease")
	}
	if _, ok := r.Claim("one", at); !ok {
		t.Error("the lease of an empty name excludes others")
	}
}
