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

// fakeTransport takes the place of the network. It keeps the calls and returns the
// responses in turn; the last one is repeated.
type fakeTransport struct {
	t         *testing.T
	responses []response
	calls     []call
}

type response struct {
	status int // 0 breaks the connection
	body   string
}

// call is one call of DynamoDB's API.
type call struct {
	operation string
	body      map[string]any
	raw       string
}

func (f *fakeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	version, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c := call{operation: operation, raw: string(raw)}
	if err := json.Unmarshal(raw, &c.body); err != nil || version != "DynamoDB_20120810" || r.Method != http.MethodPost {
		f.t.Errorf("not a call of DynamoDB: %s %s, %v", r.Method, version, err)
	}
	f.calls = append(f.calls, c)
	res := f.responses[min(len(f.calls), len(f.responses))-1]
	if res.status == 0 {
		return nil, errors.New("injected network failure")
	}
	return &http.Response{
		StatusCode: res.status, Status: http.StatusText(res.status), Request: r,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body:   io.NopCloser(strings.NewReader(res.body)),
	}, nil
}

// testConfig has made-up credentials.
var testConfig = aws.Config{Region: "eu-west-3", Credentials: credentials.NewStaticCredentialsProvider("TESTKEY", "test secret", "")}

// newFake returns a store whose calls get these responses.
func newFake(t *testing.T, responses ...response) (*dynamo.Store, *fakeTransport) {
	f := &fakeTransport{t: t, responses: responses}
	return dynamo.New(testConfig, &http.Client{Transport: f}, "requests"), f
}

// failure is an error response of DynamoDB. more is appended to its fields.
func failure(name, more string) response {
	return response{400, `{"__type":"com.amazonaws.dynamodb.v20120810#` + name + `","message":"test"` + more + `}`}
}

// itemOf is r as an item in a response of DynamoDB.
func itemOf(t *testing.T, r handle.Request) string {
	t.Helper()
	record, err := handle.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(string(record))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{%s,"Record":{"S":%s}}`, keysOf(r), quoted)
}

// keysOf is the primary key of r as JSON, without the braces.
func keysOf(r handle.Request) string {
	stack, gate, _ := handle.SplitID(r.ID)
	return fmt.Sprintf(`"StackKey":{"S":%q},"GateKey":{"S":%q}`, stack, gate)
}

var empty = response{200, `{}`}

var placeholder = regexp.MustCompile(`[#:]\d+`)

// resolve returns an expression with the names and values of its placeholders.
func resolve(c call, field string) string {
	expr, _ := c.body[field].(string)
	names, _ := c.body["ExpressionAttributeNames"].(map[string]any)
	values, _ := c.body["ExpressionAttributeValues"].(map[string]any)
	return placeholder.ReplaceAllStringFunc(expr, func(p string) string {
		if name, ok := names[p].(string); ok {
			return name
		}
		b, _ := json.Marshal(values[p])
		return string(b)
	})
}
