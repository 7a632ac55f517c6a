// Package bolt keeps requests in one local file, with [go.etcd.io/bbolt]. It is
// the store for an installation on one machine: only one process at a time can
// open the file.
//
// The file holds the decisions and the wait URLs, so protect it. It is created
// readable by its owner only.
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

// Store is a [handle.Store] in one file. Every method except Since is one
// transaction, and a write is on disk before it returns.
type Store struct{ db *bbolt.DB }

var _ handle.Store = (*Store)(nil)

// Errors of Open.
var (
	ErrLocked   = errors.New("another process has the file open")
	ErrNotStore = errors.New("the file is not a Countersign store")
)

// lockTimeout is how long Open waits for another process to close the file, as
// when a new release replaces an old one.
const lockTimeout = time.Second

// minSize is the size in bytes of the smallest bbolt file: four pages.
const minSize = 4 * 4096

// Open opens the store in the file at path and creates the file if it does not
// exist. The error is ErrLocked if another process has the file open, and
// ErrNotStore if it is not a Countersign store; Open does not change such a file.
func Open(path string) (*Store, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() > 0 && info.Size() < minSize {
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

// prepare creates the buckets of a new file, or checks those of an old one.
func prepare(db *bbolt.DB) error {
	if err := db.Update(createBuckets); err != nil {
		return err
	}
	return syncDirectory(db.Path())
}

// syncDirectory makes the name of a new file durable; bbolt syncs only the content.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil // which cannot sync a directory and need not
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Close closes the file. It waits for calls in progress.
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
			ids = append(ids, indexID(key))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't list what is due: %w", err)
	}
	return ids, nil
}

// OfStack needs no index: the IDs of one stack's requests have a common prefix.
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

// Grants checks each request that the index lists: a release that computed another
// GrantKey for it may have written the index.
func (s *Store) Grants(ctx context.Context, digest string) ([]handle.Request, error) {
	var list []handle.Request
	err := s.view(ctx, func(t tables) error {
		if digest == "" {
			return nil
		}
		prefix, c := []byte(digest), t.grants.Cursor()
		for key, _ := c.Seek(prefix); bytes.HasPrefix(key, prefix) && len(list) < handle.MaxGrants; key, _ = c.Next() {
			id := string(key[len(prefix):])
			if _, _, ok := handle.SplitID(id); !ok {
				continue // digest is the beginning of a longer one
			}
			r, err := t.get(id)
			if err != nil {
				return err
			}
			if r.GrantKey() == digest {
				list = append(list, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't list the grants of content %s: %w", digest, err)
	}
	return list, nil
}

// Open makes the summaries of the requests that the index lists: a release with other
// summaries may have written the index.
func (s *Store) Open(ctx context.Context, after string, limit int) (page []handle.Summary, next string, err error) {
	err = s.view(ctx, func(t tables) error {
		var from []byte
		if after != "" {
			deadline, id, err := handle.ParseCursor(after)
			if err != nil {
				return err
			}
			from = append(indexKey(deadline, id), 0) // the first key after it
		}
		c := t.open.Cursor()
		for key, _ := c.Seek(from); key != nil; key, _ = c.Next() {
			if len(page) >= limit {
				next = after
				return nil
			}
			r, err := t.get(indexID(key))
			if err != nil {
				return err
			}
			if summary, ok := r.Summary(); ok {
				page, after = append(page, summary), summary.Cursor()
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("couldn't list the open requests: %w", err)
	}
	return page, next, nil
}

// pageSize is how many requests Since reads in one transaction.
const pageSize = 100

// Since reads each page in a transaction of its own and yields outside of it, so
// the caller may write within the loop and may take long.
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

// page reads requests in order of creation, starting at the key from. next is the
// key at which the next page starts, or nil.
func (s *Store) page(ctx context.Context, from []byte) (list []handle.Request, next []byte, err error) {
	err = s.view(ctx, func(t tables) error {
		c := t.created.Cursor()
		for key, _ := c.Seek(from); key != nil; key, _ = c.Next() {
			if len(list) == pageSize {
				next = bytes.Clone(key)
				return nil
			}
			r, err := t.get(indexID(key))
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		return nil
	})
	return list, next, err
}

// update runs do in a transaction: on disk if update returns nil, otherwise rolled
// back.
func (s *Store) update(ctx context.Context, do func(tables) error) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return run(ctx, tx, do) })
}

func (s *Store) view(ctx context.Context, do func(tables) error) error {
	return s.db.View(func(tx *bbolt.Tx) error { return run(ctx, tx, do) })
}

// run checks ctx within the transaction, because waiting for it can take long.
func run(ctx context.Context, tx *bbolt.Tx, do func(tables) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return do(open(tx))
}
