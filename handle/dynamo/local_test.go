package dynamo_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"countersign/handle"
	"countersign/handle/dynamo"
)

const (
	endpointEnv = "COUNTERSIGN_DYNAMODB" // URL of a DynamoDB Local; .ci/with-dynamodb sets it
	peersEnv    = "COUNTERSIGN_PEERS"    // if "required", tests fail rather than skip
)

// local returns the configuration for the DynamoDB Local in COUNTERSIGN_DYNAMODB.
// Without one the test is skipped, or fails if COUNTERSIGN_PEERS requires it.
func local(t testing.TB) aws.Config {
	t.Helper()
	endpoint := os.Getenv(endpointEnv)
	if endpoint == "" && os.Getenv(peersEnv) == "required" {
		t.Fatalf("%s is not set: run the tests with .ci/with-dynamodb", endpointEnv)
	}
	if endpoint == "" {
		t.Skipf("%s is not set: to run this test, run .ci/peers and then .ci/with-dynamodb go test ./...", endpointEnv)
	}
	cfg := testConfig
	cfg.Region, cfg.BaseEndpoint = "us-east-1", aws.String(endpoint)
	return cfg
}

// slowClient waits for slow machines: a write that timed out and was repeated
// would conflict with itself. It hides the WriteTo method of request bodies, so
// that the SDK reads whole responses (aws-sdk-go-v2#2737).
func slowClient() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Body != nil {
			req = req.Clone(req.Context())
			req.Body = struct{ io.ReadCloser }{req.Body}
		}
		return http.DefaultTransport.RoundTrip(req)
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// newTable creates a table that is deleted at the end of the test.
func newTable(t testing.TB, cfg aws.Config) (name string) {
	t.Helper()
	name = "requests-" + rand.Text()
	client := dynamodb.NewFromConfig(cfg)
	out, err := client.CreateTable(t.Context(), dynamo.Table(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := client.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: aws.String(name)})
		if err != nil {
			t.Error(err)
		}
	})
	if out.TableDescription.TableStatus != types.TableStatusActive {
		t.Fatalf("the new table is %s", out.TableDescription.TableStatus)
	}
	return name
}

// seed writes the requests first to last-1 in batches, faster than with Create.
func seed(t testing.TB, cfg aws.Config, table string, first, last int, request func(n int) handle.Request) {
	t.Helper()
	client := dynamodb.NewFromConfig(cfg)
	const batch = 25 // the most that BatchWriteItem takes
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(4)
	for ; first < last; first += batch {
		var puts []types.WriteRequest
		for n := first; n < min(first+batch, last); n++ {
			item, err := dynamo.Marshal(request(n))
			if err != nil {
				t.Fatal(err)
			}
			puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
		}
		group.Go(func() error {
			out, err := client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: puts}})
			if err == nil && len(out.UnprocessedItems) > 0 {
				err = fmt.Errorf("%d items were left unwritten", len(out.UnprocessedItems[table]))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}
