package dynamo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"countersign/handle/dynamo"
	"countersign/handle/handletest"
)

func TestReadCalls(t *testing.T) {
	r := handletest.Request(1, at, handletest.WithGrant("granted"))
	page := response{200, `{"Items":[` + itemOf(t, r) + `],"Count":1}`}
	listed := response{200, `{"Items":[{` + keysOf(r) + `}],"Count":1}`}
	for _, test := range []struct {
		name      string
		responses []response
		read      func(*dynamo.Store) ([]string, error)
		want      []string // operation, index, consistent or not, condition
	}{
		{"Load", []response{{200, `{"Item":` + itemOf(t, r) + `}`}}, func(s *dynamo.Store) ([]string, error) {
			got, err := s.Load(t.Context(), r.ID)
			return []string{got.ID}, err
		}, []string{"GetItem <nil> true "}},
		{"OfStack", []response{page}, func(s *dynamo.Store) (ids []string, err error) {
			list, err := s.OfStack(t.Context(), r.Stack.ID)
			for _, got := range list {
				ids = append(ids, got.ID)
			}
			return ids, err
		}, []string{`Query <nil> true StackKey = {"S":"` + r.ID[:16] + `"}`}},
		{"Due", []response{listed}, func(s *dynamo.Store) ([]string, error) {
			return s.Due(t.Context(), at, 10)
		}, []string{`Query Due <nil> (Kind = {"S":"request"}) AND (Wake <= {"S":"2026-11-22T10:00:00.000000000Z"})`}},
		{"Grants", []response{listed, {200, `{"Responses":{"requests":[` + itemOf(t, r) + `]}}`}}, func(s *dynamo.Store) (ids []string, err error) {
			list, err := s.Grants(t.Context(), r.GrantKey())
			for _, got := range list {
				ids = append(ids, got.ID)
			}
			return ids, err
		}, []string{
			`Query Grants <nil> GrantKey = {"S":"` + r.GrantKey() + `"}`,
			`BatchGetItem <nil> <nil> `,
		}},
		{"Since", []response{listed, {200, `{"Responses":{"requests":[` + itemOf(t, r) + `]}}`}}, func(s *dynamo.Store) (ids []string, err error) {
			for got, err := range s.Since(t.Context(), at) {
				if err != nil {
					return ids, err
				}
				ids = append(ids, got.ID)
			}
			return ids, nil
		}, []string{
			`Query Created <nil> (Kind = {"S":"request"}) AND (CreatedAt >= {"S":"2026-11-22T10:00:00.000000000Z"})`,
			`BatchGetItem <nil> <nil> `,
		}},
	} {
		s, fake := newFake(t, test.responses...)
		ids, err := test.read(s)
		if err != nil || !slices.Equal(ids, []string{r.ID}) {
			t.Errorf("%s: got requests %q and error %v, want %s", test.name, ids, err, r.ID)
		}
		var got []string
		for _, sent := range fake.calls {
			got = append(got, fmt.Sprint(sent.operation, " ", sent.body["IndexName"], " ", sent.body["ConsistentRead"], " ", resolve(sent, "KeyConditionExpression")))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: sent %q, want %q", test.name, got, test.want)
		}
	}
}

// Lists continue while DynamoDB returns a LastEvaluatedKey, and unprocessed keys of
// a batch are requested again.
func TestPagesAndUnprocessedKeys(t *testing.T) {
	first, second := handletest.Request(1, at), handletest.Request(1, at, handletest.WithGate("Second"))
	next := `,"LastEvaluatedKey":{` + keysOf(first) + `}`

	s, fake := newFake(t, response{200, `{"Items":[` + itemOf(t, first) + `]` + next + `}`}, response{200, `{"Items":[` + itemOf(t, second) + `]}`})
	list, err := s.OfStack(t.Context(), first.Stack.ID)
	if err != nil || len(list) != 2 || len(fake.calls) != 2 || fake.calls[1].body["ExclusiveStartKey"] == nil {
		t.Errorf("OfStack over two pages: got %d requests and error %v by %d requests", len(list), err, len(fake.calls))
	}

	s, _ = newFake(t, response{200, `{"Items":[{` + keysOf(first) + `}]` + next + `}`}, response{200, `{"Items":[],"Count":0` + next + `}`}, response{200, `{"Items":[{` + keysOf(second) + `}]}`})
	ids, err := s.Due(t.Context(), at, 10)
	if err != nil || !slices.Equal(ids, []string{first.ID, second.ID}) {
		t.Errorf("Due over three pages, one empty: got %v and error %v", ids, err)
	}
	s, fake = newFake(t, response{200, `{"Items":[{` + keysOf(first) + `}]` + next + `}`})
	if ids, err := s.Due(t.Context(), at, 1); err != nil || len(ids) != 1 || len(fake.calls) != 1 {
		t.Errorf("Due of limit 1: got %v and error %v by %d requests, want one of each", ids, err, len(fake.calls))
	}

	s, _ = newFake(t, response{200, `{"Items":[{` + keysOf(first) + `}]` + next + `}`}, response{200, `{"Items":[{` + keysOf(first) + `},{` + keysOf(second) + `}]}`})
	if ids, err := s.Due(t.Context(), at, 2); err != nil || !slices.Equal(ids, []string{first.ID, first.ID}) {
		t.Errorf("Due of limit 2 over pages of one and two: got %v and error %v", ids, err)
	}

	s, fake = newFake(t,
		response{200, `{"Items":[{` + keysOf(first) + `},{` + keysOf(second) + `}]}`},
		response{200, `{"Responses":{"requests":[` + itemOf(t, second) + `]},"UnprocessedKeys":{"requests":{"Keys":[{` + keysOf(first) + `}],"ConsistentRead":true}}}`},
		response{200, `{"Responses":{"requests":[` + itemOf(t, first) + `]}}`})
	var got []string
	for r, err := range s.Since(t.Context(), at) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.ID)
	}
	if !slices.Equal(got, []string{first.ID, second.ID}) {
		t.Errorf("Since with an unprocessed key: got %v, want the order of the index", got)
	}
	for _, batch := range fake.calls[1:] {
		asked := batch.body["RequestItems"].(map[string]any)["requests"].(map[string]any)
		if asked["ConsistentRead"] != true {
			t.Error("a BatchGetItem of Since is not consistent")
		}
	}
	if again := fake.calls[2].raw; strings.Contains(again, second.ID[17:]) || !strings.Contains(again, first.ID[17:]) {
		t.Errorf("the second BatchGetItem requests %s, want the unprocessed key", again)
	}
}

func TestSinceGivesUpOnUnprocessedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := handletest.Request(1, at)
		left := response{200, `{"Responses":{},"UnprocessedKeys":{"requests":{"Keys":[{` + keysOf(r) + `}]}}}`}
		s, fake := newFake(t, response{200, `{"Items":[{` + keysOf(r) + `}]}`}, left)
		var errs []error
		for _, err := range s.Since(t.Context(), at) {
			errs = append(errs, err)
		}
		if len(errs) != 1 || errs[0] == nil {
			t.Errorf("Since: got errors %v, want one", errs)
		}
		if len(fake.calls) > 10 {
			t.Errorf("Since: sent %d requests before it gave up", len(fake.calls))
		}
	})
}

func TestSinceYieldsErrorOfLaterPage(t *testing.T) {
	r := handletest.Request(1, at)
	s, _ := newFake(t,
		response{200, `{"Items":[{` + keysOf(r) + `}],"LastEvaluatedKey":{` + keysOf(r) + `}}`},
		response{200, `{"Responses":{"requests":[` + itemOf(t, r) + `]}}`},
		failure("AccessDeniedException", ""))
	var got []string
	for r, err := range s.Since(t.Context(), at) {
		got = append(got, fmt.Sprintf("%s %t", r.ID, err != nil))
	}
	if want := []string{r.ID + " false", " true"}; !slices.Equal(got, want) {
		t.Errorf("Since: got %q, want %q", got, want)
	}
}
