package bolt

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"countersign/handle"
)

// The layout of the file: one bucket of ours, and in it
//
//	layout    the version of this layout
//	requests  bucket: ID -> the request as handle.Encode writes it
//	created   bucket: stamp of CreatedAt, ID -> nothing
//	due       bucket: stamp of Wake, ID -> nothing; of requests whose Wake is not zero
//	wakes     bucket: ID -> its key in due. Wake is a law, and a later release may
//	          have another: where a request is listed must not be asked of the law
var (
	root     = []byte("countersign")
	layout   = []byte("layout")
	requests = []byte("requests")
	created  = []byte("created")
	due      = []byte("due")
	wakes    = []byte("wakes")
)

const layoutVersion = "1"

// layOut makes the buckets in an empty file. In any other it checks that they
// are there.
func layOut(tx *bbolt.Tx) error {
	if b := tx.Bucket(root); b != nil {
		if v := string(b.Get(layout)); v != layoutVersion {
			return fmt.Errorf("its layout is version %q, and this release knows version %q", v, layoutVersion)
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

// tables are the buckets as one transaction sees them.
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

// put writes r and lists it in the indexes.
func (t tables) put(r handle.Request) error {
	if _, _, ok := handle.SplitID(r.ID); !ok {
		return fmt.Errorf("%q is not the ID of a request", r.ID)
	}
	value, err := handle.Encode(r)
	if err != nil {
		return err
	}
	if err := t.requests.Put([]byte(r.ID), value); err != nil {
		return err
	}
	if err := t.created.Put(listed(r.CreatedAt, r.ID), nil); err != nil {
		return err
	}
	wake := r.NextDue()
	if wake.IsZero() {
		return nil
	}
	key := listed(wake, r.ID)
	if err := t.wakes.Put([]byte(r.ID), key); err != nil {
		return err
	}
	return t.due.Put(key, nil)
}

// unlist takes r, as it is stored, out of the indexes.
func (t tables) unlist(r handle.Request) error {
	if err := t.created.Delete(listed(r.CreatedAt, r.ID)); err != nil {
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

// stamp writes t so that the order of bytes is the order of time, to the
// nanosecond and for every time that Go knows: the seconds, with the sign bit
// turned so that those before 1970 come first, then the nanoseconds.
func stamp(t time.Time) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, stampSize), uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

const stampSize = 8 + 4

// listed is the key under which an index lists the request.
func listed(t time.Time, id string) []byte { return append(stamp(t), id...) }

// listedID is the ID in a key of an index. It is a copy.
func listedID(key []byte) string { return string(key[stampSize:]) }
