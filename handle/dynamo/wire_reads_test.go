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

func TestWireReads(t *testing.T) {
	r := handletest.Request(1, at)
	page := answer{200, `{"Items":[` + stored(t, r) + `],"Count":1}`}
	listed := answer{200, `{"Items":[{` + keys(r) + `}],"Count":1}`}
	for _, test := range []struct {
		name    string
		answers []answer
		read    func(*dynamo.Store) ([]string, error)
		want    []string // operation, index, consistent or not, condition
	}{
		{"Load", []answer{{200, `{"Item":` + stored(t, r) + `}`}}, func(s *dynamo.Store) ([]string, error) {
			got, err := s.Load(t.Context(), r.ID)
			return []string{got.ID}, err
		}, []string{"GetItem <nil> true "}},
		{"OfStack", []answer{page}, func(s *dynamo.Store) (ids []string, err error) {
			list, err := s.OfStack(t.Context(), r.Stack.ID)
			for _, got := range list {
				ids = append(ids, got.ID)
			}
			return ids, err
		}, []string{`Query <nil> true StackKey = {"S":"` + r.ID[:16] + `"}`}},
		{"Due", []answer{listed}, func(s *dynamo.Store) ([]string, error) {
			return s.Due(t.Context(), at, 10)
		}, []string{`Query Due <nil> (Kind = {"S":"request"}) AND (Wake <= {"S":"2026-11-22T10:00:00.000000000Z"})`}},
		{"Since", []answer{listed, {200, `{"Responses":{"requests":[` + stored(t, r) + `]}}`}}, func(s *dynamo.Store) (ids []string, err error) {
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
		s, w := newWire(t, test.answers...)
		ids, err := test.read(s)
		if err != nil || !slices.Equal(ids, []string{r.ID}) {
			t.Errorf("%s: got requests %q and error %v, want %s", test.name, ids, err, r.ID)
		}
		var got []string
		for _, sent := range w.sent {
			got = append(got, fmt.Sprint(sent.operation, " ", sent.body["IndexName"], " ", sent.body["ConsistentRead"], " ", resolve(sent, "KeyConditionExpression")))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: sent %q, want %q", test.name, got, test.want)
		}
	}
}

// TestWirePages: lists go on until DynamoDB says that there is no more, and
// what it leaves unread in a batch is asked for again.
func TestWirePages(t *testing.T) {
	first, second := handletest.Request(1, at), handletest.Request(1, at, handletest.WithGate("Second"))
	next := `,"LastEvaluatedKey":{` + keys(first) + `}`

	s, w := newWire(t, answer{200, `{"Items":[` + stored(t, first) + `]` + next + `}`}, answer{200, `{"Items":[` + stored(t, second) + `]}`})
	list, err := s.OfStack(t.Context(), first.Stack.ID)
	if err != nil || len(list) != 2 || len(w.sent) != 2 || w.sent[1].body["ExclusiveStartKey"] == nil {
		t.Errorf("OfStack over two pages: got %d requests and error %v by %d requests", len(list), err, len(w.sent))
	}

	s, _ = newWire(t, answer{200, `{"Items":[{` + keys(first) + `}]` + next + `}`}, answer{200, `{"Items":[],"Count":0` + next + `}`}, answer{200, `{"Items":[{` + keys(second) + `}]}`})
	ids, err := s.Due(t.Context(), at, 10)
	if err != nil || !slices.Equal(ids, []string{first.ID, second.ID}) {
		t.Errorf("Due over three pages, one empty: got %v and error %v", ids, err)
	}
	s, w = newWire(t, answer{200, `{"Items":[{` + keys(first) + `}]` + next + `}`})
	if ids, err := s.Due(t.Context(), at, 1); err != nil || len(ids) != 1 || len(w.sent) != 1 {
		t.Errorf("Due of limit 1: got %v and error %v by %d requests, want one of each", ids, err, len(w.sent))
	}

	s, _ = newWire(t, answer{200, `{"Items":[{` + keys(first) + `}]` + next + `}`}, answer{200, `{"Items":[{` + keys(first) + `},{` + keys(second) + `}]}`})
	if ids, err := s.Due(t.Context(), at, 2); err != nil || !slices.Equal(ids, []string{first.ID, first.ID}) {
		t.Errorf("Due of limit 2 over pages of one and two: got %v and error %v", ids, err)
	}

	s, w = newWire(t,
		answer{200, `{"Items":[{` + keys(first) + `},{` + keys(second) + `}]}`},
		answer{200, `{"Responses":{"requests":[` + stored(t, second) + `]},"UnprocessedKeys":{"requests":{"Keys":[{` + keys(first) + `}],"ConsistentRead":true}}}`},
		answer{200, `{"Responses":{"requests":[` + stored(t, first) + `]}}`})
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
	for _, batch := range w.sent[1:] {
		asked := batch.body["RequestItems"].(map[string]any)["requests"].(map[string]any)
		if asked["ConsistentRead"] != true {
			t.Error("a BatchGetItem of Since is not consistent")
		}
	}
	if again := w.sent[2].raw; strings.Contains(again, second.ID[17:]) || !strings.Contains(again, first.ID[17:]) {
		t.Errorf("the second BatchGetItem asks for %s, want what was left alone", again)
	}
}

// TestWireBusy: a table that never answers all is an error in the end.
func TestWireBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := handletest.Request(1, at)
		left := answer{200, `{"Responses":{},"UnprocessedKeys":{"requests":{"Keys":[{` + keys(r) + `}]}}}`}
		s, w := newWire(t, answer{200, `{"Items":[{` + keys(r) + `}]}`}, left)
		var errs []error
		for _, err := range s.Since(t.Context(), at) {
			errs = append(errs, err)
		}
		if len(errs) != 1 || errs[0] == nil {
			t.Errorf("Since: got errors %v, want one", errs)
		}
		if len(w.sent) > 10 {
			t.Errorf("Since: sent %d requests before it gave up", len(w.sent))
		}
	})
}

// TestWireSinceFails in the midst of the list.
func TestWireSinceFails(t *testing.T) {
	r := handletest.Request(1, at)
	s, _ := newWire(t,
		answer{200, `{"Items":[{` + keys(r) + `}],"LastEvaluatedKey":{` + keys(r) + `}}`},
		answer{200, `{"Responses":{"requests":[` + stored(t, r) + `]}}`},
		failure("AccessDeniedException", ""))
	var got []string
	for r, err := range s.Since(t.Context(), at) {
		got = append(got, fmt.Sprintf("%s %t", r.ID, err != nil))
	}
	if want := []string{r.ID + " false", " true"}; !slices.Equal(got, want) {
		t.Errorf("Since: got %q, want %q", got, want)
	}
}
