package dynamo

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
)

// pageSize is how many requests Since and Grants read at once. Even the largest requests then
// fit into the 16 MB of one BatchGetItem response.
const pageSize = 25

// pagesSince yields the requests created at or after t, oldest first, in pages.
func (s *Store) pagesSince(ctx context.Context, t time.Time) iter.Seq2[[]handle.Request, error] {
	return func(yield func([]handle.Request, error) bool) {
		query, err := s.query(expression.Key(kind).Equal(expression.Value(requestKind)).And(expression.Key(createdAt).GreaterThanEqual(expression.Value(stamp(t)))))
		if err != nil {
			yield(nil, err)
			return
		}
		query.IndexName = aws.String(indexCreated)
		query.Limit = aws.Int32(pageSize)
		for pages := dynamodb.NewQueryPaginator(s.client, query); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			list, err := s.fetch(ctx, page.Items)
			if !yield(list, err) || err != nil {
				return
			}
		}
	}
}

// fetch reads the requests that index items point to, in their order.
func (s *Store) fetch(ctx context.Context, listed []map[string]types.AttributeValue) ([]handle.Request, error) {
	var ids []string
	var keys []map[string]types.AttributeValue
	for _, it := range listed {
		id, err := unmarshalID(it)
		if err != nil {
			return nil, err
		}
		key, ok := keyOf(id)
		if !ok {
			return nil, errors.New("the index contains a key that is not a request's")
		}
		ids, keys = append(ids, id), append(keys, key)
	}
	found, err := s.batch(ctx, keys)
	if err != nil {
		return nil, err
	}
	var list []handle.Request
	for _, id := range ids {
		if r, ok := found[id]; ok { // otherwise it was deleted by hand since
			list = append(list, r)
		}
	}
	return list, nil
}

// errThrottled means that DynamoDB kept returning all keys as unprocessed.
var errThrottled = errors.New("DynamoDB throttles reads of the table: try again later")

// batch reads the items with the given keys and returns the requests by ID. It
// repeats the keys that DynamoDB returns as unprocessed, because the response was
// full or the table throttled. The error is errThrottled if several attempts in a
// row return no item.
func (s *Store) batch(ctx context.Context, keys []map[string]types.AttributeValue) (map[string]handle.Request, error) {
	found := map[string]handle.Request{}
	for idle := 0; len(keys) > 0; idle++ {
		if idle == attempts {
			return nil, errThrottled
		}
		if err := sleep(ctx, time.Duration(idle)*maxBackoff/2); err != nil {
			return nil, err
		}
		out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			// An eventually consistent read may be older than the index.
			RequestItems: map[string]types.KeysAndAttributes{s.table: {Keys: keys, ConsistentRead: aws.Bool(true)}},
		})
		if err != nil {
			return nil, err
		}
		for _, it := range out.Responses[s.table] {
			r, err := unmarshal(it)
			if err != nil {
				return nil, err
			}
			found[r.ID] = r
			idle = -1
		}
		keys = out.UnprocessedKeys[s.table].Keys
	}
	return found, nil
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
