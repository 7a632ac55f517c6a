package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"countersign/handle"
)

// Grants reads keys from an index and then the requests, consistently, of which it
// keeps those whose grant is still given. While the table has no such index, as
// before the upgrade from an earlier release is complete, there are no grants.
func (s *Store) Grants(ctx context.Context, digest string) ([]handle.Request, error) {
	list, err := s.grants(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("couldn't list the grants of content %s: %w", digest, err)
	}
	return list, nil
}

func (s *Store) grants(ctx context.Context, digest string) ([]handle.Request, error) {
	if digest == "" {
		return nil, ctx.Err()
	}
	query, err := s.query(expression.Key(grantKey).Equal(expression.Value(digest)))
	if err != nil {
		return nil, err
	}
	query.IndexName = aws.String(indexGrants)
	query.Limit = aws.Int32(pageSize)
	var list []handle.Request
	read := 0
	for pages := dynamodb.NewQueryPaginator(s.client, query); pages.HasMorePages() && read < handle.MaxGrants; {
		page, err := pages.NextPage(ctx)
		if noIndex(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		read += len(page.Items)
		found, err := s.fetch(ctx, page.Items)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if r.GrantKey() == digest {
				list = append(list, r)
			}
		}
	}
	return list, nil
}

// noIndex reports whether a query of an index failed because the table does not have
// the index, or DynamoDB is still creating it. Nothing else about the query of Grants
// can be invalid. The doctor reports a missing index. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.OnlineOps.html
func noIndex(err error) bool {
	var failed smithy.APIError
	return errors.As(err, &failed) && failed.ErrorCode() == "ValidationException"
}
