package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
)

// Open reads an index that has only the open requests, with their summaries. A request
// that an earlier release wrote is listed once this one has written it.
func (s *Store) Open(ctx context.Context, after string, limit int) (page []handle.Summary, next string, err error) {
	page, next, err = s.open(ctx, after, limit)
	if err != nil {
		return nil, "", fmt.Errorf("couldn't list the open requests: %w", err)
	}
	return page, next, nil
}

func (s *Store) open(ctx context.Context, after string, limit int) (page []handle.Summary, next string, err error) {
	query, err := s.query(expression.Key(openKey).Equal(expression.Value(openValue)))
	if err != nil {
		return nil, "", err
	}
	query.IndexName = aws.String(indexOpen)
	if after != "" {
		if query.ExclusiveStartKey, err = startKey(after); err != nil {
			return nil, "", err
		}
	}
	if limit <= 0 {
		return nil, after, ctx.Err()
	}
	for {
		query.Limit = aws.Int32(int32(min(limit-len(page), 1000)))
		out, err := s.client.Query(ctx, query)
		if noIndex(err) {
			return nil, "", handle.ErrNoIndex
		}
		if err != nil {
			return nil, "", err
		}
		for _, it := range out.Items {
			summary, err := unmarshalSummary(it)
			if err != nil {
				return nil, "", err
			}
			page, next = append(page, summary), summary.Cursor()
		}
		switch query.ExclusiveStartKey = out.LastEvaluatedKey; {
		case len(out.LastEvaluatedKey) == 0:
			return page, "", nil
		case len(page) >= limit:
			return page, next, nil
		}
	}
}

// startKey returns the key of the index at a cursor. DynamoDB takes it even if the item
// has left the index.
func startKey(cursor string) (map[string]types.AttributeValue, error) {
	deadline, id, err := handle.ParseCursor(cursor)
	if err != nil {
		return nil, err
	}
	key, ok := keyOf(id)
	if !ok {
		return nil, handle.ErrCursor
	}
	key[openKey] = &types.AttributeValueMemberS{Value: openValue}
	key[openUntil] = &types.AttributeValueMemberS{Value: stamp(deadline)}
	return key, nil
}

func unmarshalSummary(m map[string]types.AttributeValue) (summary handle.Summary, err error) {
	entry, ok := m[openEntry].(*types.AttributeValueMemberS)
	if !ok {
		return summary, errors.New("the index has an item without a summary")
	}
	if err := json.Unmarshal([]byte(entry.Value), &summary); err != nil {
		return summary, fmt.Errorf("couldn't decode a summary: %w", err)
	}
	return summary, nil
}
