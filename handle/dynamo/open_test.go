package dynamo_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

// openRequest is the n-th request of a table: the first twenty are open, the others
// decided. It is small, for speed.
func openRequest(n int) handle.Request {
	stackID := fmt.Sprintf("arn:aws:cloudformation:us-east-1:111122223333:stack/open/%d", n)
	r := handle.Request{
		ID: handle.NewID(stackID, "ApprovalRequest", "open"), CreatedAt: at, Stack: handle.Stack{ID: stackID},
		Terms: handle.Terms{Deadline: at.Add(time.Duration(n+1) * time.Second), Approvers: []string{"U0APPROVER1"}, Approvals: 1},
	}
	if n >= 20 {
		handletest.WithNothingDue(&r)
	}
	return r
}

// openUnits returns the read capacity units of one call that finds a page of ten.
func openUnits(t testing.TB, m *meter, s *dynamo.Store) float64 {
	t.Helper()
	before := m.units
	page, next, err := s.Open(t.Context(), "", 10)
	if err != nil || len(page) != 10 || next == "" {
		t.Fatalf("Open: got %d requests, next %q and error %v, want ten and more", len(page), next, err)
	}
	for n, s := range page {
		if s.ID != openRequest(n).ID {
			t.Fatalf("request %d is %s, want %s", n, s.ID, openRequest(n).ID)
		}
	}
	return m.units - before
}

func TestOpenCostDoesNotGrowWithTheTable(t *testing.T) {
	t.Parallel()
	cfg, m := local(t), new(meter)
	table := newTable(t, cfg)
	metered := cfg
	m.install(&metered)
	s := dynamo.New(metered, slowClient(), table)
	seed(t, cfg, table, 0, 1_000, openRequest)
	few := openUnits(t, m, s)
	seed(t, cfg, table, 1_000, 10_000, openRequest)
	many := openUnits(t, m, s)
	if few <= 0 || few != many {
		t.Errorf("read capacity units: got %v with 1,000 requests stored and %v with 10,000, want the same", few, many)
	}
	if few > 2 {
		t.Errorf("read capacity units: got %v for a page of ten, want at most 2", few)
	}
}

// BenchmarkOpen reports the read capacity units (RCU) of a page of ten.
func BenchmarkOpen(b *testing.B) {
	for _, stored := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("dynamo/stored=%d", stored), func(b *testing.B) {
			cfg, m := local(b), new(meter)
			table := newTable(b, cfg)
			metered := cfg
			m.install(&metered)
			s := dynamo.New(metered, slowClient(), table)
			seed(b, cfg, table, 0, stored, openRequest)
			n, units := 0, 0.0
			for b.Loop() {
				units += openUnits(b, m, s)
				n++
			}
			b.ReportMetric(units/float64(n), "RCU/op")
		})
	}
}

// The table of an earlier release has no index of open requests until the upgrade has
// added it.
func TestOpenOfTableWithoutIndex(t *testing.T) {
	cfg := local(t)
	table, createIndex := newTableWithoutIndex(t, cfg, "Open")
	s := dynamo.New(cfg, slowClient(), table)
	r, err := s.Create(t.Context(), handletest.Request(1, at))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Open(t.Context(), "", 10); !errors.Is(err, handle.ErrNoIndex) {
		t.Errorf("without the index: got error %v, want %v", err, handle.ErrNoIndex)
	}
	createIndex()
	eventually(t, "the index lists the request", func() bool {
		page, _, err := s.Open(t.Context(), "", 10)
		return err == nil && len(page) == 1 && page[0].ID == r.ID
	})
}

func TestOpenErrors(t *testing.T) {
	for name, want := range map[string]error{
		"ValidationException":       handle.ErrNoIndex, // the table does not have the index, or DynamoDB is creating it
		"ResourceNotFoundException": nil,
		"AccessDeniedException":     nil,
	} {
		s, _ := newFake(t, failure(name, ""))
		if _, _, err := s.Open(t.Context(), "", 10); err == nil || want != nil && !errors.Is(err, want) || want == nil && errors.Is(err, handle.ErrNoIndex) {
			t.Errorf("%s: got error %v, want %v", name, err, want)
		}
	}
	s, fake := newFake(t, failure("ValidationException", ""))
	if _, _, err := s.Open(t.Context(), "x", 10); !errors.Is(err, handle.ErrCursor) || len(fake.calls) != 0 {
		t.Errorf("a bad cursor: got error %v by %d calls", err, len(fake.calls))
	}
}

// Only the items of open requests have the attributes and are in the index. What it
// projects must not have the wait URL.
func TestItemHasSummaryWhileOpen(t *testing.T) {
	for name, r := range map[string]handle.Request{
		"pending": handletest.Request(1, at),
		"granted": handletest.Request(1, at, handletest.WithGrant("granted")),
		"closed":  handletest.Request(1, at).Withdraw("x", at),
		"lapsed":  handletest.Request(1, at, handletest.WithGrant("granted")).LapseGrant(at.AddDate(1, 0, 0)),
	} {
		item, err := dynamo.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		open := name == "pending" || name == "granted"
		for _, attribute := range []string{"OpenKey", "OpenUntil", "OpenEntry"} {
			if _, ok := item[attribute]; ok != open {
				t.Errorf("%s: the attribute %s is %v", name, attribute, item[attribute])
			}
		}
		if entry, ok := item["OpenEntry"].(*types.AttributeValueMemberS); ok && len(entry.Value) > 2000 {
			t.Errorf("%s: the summary has %d bytes", name, len(entry.Value))
		}
	}
}
