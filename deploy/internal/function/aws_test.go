package function_test

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeAWS is what the simulation lacks: one DynamoDB table and one secret. It knows
// the requests that the store makes, and fails the test on any other.
type fakeAWS struct {
	t      testing.TB
	server *httptest.Server

	mu          sync.Mutex
	items       map[string]map[string]attribute // by StackKey and GateKey
	secret      string                          // empty if it does not exist
	secretDelay time.Duration                   // before GetSecretValue responds
	delay       time.Duration                   // before DynamoDB responds
	down        bool                            // DynamoDB answers 500
	hangs       bool                            // DynamoDB does not answer
	calls       map[string]int                  // by operation
	units       units
}

// units are what DynamoDB charges on demand.
type units struct{ write, read float64 }

type attribute struct {
	S string `json:"S,omitempty"`
	N string `json:"N,omitempty"`
}

const (
	tableName = "countersign"
	secretARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:countersign-AbCdEf"
)

func newFakeAWS(t testing.TB) *fakeAWS {
	a := &fakeAWS{t: t, items: map[string]map[string]attribute{}, calls: map[string]int{}}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

// env points a function's AWS clients to a.
func (a *fakeAWS) env() []string {
	return []string{"AWS_ENDPOINT_URL_DYNAMODB=" + a.server.URL, "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + a.server.URL}
}

func (a *fakeAWS) set(change func(*fakeAWS)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

// count returns how often the operations were called, and resets the counts.
func (a *fakeAWS) count(operations ...string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, operation := range operations {
		n += a.calls[operation]
		delete(a.calls, operation)
	}
	return n
}

type dynamoCall struct {
	TableName, ConditionExpression, KeyConditionExpression, IndexName string
	Item, Key                                                         map[string]attribute
	ExpressionAttributeNames                                          map[string]string
	ExpressionAttributeValues                                         map[string]attribute
	RequestItems                                                      map[string]struct{ Keys []map[string]attribute }
	Limit                                                             int
	SecretId                                                          string
}

func (a *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var c dynamoCall
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil || !strings.Contains(r.Header.Get("Authorization"), "Credential=ASIAMADE/") || r.Header.Get("X-Amz-Security-Token") != "made-session-token" {
		a.t.Errorf("unsigned or malformed call: %s: %v", operation, err)
	}
	a.mu.Lock()
	a.calls[operation]++
	stall, delay, hangs := a.secretDelay, a.delay, a.hangs
	a.mu.Unlock()
	switch {
	case operation == "GetSecretValue":
		time.Sleep(stall)
	case hangs:
		<-r.Context().Done()
		return
	default:
		time.Sleep(delay)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	status, answer := a.answer(operation, c)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (a *fakeAWS) answer(operation string, c dynamoCall) (int, any) {
	failed := func(name string, more map[string]any) (int, any) {
		answer := map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + name, "message": "made"}
		maps.Copy(answer, more)
		return http.StatusBadRequest, answer
	}
	if operation == "GetSecretValue" {
		if a.secret == "" || c.SecretId != secretARN {
			return failed("ResourceNotFoundException", nil)
		}
		return http.StatusOK, map[string]any{"ARN": secretARN, "SecretString": a.secret}
	}
	if a.down {
		return http.StatusInternalServerError, map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "made"}
	}
	switch operation {
	case "PutItem":
		old := a.items[key(c.Item)]
		if !a.conditionHolds(c, old) {
			return failed("ConditionalCheckFailedException", map[string]any{"Item": old})
		}
		a.units.write += writeUnits(old, c.Item)
		a.items[key(c.Item)] = c.Item
		return http.StatusOK, struct{}{}
	case "GetItem":
		a.units.read += math.Max(1, math.Ceil(size(a.items[key(c.Key)])/4096)) // as for a consistent read
		if item := a.items[key(c.Key)]; item != nil {
			return http.StatusOK, map[string]any{"Item": item}
		}
		return http.StatusOK, struct{}{}
	case "Query":
		found := a.query(c)
		switch c.IndexName { // the sweep's queries of the other indexes are not part of one request
		case "":
			total := 0.0
			for _, item := range found {
				total += size(item)
			}
			a.units.read += math.Max(1, math.Ceil(total/4096))
		case "Grants":
			a.units.read += 0.5 // eventually consistent, of keys only
		}
		return http.StatusOK, map[string]any{"Items": found, "Count": len(found)}
	case "BatchGetItem":
		var found []map[string]attribute
		for _, k := range c.RequestItems[tableName].Keys {
			found = append(found, a.items[key(k)])
		}
		return http.StatusOK, map[string]any{"Responses": map[string]any{tableName: found}}
	}
	a.t.Errorf("unexpected operation %q", operation)
	return failed("UnknownOperationException", nil)
}

func key(item map[string]attribute) string { return item["StackKey"].S + "/" + item["GateKey"].S }

// conditionHolds evaluates the two conditions that the store uses.
func (a *fakeAWS) conditionHolds(c dynamoCall, old map[string]attribute) bool {
	switch expr := c.plain(c.ConditionExpression); {
	case expr == "attribute_not_exists (StackKey)":
		return old == nil
	case regexp.MustCompile(`^Rev = \d+$`).MatchString(expr):
		return old["Rev"].N == strings.TrimPrefix(expr, "Rev = ")
	default:
		a.t.Errorf("unexpected condition %q", expr)
		return false
	}
}

// writeUnits is the cost of replacing an item: one unit per started KB of the larger
// one, and in a keys-only index one to add a key and one to delete a key. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
func writeUnits(old, item map[string]attribute) float64 {
	n := math.Ceil(math.Max(size(old), size(item)) / 1024)
	for _, sort := range []string{"Wake", "CreatedAt", "GrantKey"} {
		before, was := old[sort]
		after, is := item[sort]
		if before == after {
			continue
		}
		if was {
			n++
		}
		if is {
			n++
		}
	}
	return n
}

// size is an upper bound of an item's size in DynamoDB, in bytes: numbers take less
// than their digits.
func size(item map[string]attribute) float64 {
	n := 0
	for name, value := range item {
		n += len(name) + len(value.S) + len(value.N)
	}
	return float64(n)
}

// query evaluates the key conditions that the store uses.
func (a *fakeAWS) query(c dynamoCall) []map[string]attribute {
	sort := map[string]string{"": "GateKey", "Due": "Wake", "Created": "CreatedAt", "Grants": "GrantKey"}[c.IndexName]
	m := regexp.MustCompile(`^\(?(\w+) = ([^ )]+)\)?(?: AND \((\w+) ([<>]=) ([^ )]+)\))?$`).FindStringSubmatch(c.plain(c.KeyConditionExpression))
	if m == nil || m[3] != "" && m[3] != sort {
		a.t.Errorf("unexpected key condition %q", c.plain(c.KeyConditionExpression))
		return nil
	}
	found := []map[string]attribute{}
	for _, item := range a.items {
		at, listed := item[sort]
		if listed && item[m[1]].S == m[2] && (m[3] == "" || m[4] == "<=" && at.S <= m[5] || m[4] == ">=" && at.S >= m[5]) {
			found = append(found, item)
		}
	}
	slices.SortFunc(found, func(x, y map[string]attribute) int { return cmp.Compare(x[sort].S, y[sort].S) })
	if c.Limit > 0 {
		found = found[:min(len(found), c.Limit)]
	}
	return found
}

// plain replaces the placeholders of an expression.
func (c dynamoCall) plain(expr string) string {
	return regexp.MustCompile(`[#:]\d+`).ReplaceAllStringFunc(expr, func(p string) string {
		if name, ok := c.ExpressionAttributeNames[p]; ok {
			return name
		}
		v := c.ExpressionAttributeValues[p]
		return cmp.Or(v.S, v.N)
	})
}

// secretText is a secret's JSON.
func secretText(token string, signing []string, keys ...string) string {
	b, err := json.Marshal(map[string]any{"slackToken": token, "signingSecrets": append([]string{}, signing...), "mailKeys": append([]string{}, keys...)})
	if err != nil {
		panic(err)
	}
	return string(b)
}
