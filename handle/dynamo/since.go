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

// pageSize is how many requests Since reads at once: so few that the largest of
// them fit into the 16 MB of one answer.
const pageSize = 25

// pagesSince yields the requests created at or after t, oldest first, in pages.
func (s *Store) pagesSince(ctx context.Context, t time.Time) iter.Seq2[[]handle.Request, error] {
	return func(yield func([]handle.Request, error) bool) {
		query, err := s.query(expression.Key(kind).Equal(expression.Value(theKind)).And(expression.Key(createdAt).GreaterThanEqual(expression.Value(stamp(t)))))
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

// fetch reads the requests that the items of an index stand for, in their
// order.
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
			return nil, errors.New("the index lists what is not the key of a request")
		}
		ids, keys = append(ids, id), append(keys, key)
	}
	found, err := s.batch(ctx, keys)
	if err != nil {
		return nil, err
	}
	var list []handle.Request
	for _, id := range ids {
		if r, ok := found[id]; ok { // else it was deleted, by hand, since the index was written
			list = append(list, r)
		}
	}
	return list, nil
}

// errBusy says that DynamoDB kept leaving keys unread.
var errBusy = errors.New("DynamoDB is too busy to read all that was asked for")

// batch reads the items with the given keys, by ID. What DynamoDB leaves
// undone, because the answer is full or the table busy, is asked for again. The
// error is errBusy if several attempts in a row bring nothing.
func (s *Store) batch(ctx context.Context, keys []map[string]types.AttributeValue) (map[string]handle.Request, error) {
	found := map[string]handle.Request{}
	for idle := 0; len(keys) > 0; idle++ {
		if idle == attempts {
			return nil, errBusy
		}
		if err := pause(ctx, time.Duration(idle)*maxBackoff/2); err != nil {
			return nil, err
		}
		out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			// Consistent, because the index may be ahead of a lagging replica.
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

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
