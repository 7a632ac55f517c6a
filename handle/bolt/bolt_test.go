package bolt_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"countersign/handle"
	"countersign/handle/bolt"
	"countersign/handle/handletest"
)

var at = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func TestStore(t *testing.T) {
	handletest.TestStore(t, func(t *testing.T) handle.Store { return open(t, newPath(t)) })
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "requests.db") }

// open opens the file at path until the end of the test.
func open(t *testing.T, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// edit changes the file at path with bbolt itself. do gets the store's top bucket.
func edit(t *testing.T, path string, do func(root *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bbolt.Tx) error { return do(tx.Bucket([]byte("countersign"))) }); err != nil {
		t.Fatal(err)
	}
}

func TestReopenedFileHasTheSameRequests(t *testing.T) {
	ctx, path := t.Context(), newPath(t)
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Create(ctx, handletest.Request(1, at))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(ctx, want.ID); err == nil || errors.Is(err, handle.ErrNotFound) {
		t.Errorf("Load after Close: got error %v, want one that is not %v", err, handle.ErrNotFound)
	}

	s = open(t, path)
	got, err := s.Load(ctx, want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := handletest.Diff(want, got); d != "" {
		t.Errorf("the request differs after the file was opened again (-want +got):\n%s", d)
	}
	if ids, err := s.Due(ctx, at, 10); err != nil || !slices.Equal(ids, []string{want.ID}) {
		t.Errorf("Due: got %v and error %v, want %s", ids, err, want.ID)
	}
}

// The file holds wait URLs.
func TestFileIsReadableByOwnerOnly(t *testing.T) {
	path := newPath(t)
	open(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), fs.FileMode(0o600); got != want {
		t.Errorf("mode: got %v, want %v", got, want)
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.db")
	db, err := bbolt.Open(other, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("of another program"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	otherContent, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"a byte":                     "\x00",
		"text":                       "channel: C0APPROVALS\n",
		"text of a page":             strings.Repeat("0123456789abcdef", 256),
		"long text":                  strings.Repeat("0123456789abcdef", 10000),
		"zeros":                      strings.Repeat("\x00", 1<<16),
		"another program's database": string(otherContent),
	} {
		path := newPath(t)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := bolt.Open(path); !errors.Is(err, bolt.ErrNotStore) {
			t.Errorf("%s: got error %v, want %v", name, err, bolt.ErrNotStore)
		}
		after, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(after) != content {
			t.Errorf("%s: Open changed the file", name)
		}
	}
}

func TestOpenReturnsPathErrors(t *testing.T) {
	for name, path := range map[string]string{
		"a directory":            t.TempDir(),
		"in a missing directory": filepath.Join(t.TempDir(), "missing", "requests.db"),
	} {
		var pathError *fs.PathError
		if _, err := bolt.Open(path); !errors.As(err, &pathError) {
			t.Errorf("%s: got error %v, want an *fs.PathError", name, err)
		}
	}
}

func TestOpenRefusesLaterLayout(t *testing.T) {
	path := newPath(t)
	if s, err := bolt.Open(path); err != nil || s.Close() != nil {
		t.Fatal(err)
	}
	edit(t, path, func(root *bbolt.Bucket) error { return root.Put([]byte("layout"), []byte("2")) })
	if s, err := bolt.Open(path); err == nil {
		s.Close()
		t.Error("Open of a later layout: got no error")
	}
}

// A release that computes another NextDue for a stored request must still find and
// remove its old index entry. The test changes the stored value behind the index.
func TestReplaceFindsIndexEntryOfAnotherNextDue(t *testing.T) {
	ctx, path := t.Context(), newPath(t)
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Create(ctx, handletest.Request(1, at))
	if err != nil || s.Close() != nil {
		t.Fatal(err)
	}
	later := r
	later.Terms.Channel = ""
	later.Delivered = map[string]handle.Delivery{"mail/asked": {At: at}}
	if later.NextDue().Equal(r.NextDue()) {
		t.Fatal("NextDue does not differ")
	}
	value, err := handle.Encode(later)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, path, func(root *bbolt.Bucket) error { return root.Bucket([]byte("requests")).Put([]byte(r.ID), value) })

	s = open(t, path)
	if _, err := s.Replace(ctx, later); err != nil {
		t.Fatal(err)
	}
	if ids, err := s.Due(ctx, at, 10); err != nil || len(ids) != 0 {
		t.Errorf("Due at the old time: got %v and error %v, want none", ids, err)
	}
	if ids, err := s.Due(ctx, later.NextDue(), 10); err != nil || !slices.Equal(ids, []string{r.ID}) {
		t.Errorf("Due at the new time: got %v and error %v, want %s once", ids, err, r.ID)
	}
}

// A release that computes another GrantKey for a stored request must not list it under
// the old one, and must still find and remove its old index entry.
func TestReplaceFindsIndexEntryOfAnotherGrantKey(t *testing.T) {
	ctx, path := t.Context(), newPath(t)
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Create(ctx, handletest.Request(1, at, handletest.WithGrant("old")))
	if err != nil || s.Close() != nil {
		t.Fatal(err)
	}
	changed := r.Clone()
	changed.Content.Template = handle.TemplateDigest("new")
	value, err := handle.Encode(changed)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, path, func(root *bbolt.Bucket) error { return root.Bucket([]byte("requests")).Put([]byte(r.ID), value) })

	s = open(t, path)
	if list, err := s.Grants(ctx, r.GrantKey()); err != nil || len(list) != 0 {
		t.Errorf("Grants by the old key: got %d requests and error %v, want none", len(list), err)
	}
	next, err := s.Replace(ctx, changed)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.Grants(ctx, next.GrantKey()); err != nil || len(list) != 1 || list[0].Rev != next.Rev {
		t.Errorf("Grants by the new key: got %d requests and error %v, want one", len(list), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, path, func(root *bbolt.Bucket) error {
		for _, bucket := range []string{"grants", "granted"} {
			if n := root.Bucket([]byte(bucket)).Stats().KeyN; n != 1 {
				t.Errorf("the bucket %s has %d keys, want one", bucket, n)
			}
		}
		return nil
	})
}

// A request that cannot be decoded is an error, not a missing request or a shorter
// list.
func TestDamagedRequestIsAnError(t *testing.T) {
	ctx, path := t.Context(), newPath(t)
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Create(ctx, handletest.Request(1, at, handletest.WithGrant("damaged")))
	if err != nil || s.Close() != nil {
		t.Fatal(err)
	}
	edit(t, path, func(root *bbolt.Bucket) error {
		return root.Bucket([]byte("requests")).Put([]byte(r.ID), []byte(`{"v":1,`))
	})
	s = open(t, path)
	_, errLoad := s.Load(ctx, r.ID)
	_, errReplace := s.Replace(ctx, r)
	_, errCreate := s.Create(ctx, r)
	_, errOfStack := s.OfStack(ctx, r.Stack.ID)
	_, errGrants := s.Grants(ctx, r.GrantKey())
	var errSince error
	for _, errSince = range s.Since(ctx, at) {
	}
	for method, err := range map[string]error{"Load": errLoad, "Replace": errReplace, "OfStack": errOfStack, "Grants": errGrants, "Since": errSince} {
		if err == nil || errors.Is(err, handle.ErrNotFound) || errors.Is(err, handle.ErrConflict) {
			t.Errorf("%s of a damaged request: got error %v", method, err)
		}
	}
	if !errors.Is(errCreate, handle.ErrExists) {
		t.Errorf("Create over a damaged request: got error %v, want %v", errCreate, handle.ErrExists)
	}
}

func TestCreateRefusesInvalidIDs(t *testing.T) {
	s := open(t, newPath(t))
	for _, id := range []string{"", "request-1", strings.Repeat("a", 100)} {
		r := handletest.Request(1, at, func(r *handle.Request) { r.ID = id })
		if _, err := s.Create(t.Context(), r); err == nil {
			t.Errorf("Create of request %q: got no error", id)
		}
	}
	for r, err := range s.Since(t.Context(), time.Time{}) {
		t.Errorf("stored: %s, error %v", r.ID, err)
	}
}

// The times are those at which bytes of a stamp overflow or change sign.
func TestSinceSortsByTime(t *testing.T) {
	s := open(t, newPath(t))
	var want []string
	for i, created := range []time.Time{
		{},
		time.Date(1901, 12, 13, 20, 45, 51, 0, time.UTC),
		time.Unix(-1, 999999999),
		time.Unix(0, 0),
		time.Unix(0, 1),
		time.Unix(255, 0),
		time.Unix(256, 0),
		time.Unix(1<<31-1, 999999999),
		time.Unix(1<<31, 0),
		time.Date(2262, 4, 11, 23, 47, 17, 0, time.UTC), // the last that UnixNano can represent
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		r := handletest.Request(i, at, func(r *handle.Request) { r.CreatedAt = created })
		if _, err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint(created.UTC()))
	}
	var got []string
	for r, err := range s.Since(t.Context(), time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(r.CreatedAt.UTC()))
	}
	if !slices.Equal(got, want) {
		t.Errorf("Since: got %v, want %v", got, want)
	}
}
