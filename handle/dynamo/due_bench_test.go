package dynamo_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"countersign/handle"
	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

// meter adds up the read capacity units that DynamoDB reports.
type meter struct{ units float64 }

// install makes the meter count every Query of clients created from cfg.
func (m *meter) install(cfg *aws.Config) {
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meter", m.measure), middleware.Before)
	})
}

func (m *meter) measure(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	query, ok := in.Parameters.(*dynamodb.QueryInput)
	if ok {
		query.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	}
	out, metadata, err := next.HandleInitialize(ctx, in)
	if result, ok := out.Result.(*dynamodb.QueryOutput); ok && result.ConsumedCapacity != nil {
		m.units += aws.ToFloat64(result.ConsumedCapacity.CapacityUnits)
	}
	return out, metadata, err
}

// dueTable is a table in which ten requests are due, among any number of others.
type dueTable struct {
	cfg   aws.Config
	meter meter
	name  string
	store *dynamo.Store
	want  []string
}

func newDueTable(t testing.TB) *dueTable {
	t.Helper()
	d := &dueTable{cfg: local(t)}
	d.name = newTable(t, d.cfg)
	metered := d.cfg
	d.meter.install(&metered)
	d.store = dynamo.New(metered, slowClient(), d.name)
	d.want = make([]string, 10)
	for n := range d.want {
		d.want[n] = dueRequest(n).ID
	}
	return d
}

// dueRequest is the n-th request of a dueTable: the first ten are due at `at`,
// every hundredth later, and the others never. It is small, for speed; the index
// has only keys anyway.
func dueRequest(n int) handle.Request {
	stackID := fmt.Sprintf("arn:aws:cloudformation:us-east-1:111122223333:stack/due/%d", n)
	r := handle.Request{
		ID:        handle.NewID(stackID, "ApprovalRequest", "due"),
		CreatedAt: at.Add(-time.Hour),
		Stack:     handle.Stack{ID: stackID},
	}
	switch {
	case n < 10:
		handletest.WithNextDue(at.Add(time.Duration(n - 10)))(&r)
	case n%100 == 0:
		handletest.WithNextDue(at.Add(time.Duration(n) * time.Second))(&r)
	default:
		handletest.WithNothingDue(&r)
	}
	return r
}

// units returns the read capacity units of one call that finds the ten.
func (d *dueTable) units(t testing.TB) float64 {
	t.Helper()
	before := d.meter.units
	ids, err := d.store.Due(t.Context(), at, 100)
	if err != nil || !slices.Equal(ids, d.want) {
		t.Fatalf("Due: got %v and error %v, want %v", ids, err, d.want)
	}
	return d.meter.units - before
}

func TestDueCostDoesNotGrowWithTheTable(t *testing.T) {
	t.Parallel()
	d := newDueTable(t)
	seed(t, d.cfg, d.name, 0, 1_000, dueRequest)
	few := d.units(t)
	seed(t, d.cfg, d.name, 1_000, 10_000, dueRequest)
	many := d.units(t)
	if few <= 0 || few != many {
		t.Errorf("read capacity units: got %v with 1,000 requests stored and %v with 10,000, want the same", few, many)
	}
	if few > 1 {
		t.Errorf("read capacity units: got %v to find ten requests, want at most 1", few)
	}
}

// BenchmarkDue reports the read capacity units (RCU) of one call of Due, which
// determine its price. The time is that of DynamoDB Local.
func BenchmarkDue(b *testing.B) {
	for _, stored := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("dynamo/stored=%d", stored), func(b *testing.B) {
			d := newDueTable(b)
			seed(b, d.cfg, d.name, 0, stored, dueRequest)
			n, units := 0, 0.0
			for b.Loop() {
				units += d.units(b)
				n++
			}
			b.ReportMetric(units/float64(n), "RCU/op")
		})
	}
}
