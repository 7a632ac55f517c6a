package dynamo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

// The table of an earlier release has no index of grants until the upgrade has added
// it. Then it lists what was written before, too.
func TestGrantsOfTableWithoutIndex(t *testing.T) {
	cfg := local(t)
	table, createIndex := newTableWithoutIndex(t, cfg, "Grants")
	s := dynamo.New(cfg, slowClient(), table)
	r, err := s.Create(t.Context(), handletest.Request(1, at, handletest.WithGrant("granted")))
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.Grants(t.Context(), r.GrantKey()); err != nil || len(list) != 0 {
		t.Errorf("without the index: got %d requests and error %v, want none", len(list), err)
	}

	createIndex()
	eventually(t, "the index lists the grant", func() bool {
		list, err := s.Grants(t.Context(), r.GrantKey())
		return err == nil && len(list) == 1 && list[0].ID == r.ID
	})
}

// newTableWithoutIndex creates a table like that of an earlier release, without an index.
// createIndex adds the index and waits until it is active. Queries of an index that is
// being created fail in DynamoDB Local with an internal error, and on AWS with a
// ValidationException: see TestGrantsErrors.
func newTableWithoutIndex(t *testing.T, cfg aws.Config, name string) (table string, createIndex func()) {
	t.Helper()
	table, client := newTable(t, cfg), dynamodb.NewFromConfig(cfg)
	update := func(change types.GlobalSecondaryIndexUpdate) {
		t.Helper()
		_, err := client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{
			TableName: aws.String(table), AttributeDefinitions: dynamo.Table(table).AttributeDefinitions,
			GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{change},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	update(types.GlobalSecondaryIndexUpdate{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: &name}})
	eventually(t, "the index is deleted", func() bool { return indexStatus(t, client, table, name) == "" })
	return table, func() {
		t.Helper()
		definitions := dynamo.Table(table).GlobalSecondaryIndexes
		index := definitions[slices.IndexFunc(definitions, func(i types.GlobalSecondaryIndex) bool { return *i.IndexName == name })]
		update(types.GlobalSecondaryIndexUpdate{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: &name, KeySchema: index.KeySchema, Projection: index.Projection}})
		eventually(t, "the index is active", func() bool { return indexStatus(t, client, table, name) == types.IndexStatusActive })
	}
}

// indexStatus returns the status of an index; empty if there is none.
func indexStatus(t *testing.T, client *dynamodb.Client, table, name string) types.IndexStatus {
	t.Helper()
	out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(table)})
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range out.Table.GlobalSecondaryIndexes {
		if *index.IndexName == name {
			return index.IndexStatus
		}
	}
	return ""
}

// eventually waits until holds returns true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestGrantsErrors(t *testing.T) {
	digest := handletest.Request(1, at, handletest.WithGrant("granted")).GrantKey()
	for name, want := range map[string]bool{
		"ValidationException":       false, // the table does not have the index, or DynamoDB is creating it
		"ResourceNotFoundException": true,
		"AccessDeniedException":     true,
	} {
		s, _ := newFake(t, failure(name, ""))
		if list, err := s.Grants(t.Context(), digest); len(list) != 0 || (err != nil) != want {
			t.Errorf("%s: got %d requests and error %v, want an error: %t", name, len(list), err, want)
		}
	}

	// An invalid read of the requests that the index lists is an error.
	s, _ := newFake(t, response{200, `{"Items":[{` + keysOf(handletest.Request(1, at)) + `}]}`}, failure("ValidationException", ""))
	if _, err := s.Grants(t.Context(), digest); err == nil {
		t.Error("ValidationException of BatchGetItem: got no error")
	}

	s, fake := newFake(t, failure("ValidationException", ""))
	if list, err := s.Grants(t.Context(), ""); err != nil || len(list) != 0 || len(fake.calls) != 0 {
		t.Errorf("Grants of no content: got %d requests and error %v by %d calls, want nothing and no call", len(list), err, len(fake.calls))
	}
}

// The index lags behind writes: it may list a request whose grant has been used.
func TestGrantsLeavesOutStaleIndexEntries(t *testing.T) {
	given := handletest.Request(1, at, handletest.WithGrant("granted"))
	digest := given.GrantKey()
	used, ok := handletest.Request(2, at, handletest.WithGrant("granted")).UseGrant("another", given.Grant.At)
	if !ok {
		t.Fatal("the grant cannot be used")
	}
	s, fake := newFake(t,
		response{200, `{"Items":[{` + keysOf(used) + `},{` + keysOf(given) + `}]}`},
		response{200, `{"Responses":{"requests":[` + itemOf(t, used) + `,` + itemOf(t, given) + `]}}`})
	list, err := s.Grants(t.Context(), digest)
	if err != nil || len(list) != 1 || list[0].ID != given.ID {
		t.Errorf("got %d requests and error %v, want %s", len(list), err, given.ID)
	}
	if len(fake.calls) != 2 || !strings.Contains(fake.calls[1].raw, `"ConsistentRead":true`) {
		t.Errorf("got %d calls, want a query and a consistent read", len(fake.calls))
	}
}

func TestGrantsIsBounded(t *testing.T) {
	r := handletest.Request(1, at, handletest.WithGrant("granted"))
	keys := strings.TrimSuffix(strings.Repeat(`{`+keysOf(r)+`},`, 25), ",")
	var responses []response
	for range 10 {
		responses = append(responses,
			response{200, `{"Items":[` + keys + `],"LastEvaluatedKey":{` + keysOf(r) + `}}`},
			response{200, `{"Responses":{"requests":[` + itemOf(t, r) + `]}}`})
	}
	s, fake := newFake(t, responses...)
	if _, err := s.Grants(t.Context(), r.GrantKey()); err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, c := range fake.calls {
		if c.operation == "Query" {
			queries++
			if c.body["Limit"] != 25.0 {
				t.Errorf("a query has limit %v, want 25", c.body["Limit"])
			}
		}
	}
	if want := handle.MaxGrants / 25; queries != want {
		t.Errorf("made %d queries, want %d", queries, want)
	}
}

// Only the items of given, open grants have the attribute and are in the index.
func TestItemHasGrantKeyWhileGrantIsOpen(t *testing.T) {
	given := handletest.Request(1, at, handletest.WithGrant("granted"))
	for name, r := range map[string]handle.Request{
		"given":    given,
		"lapsed":   given.LapseGrant(given.Grant.Until),
		"no grant": handletest.Request(1, at),
	} {
		item, err := dynamo.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		value, ok := item["GrantKey"].(*types.AttributeValueMemberS)
		if ok != (name == "given") || ok && value.Value != given.Content.Digest() {
			t.Errorf("%s: the attribute GrantKey is %v", name, fmt.Sprint(item["GrantKey"]))
		}
	}
}
