package dynamo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"countersign/handle"
	"countersign/handle/dynamo"
)

// wire stands in for the network: it keeps what is sent, and answers with what
// it is given, in turn, and the last again and again.
type wire struct {
	t       *testing.T
	answers []answer
	sent    []sent
}

type answer struct {
	status int // 0: the connection breaks
	body   string
}

// sent is one request: the operation, and its document.
type sent struct {
	operation string
	body      map[string]any
	raw       string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	version, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s := sent{operation: operation, raw: string(raw)}
	if err := json.Unmarshal(raw, &s.body); err != nil || version != "DynamoDB_20120810" || r.Method != http.MethodPost {
		w.t.Errorf("not a request to DynamoDB: %s %s, %v", r.Method, version, err)
	}
	w.sent = append(w.sent, s)
	a := w.answers[min(len(w.sent), len(w.answers))-1]
	if a.status == 0 {
		return nil, errors.New("made failure of the network")
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Request: r,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body:   io.NopCloser(strings.NewReader(a.body)),
	}, nil
}

// made is the configuration of an account that is none.
var made = aws.Config{Region: "eu-west-3", Credentials: credentials.NewStaticCredentialsProvider("MADEKEY", "made secret", "")}

// newWire opens a store whose requests meet these answers.
func newWire(t *testing.T, answers ...answer) (*dynamo.Store, *wire) {
	w := &wire{t: t, answers: answers}
	return dynamo.New(made, &http.Client{Transport: w}, "requests"), w
}

// failure is DynamoDB's answer with an error.
func failure(name, more string) answer {
	return answer{400, `{"__type":"com.amazonaws.dynamodb.v20120810#` + name + `","message":"made"` + more + `}`}
}

// stored is r as DynamoDB writes the item in an answer.
func stored(t *testing.T, r handle.Request) string {
	t.Helper()
	record, err := handle.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(string(record))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{%s,"Record":{"S":%s}}`, keys(r), quoted)
}

// keys are the primary key of r, without the braces.
func keys(r handle.Request) string {
	stack, gate, _ := handle.SplitID(r.ID)
	return fmt.Sprintf(`"StackKey":{"S":%q},"GateKey":{"S":%q}`, stack, gate)
}

var ok = answer{200, `{}`}

var placeholder = regexp.MustCompile(`[#:]\d+`)

// resolve writes an expression with its placeholders replaced by what they
// stand for.
func resolve(s sent, field string) string {
	expr, _ := s.body[field].(string)
	names, _ := s.body["ExpressionAttributeNames"].(map[string]any)
	values, _ := s.body["ExpressionAttributeValues"].(map[string]any)
	return placeholder.ReplaceAllStringFunc(expr, func(p string) string {
		if name, ok := names[p].(string); ok {
			return name
		}
		b, _ := json.Marshal(values[p])
		return string(b)
	})
}
