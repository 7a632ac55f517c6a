package bolt

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"countersign/handle"
)

// The layout of the file is one bucket, which contains
//
//	layout    the version of this layout
//	requests  bucket: ID -> the request as handle.Encode writes it
//	created   bucket: stamp of CreatedAt, ID -> empty
//	due       bucket: stamp of NextDue, ID -> empty; only requests whose NextDue is not zero
//	wakes     bucket: ID -> its key in due. A later release may compute another
//	          NextDue for the same request, so the key cannot be derived again
//	grants    bucket: GrantKey, ID -> empty; only requests whose GrantKey is not empty
//	granted   bucket: ID -> its key in grants, for the same reason as wakes
//	open      bucket: stamp of Summary.Deadline, ID -> empty; only open requests
//	opened    bucket: ID -> its key in open, for the same reason as wakes
//
// Files of earlier releases have neither grants nor granted, and no request with a
// GrantKey; and neither open nor opened, which are filled when the file is opened.
var (
	root      = []byte("countersign")
	layout    = []byte("layout")
	requests  = []byte("requests")
	created   = []byte("created")
	due       = []byte("due")
	wakes     = []byte("wakes")
	grants    = []byte("grants")
	granted   = []byte("granted")
	opened    = []byte("opened") // the index itself is named openIndex: open is a function
	openIndex = []byte("open")
)

const layoutVersion = "1"

// createBuckets creates the buckets in an empty file. In any other file it checks
// the layout version and adds the buckets that an earlier release did not have.
func createBuckets(tx *bbolt.Tx) error {
	if b := tx.Bucket(root); b != nil {
		if v := string(b.Get(layout)); v != layoutVersion {
			return fmt.Errorf("its layout has version %q, but this release reads version %q", v, layoutVersion)
		}
		first := b.Bucket(openIndex) == nil
		if err := createIn(b, grants, granted, openIndex, opened); err != nil || !first {
			return err
		}
		return listOpen(open(tx))
	}
	if name, _ := tx.Cursor().First(); name != nil {
		return ErrNotStore
	}
	b, err := tx.CreateBucket(root)
	if err != nil {
		return err
	}
	if err := createIn(b, requests, created, due, wakes, grants, granted, openIndex, opened); err != nil {
		return err
	}
	return b.Put(layout, []byte(layoutVersion))
}

// createIn creates the buckets that b does not have.
func createIn(b *bbolt.Bucket, names ...[]byte) error {
	for _, name := range names {
		if _, err := b.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// tables are the buckets, as one transaction sees them.
type tables struct{ requests, created, due, wakes, grants, granted, open, opened *bbolt.Bucket }

func open(tx *bbolt.Tx) tables {
	b := tx.Bucket(root)
	return tables{
		requests: b.Bucket(requests), created: b.Bucket(created),
		due: b.Bucket(due), wakes: b.Bucket(wakes),
		grants: b.Bucket(grants), granted: b.Bucket(granted),
		open: b.Bucket(openIndex), opened: b.Bucket(opened),
	}
}

// get reads one request. The error is handle.ErrNotFound if there is none.
func (t tables) get(id string) (handle.Request, error) {
	value := t.requests.Get([]byte(id))
	if value == nil {
		return handle.Request{}, handle.ErrNotFound
	}
	return handle.Decode(value)
}

// put writes r and its index entries.
func (t tables) put(r handle.Request) error {
	if _, _, ok := handle.SplitID(r.ID); !ok {
		return fmt.Errorf("%q is not a request ID", r.ID)
	}
	value, err := handle.Encode(r)
	if err != nil {
		return err
	}
	if err := t.requests.Put([]byte(r.ID), value); err != nil {
		return err
	}
	if err := t.created.Put(indexKey(r.CreatedAt, r.ID), nil); err != nil {
		return err
	}
	if next := r.NextDue(); !next.IsZero() {
		if err := list(t.due, t.wakes, indexKey(next, r.ID), r.ID); err != nil {
			return err
		}
	}
	if digest := r.GrantKey(); digest != "" {
		if err := list(t.grants, t.granted, []byte(digest+r.ID), r.ID); err != nil {
			return err
		}
	}
	return t.listOpen(r)
}

// listOpen adds r to the index of open requests, if it is open.
func (t tables) listOpen(r handle.Request) error {
	s, ok := r.Summary()
	if !ok {
		return nil
	}
	return list(t.open, t.opened, indexKey(s.Deadline, r.ID), r.ID)
}

// listOpen fills the index of open requests of a file that an earlier release wrote.
func listOpen(t tables) error {
	c := t.requests.Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		r, err := handle.Decode(value)
		if err != nil {
			return err
		}
		if err := t.listOpen(r); err != nil {
			return err
		}
	}
	return nil
}

// list adds key to an index, and to keys, where unlist finds it by the request's ID.
func list(index, keys *bbolt.Bucket, key []byte, id string) error {
	if err := keys.Put([]byte(id), key); err != nil {
		return err
	}
	return index.Put(key, nil)
}

// unlist removes the index entries of r, which must be the stored value.
func (t tables) unlist(r handle.Request) error {
	if err := t.created.Delete(indexKey(r.CreatedAt, r.ID)); err != nil {
		return err
	}
	if err := unlist(t.due, t.wakes, r.ID); err != nil {
		return err
	}
	if err := unlist(t.grants, t.granted, r.ID); err != nil {
		return err
	}
	return unlist(t.open, t.opened, r.ID)
}

// unlist removes what list added, if anything.
func unlist(index, keys *bbolt.Bucket, id string) error {
	key := keys.Get([]byte(id))
	if key == nil {
		return nil
	}
	if err := index.Delete(key); err != nil {
		return err
	}
	return keys.Delete([]byte(id))
}

// stamp encodes t so that bytes sort as times do, to the nanosecond and for every
// time.Time: the Unix seconds with the sign bit inverted, so that times before 1970
// sort first, then the nanoseconds.
func stamp(t time.Time) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, stampSize), uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

const stampSize = 8 + 4

// indexKey returns the key of a request in an index.
func indexKey(t time.Time, id string) []byte { return append(stamp(t), id...) }

// indexID returns the ID in a key of an index, as a copy.
func indexID(key []byte) string { return string(key[stampSize:]) }
