// Package bolt keeps requests in one local file, by way of
// [go.etcd.io/bbolt]. It is the store of an installation on one machine: one
// process at a time holds the file.
//
// The file is trusted with everything: it holds the decisions and the wait
// URLs. It is created readable for its owner alone.
package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"countersign/handle"
)

// Store is a [handle.Store] in one file. Every verb is one transaction, and a
// write has reached the disk before it returns.
type Store struct{ db *bbolt.DB }

var _ handle.Store = (*Store)(nil)

// Errors of Open.
var (
	ErrLocked   = errors.New("another process holds the file")
	ErrNotStore = errors.New("the file is not a Countersign store")
)

// lockTimeout is how long Open waits for another process to let go of the file:
// long enough for one that is being replaced by a new release.
const lockTimeout = time.Second

// smallest is how many bytes a bbolt file has at least: four pages.
const smallest = 4 * 4096

// Open opens the store in the file at path, or begins one if there is no such
// file. The error is ErrHeld if another process has it open, and ErrForeign if
// something else is in it, which is left as it is.
func Open(path string) (*Store, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() > 0 && info.Size() < smallest {
		return nil, fmt.Errorf("couldn't open %s: %w", path, ErrNotStore)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("couldn't open %s: %w", path, ErrLocked)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return nil, fmt.Errorf("couldn't open %s: %w (%w)", path, ErrNotStore, err)
	case err != nil:
		return nil, fmt.Errorf("couldn't open %s: %w", path, err)
	}
	if err := prepare(db); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("couldn't open %s: %w", path, err)
	}
	return &Store{db}, nil
}

// prepare lays out a new file, or checks that an old one is ours.
func prepare(db *bbolt.DB) error {
	if err := db.Update(layOut); err != nil {
		return err
	}
	return syncName(db.Path())
}

// syncName makes the name of a new file outlive a crash, as its content does.
func syncName(path string) error {
	if runtime.GOOS == "windows" {
		return nil // where a directory can't be synced, nor needs to be
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Close ends all use of the store and lets go of the file. It waits for calls
// that are under way.
func (s *Store) Close() error { return s.db.Close() }

func (s *Store) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	r.Rev = 1
	err := s.update(ctx, func(t tables) error {
		if t.requests.Get([]byte(r.ID)) != nil {
			return handle.ErrExists
		}
		return t.put(r)
	})
	if err != nil {
		return handle.Request{}, fmt.Errorf("couldn't create request %s: %w", r.ID, err)
	}
	return r, nil
}

func (s *Store) Load(ctx context.Context, id string) (r handle.Request, err error) {
	err = s.view(ctx, func(t tables) error {
		r, err = t.get(id)
		return err
	})
	if err != nil {
		return handle.Request{}, fmt.Errorf("couldn't load request %q: %w", id, err)
	}
	return r, nil
}

func (s *Store) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	err := s.update(ctx, func(t tables) error {
		old, err := t.get(r.ID)
		if err != nil {
			return err
		}
		if old.Rev != r.Rev {
			return handle.ErrConflict
		}
		if err := t.unlist(old); err != nil {
			return err
		}
		r.Rev++
		return t.put(r)
	})
	if err != nil {
		return handle.Request{}, fmt.Errorf("couldn't replace request %s: %w", r.ID, err)
	}
	return r, nil
}

func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	ids := []string{}
	err := s.view(ctx, func(t tables) error {
		end, c := stamp(now), t.due.Cursor()
		for key, _ := c.First(); key != nil && len(ids) < limit && bytes.Compare(key[:len(end)], end) <= 0; key, _ = c.Next() {
			ids = append(ids, listedID(key))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't list what is due: %w", err)
	}
	return ids, nil
}

// OfStack needs no index: the IDs of one stack's requests begin alike.
func (s *Store) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	var list []handle.Request
	err := s.view(ctx, func(t tables) error {
		prefix, c := []byte(handle.StackKey(stackID)+"-"), t.requests.Cursor()
		for key, value := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, value = c.Next() {
			r, err := handle.Decode(value)
			if err != nil {
				return err
			}
			if r.Stack.ID == stackID {
				list = append(list, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't list the requests of stack %s: %w", stackID, err)
	}
	return list, nil
}

// pageSize is how many requests Since reads in one transaction.
const pageSize = 100

// Since yields between transactions, not within one: whoever loops may write,
// and may take their time.
func (s *Store) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return func(yield func(handle.Request, error) bool) {
		for from := stamp(t); from != nil; {
			list, next, err := s.page(ctx, from)
			if err != nil {
				yield(handle.Request{}, fmt.Errorf("couldn't list the requests since %v: %w", t, err))
				return
			}
			for _, r := range list {
				if !yield(r, nil) {
					return
				}
			}
			from = next
		}
	}
}

// page reads requests in order of creation, beginning with key from. next is
// where the next page begins, nil if there is none.
func (s *Store) page(ctx context.Context, from []byte) (list []handle.Request, next []byte, err error) {
	err = s.view(ctx, func(t tables) error {
		c := t.created.Cursor()
		for key, _ := c.Seek(from); key != nil; key, _ = c.Next() {
			if len(list) == pageSize {
				next = bytes.Clone(key)
				return nil
			}
			r, err := t.get(listedID(key))
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		return nil
	})
	return list, next, err
}

// update runs do in a transaction that is on disk when update returns nil, and
// that never was when it does not.
func (s *Store) update(ctx context.Context, do func(tables) error) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return within(ctx, tx, do) })
}

func (s *Store) view(ctx context.Context, do func(tables) error) error {
	return s.db.View(func(tx *bbolt.Tx) error { return within(ctx, tx, do) })
}

// within asks ctx in the transaction, because others' may have kept it waiting.
func within(ctx context.Context, tx *bbolt.Tx, do func(tables) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return do(open(tx))
}
