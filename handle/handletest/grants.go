package handletest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/handle"
)

func testGrants(t *testing.T, f *fixture) {
	first := Request(1, at, WithGrant("first"))
	digest := first.GrantKey()
	f.grants("in an empty store", digest)

	// Only a grant that is given and open is listed.
	f.create(Request(2, at))
	f.create(Request(3, at, func(r *handle.Request) { r.Content = first.Content }))
	awaited := Request(4, at, WithGrant("first"))
	given := awaited.Grant.At
	awaited.Grant.At = time.Time{}
	awaited = f.create(awaited)
	first = f.create(first)
	other := f.create(Request(5, at, WithGrant("other")))
	f.grants("of one content", digest, first.ID)
	f.grants("of other content", other.GrantKey(), other.ID)

	awaited.Grant.At = given
	awaited = f.replace(awaited)
	third := f.create(Request(1, at, WithGate("Third"), WithGrant("first")))
	f.grants("with several", digest, first.ID, awaited.ID, third.ID)
	list, err := f.Grants(f.ctx, digest)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		f.stored("as Grants lists it", r)
	}

	// A change of anything else keeps it listed, with its current value.
	first.Purpose = "changed"
	first = f.replace(first)
	f.grants("after a change", digest, first.ID, awaited.ID, third.ID)
	f.eventually("Grants after a change", []string{"changed"}, func() []string {
		list, err := f.Grants(f.ctx, digest)
		i := slices.IndexFunc(list, func(r handle.Request) bool { return r.ID == first.ID })
		if err != nil || i < 0 {
			t.Fatalf("got %d requests and error %v, want %s among them", len(list), err, first.ID)
		}
		return []string{list[i].Purpose}
	})

	for _, none := range []string{"", digest[:len(digest)-1], digest + "0", strings.ToUpper(digest), awaited.ID} {
		f.grants("of unknown content", none)
	}

	// One that is used, revoked or lapsed leaves.
	used := first.Clone()
	used.Grant.UsedBy, used.Grant.UsedAt = other.ID, given.Add(time.Minute)
	used = f.replace(used)
	f.grants("after one was used", digest, awaited.ID, third.ID)
	_, err = f.Replace(f.ctx, first)
	f.fails("Replace of an old revision", err, handle.ErrConflict)
	_, err = f.Create(f.ctx, first)
	f.fails("Create of what exists", err, handle.ErrExists)
	f.grants("after a conflict", digest, awaited.ID, third.ID)
	revoked := awaited.Clone()
	revoked.Grant.RevokedBy, revoked.Grant.RevokedAt = handle.Person{ID: "U0APPROVER1"}, given.Add(time.Minute)
	f.replace(revoked)
	f.grants("after one was revoked", digest, third.ID)
	lapsed := f.replace(third.LapseGrant(third.Grant.Until))
	f.grants("after the last lapsed", digest)

	// The laws never open a grant again or change its content, but a store must not
	// rely on it.
	lapsed.Grant.Lapsed = false
	lapsed.Content = other.Content
	lapsed = f.replace(lapsed)
	f.grants("under its old content", digest)
	f.grants("under its new content", other.GrantKey(), other.ID, lapsed.ID)
	f.stored("at the end", used)
}

// testGrantsMany lists as many requests as a store must list at least.
func testGrantsMany(t *testing.T, f *fixture) {
	ids := make([]string, handle.MaxGrants)
	var wg sync.WaitGroup
	for w := range 5 {
		wg.Go(func() {
			for n := w; n < len(ids); n += 5 {
				r := Request(n, at, WithGrant("many"))
				if _, err := f.Create(f.ctx, r); err != nil {
					t.Error(err)
				}
				ids[n] = r.ID
			}
		})
	}
	wg.Wait()
	f.grants("many", Request(0, at, WithGrant("many")).GrantKey(), ids...)
}
