package bolt_test

import (
	"compress/gzip"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"countersign/handle"
	"countersign/handle/handletest"
)

// testdata/store-v1.db.gz was written by an earlier release and holds two
// requests, one of them replaced once. Installations have such files, so never
// regenerate it.
func TestFileOfEarlierReleaseOpens(t *testing.T) {
	const early, late = "vm2yyvcf8znfqyt9-c75nrw9a", "9d7698w6yqhuzcrp-zt39tjwz"
	s := open(t, unzip(t, "testdata/store-v1.db.gz"))
	ctx := t.Context()

	r, err := s.Load(ctx, late)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rev != 1 || r.State() != handle.Rejected || r.Delivered["mail/asked"].At.IsZero() || r.Attempts["tell/ended"].Count != 2 || r.WaitURL.IsZero() {
		t.Errorf("got revision %d, %s, delivered %v, attempts %v, wait URL %t", r.Rev, r.State(), r.Delivered, r.Attempts, !r.WaitURL.IsZero())
	}

	wantDue := []string{early, late} // at 08:00:00 and 10:10:30
	if ids, err := s.Due(ctx, time.Date(2026, 11, 23, 10, 10, 31, 0, time.UTC), 10); err != nil || !slices.Equal(ids, wantDue) {
		t.Errorf("Due: got %v and error %v, want %v", ids, err, wantDue)
	}
	var created []string
	for r, err := range s.Since(ctx, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		created = append(created, r.ID)
	}
	if want := []string{early, late}; !slices.Equal(created, want) {
		t.Errorf("Since: got %v, want %v", created, want)
	}
	list, err := s.OfStack(ctx, r.Stack.ID)
	if err != nil || len(list) != 1 || list[0].ID != late {
		t.Errorf("OfStack: got %d requests and error %v, want %s", len(list), err, late)
	}

	// The file has no buckets for open requests: they are filled when it is opened.
	page, next, err := s.Open(ctx, "", 10)
	if err != nil || next != "" || len(page) != 1 || page[0].ID != early || page[0].Kind != handle.OpenPending {
		t.Errorf("Open: got %+v, next %q and error %v, want %s", page, next, err, early)
	}

	first, err := s.Load(ctx, early)
	if err != nil || first.Rev != 2 || first.Purpose != "replaced once" {
		t.Fatalf("got revision %d, purpose %q and error %v, want revision 2", first.Rev, first.Purpose, err)
	}
	// The file has no buckets for grants.
	granted, err := s.Create(ctx, handletest.Request(1, first.CreatedAt, handletest.WithGrant("granted")))
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.Grants(ctx, granted.GrantKey()); err != nil || len(list) != 1 || list[0].ID != granted.ID {
		t.Errorf("Grants: got %d requests and error %v, want %s", len(list), err, granted.ID)
	}

	first, err = s.Replace(ctx, first.Withdraw("the stack was deleted", first.CreatedAt))
	if err != nil || first.Rev != 3 {
		t.Errorf("Replace: got revision %d and error %v, want revision 3", first.Rev, err)
	}
}

// unzip writes the content of a gzip file to a temporary file.
func unzip(t *testing.T, name string) (path string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path = newPath(t)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
