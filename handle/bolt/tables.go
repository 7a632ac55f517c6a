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
var (
	root     = []byte("countersign")
	layout   = []byte("layout")
	requests = []byte("requests")
	created  = []byte("created")
	due      = []byte("due")
	wakes    = []byte("wakes")
)

const layoutVersion = "1"

// createBuckets creates the buckets in an empty file. In any other file it checks
// the layout version.
func createBuckets(tx *bbolt.Tx) error {
	if b := tx.Bucket(root); b != nil {
		if v := string(b.Get(layout)); v != layoutVersion {
			return fmt.Errorf("its layout has version %q, but this release reads version %q", v, layoutVersion)
		}
		return nil
	}
	if name, _ := tx.Cursor().First(); name != nil {
		return ErrNotStore
	}
	b, err := tx.CreateBucket(root)
	if err != nil {
		return err
	}
	for _, name := range [][]byte{requests, created, due, wakes} {
		if _, err := b.CreateBucket(name); err != nil {
			return err
		}
	}
	return b.Put(layout, []byte(layoutVersion))
}

// tables are the buckets, as one transaction sees them.
type tables struct{ requests, created, due, wakes *bbolt.Bucket }

func open(tx *bbolt.Tx) tables {
	b := tx.Bucket(root)
	return tables{requests: b.Bucket(requests), created: b.Bucket(created), due: b.Bucket(due), wakes: b.Bucket(wakes)}
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
	next := r.NextDue()
	if next.IsZero() {
		return nil
	}
	key := indexKey(next, r.ID)
	if err := t.wakes.Put([]byte(r.ID), key); err != nil {
		return err
	}
	return t.due.Put(key, nil)
}

// unlist removes the index entries of r, which must be the stored value.
func (t tables) unlist(r handle.Request) error {
	if err := t.created.Delete(indexKey(r.CreatedAt, r.ID)); err != nil {
		return err
	}
	key := t.wakes.Get([]byte(r.ID))
	if key == nil {
		return nil
	}
	if err := t.due.Delete(key); err != nil {
		return err
	}
	return t.wakes.Delete([]byte(r.ID))
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
