package dynamo

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
)

// item is a request as the table holds it. Record is the whole request. Of the
// others, the keys and Rev are for DynamoDB, and the rest is for people who look at
// the table; no code reads it. Deployed tables have these names: never change them.
type item struct {
	StackKey string
	GateKey  string
	Kind     string
	Wake     string `dynamodbav:",omitempty"` // NextDue; without it the item is not in the index Due
	Rev      int64
	GrantKey string `dynamodbav:",omitempty"` // without it the item is not in the index Grants

	OpenKey   string `dynamodbav:",omitempty"` // without it the item is not in the index Open
	OpenUntil string `dynamodbav:",omitempty"`
	OpenEntry string `dynamodbav:",omitempty"` // handle.Summary as JSON

	ID        string `dynamodbav:"Id"`
	State     string
	CreatedAt string
	StackName string `dynamodbav:",omitempty"`
	StackID   string `dynamodbav:"StackId,omitempty"`
	Product   string `dynamodbav:",omitempty"`
	Principal string `dynamodbav:",omitempty"` // of the requester, proven
	Email     string `dynamodbav:",omitempty"` // of the requester, claimed
	DecidedAt string `dynamodbav:",omitempty"`
	DecidedBy string `dynamodbav:",omitempty"` // a name, for display
	DeciderID string `dynamodbav:"DecidedById,omitempty"`

	Record string // as handle.Encode writes it; the only attribute with the wait URL
}

// openValue is the OpenKey of every item that has one.
const openValue = "open"

// requestKind is the Kind of every item.
const requestKind = "request"

// ErrTooLarge means that a request exceeds the size of a DynamoDB item.
var ErrTooLarge = errors.New("the request is larger than DynamoDB's 400 KB per item")

// maxItem is the largest size of an item in bytes. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxItem = 400 << 10

// marshal returns r as an item. The error is ErrTooLarge if it does not fit.
func marshal(r handle.Request) (map[string]types.AttributeValue, error) {
	key, gate, ok := handle.SplitID(r.ID)
	if !ok {
		return nil, fmt.Errorf("%q is not a request ID", r.ID)
	}
	record, err := handle.Encode(r)
	if err != nil {
		return nil, err
	}
	it := item{
		StackKey: key, GateKey: gate, Kind: requestKind, Rev: r.Rev,
		ID:        r.ID,
		State:     string(r.State()),
		CreatedAt: stamp(r.CreatedAt),
		StackName: r.Stack.Name,
		StackID:   r.Stack.ID,
		Product:   r.Product.Title(),
		Principal: r.Requester.Principal,
		Email:     r.Requester.Email,
		DecidedBy: r.Decider(),
		Record:    string(record),
	}
	if at := r.NextDue(); !at.IsZero() {
		it.Wake = stamp(at)
	}
	it.GrantKey = r.GrantKey()
	if summary, ok := r.Summary(); ok {
		entry, err := json.Marshal(summary)
		if err != nil {
			return nil, fmt.Errorf("couldn't encode the summary of request %s: %w", r.ID, err)
		}
		it.OpenKey, it.OpenUntil, it.OpenEntry = openValue, stamp(summary.Deadline), string(entry)
	}
	if d := r.Decision; d != nil {
		it.DecidedAt, it.DeciderID = stamp(d.At), d.By.ID
	}
	m, err := attributevalue.MarshalMap(it)
	if err != nil {
		return nil, err
	}
	if n := size(m); n > maxItem {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrTooLarge, n)
	}
	return m, nil
}

// unmarshal decodes the request in an item.
func unmarshal(m map[string]types.AttributeValue) (handle.Request, error) {
	record, ok := m["Record"].(*types.AttributeValueMemberS)
	if !ok {
		return handle.Request{}, errors.New("the item has no attribute Record of type string")
	}
	return handle.Decode([]byte(record.Value))
}

// unmarshalID returns the ID that the keys of an item make up.
func unmarshalID(m map[string]types.AttributeValue) (string, error) {
	var it item
	if err := attributevalue.UnmarshalMap(m, &it); err != nil {
		return "", err
	}
	return it.StackKey + "-" + it.GateKey, nil
}

// keyOf returns the primary key of a request's item. ok is false if id is not a
// request ID.
func keyOf(id string) (m map[string]types.AttributeValue, ok bool) {
	key, gate, ok := handle.SplitID(id)
	return map[string]types.AttributeValue{
		stackKey: &types.AttributeValueMemberS{Value: key},
		gateKey:  &types.AttributeValueMemberS{Value: gate},
	}, ok
}

// size returns the size of an item as DynamoDB counts it, or slightly more: the
// UTF-8 bytes of attribute names and strings, and for a number one byte per two
// digits plus one. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func size(m map[string]types.AttributeValue) int {
	n := 0
	for name, value := range m {
		n += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += len(v.Value)/2 + 2
		}
	}
	return n
}

// stamp formats t so that strings sort as times do, to the nanosecond.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }
