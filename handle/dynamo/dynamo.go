// Package dynamo keeps requests in one DynamoDB table; see [Table].
//
// The table holds the decisions and the wait URLs, so protect it. Wait URLs are in
// the attribute Record only.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
)

// Store is a [handle.Store] in one DynamoDB table.
//
// If the response to a write is lost, the SDK repeats the write, which then meets
// its own change and returns ErrExists or ErrConflict. This cannot be told from a
// lost race, so after these errors callers must load the request and compare.
type Store struct {
	client *dynamodb.Client
	table  string
}

var _ handle.Store = (*Store)(nil)

// Limits for one call, so that Slack and CloudFormation get an answer in time:
// three attempts of a second each. DynamoDB usually answers in about 10 ms, over a
// new connection in about 100 ms.
const (
	attempts       = 3
	attemptTimeout = time.Second
	maxBackoff     = 200 * time.Millisecond
)

// New returns the store in the named table, which must exist. All calls go
// through client; if its Timeout is zero, one attempt may take a second. Pass a
// client that works around aws-sdk-go-v2#2737, or the SDK may truncate large
// responses and repeat writes that have been carried out.
func New(cfg aws.Config, client *http.Client, table string) *Store {
	bounded := *client
	if bounded.Timeout == 0 {
		bounded.Timeout = attemptTimeout
	}
	return &Store{table: table, client: dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.HTTPClient = &bounded
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff
		})
		o.ClientLogMode &^= aws.LogRequestWithBody | aws.LogResponseWithBody // the bodies hold wait URLs
	})}
}

func (s *Store) Create(ctx context.Context, r handle.Request) (handle.Request, error) {
	r.Rev = 1
	err := s.put(ctx, r, expression.AttributeNotExists(expression.Name(stackKey)))
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		err = handle.ErrExists
	}
	if err != nil {
		return handle.Request{}, fmt.Errorf("couldn't create request %s: %w", r.ID, err)
	}
	return r, nil
}

func (s *Store) Replace(ctx context.Context, r handle.Request) (handle.Request, error) {
	next := r
	next.Rev++
	var err error
	if _, ok := keyOf(r.ID); ok {
		err = s.put(ctx, next, expression.Name(rev).Equal(expression.Value(r.Rev)))
	} else {
		err = handle.ErrNotFound
	}
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		err = handle.ErrConflict
		if len(failed.Item) == 0 {
			err = handle.ErrNotFound
		}
	}
	if err != nil {
		return handle.Request{}, fmt.Errorf("couldn't replace request %s: %w", r.ID, err)
	}
	return next, nil
}

// put writes r if condition holds for the stored item. If it does not, the error is
// a ConditionalCheckFailedException with the stored item.
func (s *Store) put(ctx context.Context, r handle.Request, condition expression.ConditionBuilder) error {
	it, err := marshal(r)
	if err != nil {
		return err
	}
	expr, err := expression.NewBuilder().WithCondition(condition).Build()
	if err != nil {
		return err
	}
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           aws.String(s.table),
		Item:                                it,
		ConditionExpression:                 expr.Condition(),
		ExpressionAttributeNames:            expr.Names(),
		ExpressionAttributeValues:           expr.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return err
}

func (s *Store) Load(ctx context.Context, id string) (handle.Request, error) {
	r, err := s.get(ctx, id)
	if err != nil {
		return handle.Request{}, fmt.Errorf("couldn't load request %q: %w", id, err)
	}
	return r, nil
}

func (s *Store) get(ctx context.Context, id string) (handle.Request, error) {
	key, ok := keyOf(id)
	if !ok {
		return handle.Request{}, handle.ErrNotFound
	}
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      aws.String(s.table),
		Key:            key,
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return handle.Request{}, err
	}
	if len(out.Item) == 0 {
		return handle.Request{}, handle.ErrNotFound
	}
	return unmarshal(out.Item)
}

// OfStack needs no index, which would lag behind writes: the requests of one stack
// are one partition of the table.
func (s *Store) OfStack(ctx context.Context, stackID string) ([]handle.Request, error) {
	list, err := s.partition(ctx, stackID)
	if err != nil {
		return nil, fmt.Errorf("couldn't list the requests of stack %s: %w", stackID, err)
	}
	return list, nil
}

func (s *Store) partition(ctx context.Context, stackID string) ([]handle.Request, error) {
	query, err := s.query(expression.Key(stackKey).Equal(expression.Value(handle.StackKey(stackID))))
	if err != nil {
		return nil, err
	}
	query.ConsistentRead = aws.Bool(true)
	var list []handle.Request
	for pages := dynamodb.NewQueryPaginator(s.client, query); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, it := range page.Items {
			r, err := unmarshal(it)
			if err != nil {
				return nil, err
			}
			if r.Stack.ID == stackID {
				list = append(list, r)
			}
		}
	}
	return list, nil
}

// Due reads an index that has only the requests with outstanding steps, in the
// order in which they become due.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	ids, err := s.due(ctx, now, limit)
	if err != nil {
		return nil, fmt.Errorf("couldn't list what is due: %w", err)
	}
	return ids, nil
}

func (s *Store) due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	query, err := s.query(expression.Key(kind).Equal(expression.Value(requestKind)).And(expression.Key(nextDue).LessThanEqual(expression.Value(stamp(now)))))
	if err != nil {
		return nil, err
	}
	query.IndexName = aws.String(indexDue)
	query.Limit = aws.Int32(int32(min(max(limit, 1), 1000)))
	ids := []string{}
	for pages := dynamodb.NewQueryPaginator(s.client, query); pages.HasMorePages() && len(ids) < limit; {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, it := range page.Items[:min(len(page.Items), limit-len(ids))] {
			id, err := unmarshalID(it)
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Since reads keys from an index and then the requests, page by page.
func (s *Store) Since(ctx context.Context, t time.Time) iter.Seq2[handle.Request, error] {
	return func(yield func(handle.Request, error) bool) {
		for list, err := range s.pagesSince(ctx, t) {
			if err != nil {
				yield(handle.Request{}, fmt.Errorf("couldn't list the requests since %v: %w", t, err))
				return
			}
			for _, r := range list {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// query returns a query of the table by key.
func (s *Store) query(key expression.KeyConditionBuilder) (*dynamodb.QueryInput, error) {
	expr, err := expression.NewBuilder().WithKeyCondition(key).Build()
	if err != nil {
		return nil, err
	}
	return &dynamodb.QueryInput{
		TableName:                 aws.String(s.table),
		KeyConditionExpression:    expr.KeyCondition(),
		ExpressionAttributeNames:  expr.Names(),
		ExpressionAttributeValues: expr.Values(),
	}, nil
}
