package dynamo

import (
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"countersign/handle"
)

// item is a request as the table holds it. Record is the request; of the rest,
// the keys and Rev are for the database, and the others are for people who
// look at the table: nothing here reads them.
type item struct {
	StackKey string
	GateKey  string
	Kind     string
	Wake     string `dynamodbav:",omitempty"` // an item without it is not in the index Due
	Rev      int64

	ID        string `dynamodbav:"Id"`
	State     string
	CreatedAt string
	StackName string `dynamodbav:",omitempty"`
	StackID   string `dynamodbav:"StackId,omitempty"`
	Product   string `dynamodbav:",omitempty"`
	Principal string `dynamodbav:",omitempty"` // who asks, as proven
	Email     string `dynamodbav:",omitempty"` // who asks, as typed
	DecidedAt string `dynamodbav:",omitempty"`
	DecidedBy string `dynamodbav:",omitempty"` // the name, which identifies nobody
	DeciderID string `dynamodbav:"DecidedById,omitempty"`

	Record string // as handle.Encode writes it, and the only place of the wait URL
}

// theKind is what every item has as its Kind.
const theKind = "request"

// ErrTooLarge says that a request exceeds what DynamoDB takes as one item.
var ErrTooLarge = errors.New("the request is larger than DynamoDB's 400 KB per item")

// maxItem is in bytes. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxItem = 400 << 10

// marshal writes r as an item. The error is ErrTooLarge if it does not fit.
func marshal(r handle.Request) (map[string]types.AttributeValue, error) {
	key, gate, ok := handle.SplitID(r.ID)
	if !ok {
		return nil, fmt.Errorf("%q is not the ID of a request", r.ID)
	}
	record, err := handle.Encode(r)
	if err != nil {
		return nil, err
	}
	it := item{
		StackKey: key, GateKey: gate, Kind: theKind, Rev: r.Rev,
		ID:        r.ID,
		State:     string(r.State()),
		CreatedAt: stamp(r.CreatedAt),
		StackName: r.Stack.Name,
		StackID:   r.Stack.ID,
		Product:   r.Product.Name,
		Principal: r.Requester.Principal,
		Email:     r.Requester.Email,
		DecidedBy: r.Decider(),
		Record:    string(record),
	}
	if at := r.NextDue(); !at.IsZero() {
		it.Wake = stamp(at)
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

// unmarshal reads the request out of an item.
func unmarshal(m map[string]types.AttributeValue) (handle.Request, error) {
	record, ok := m["Record"].(*types.AttributeValueMemberS)
	if !ok {
		return handle.Request{}, errors.New("the item has no Record, or one that is no string")
	}
	return handle.Decode([]byte(record.Value))
}

// unmarshalID reads the ID out of the keys of an item.
func unmarshalID(m map[string]types.AttributeValue) (string, error) {
	var it item
	if err := attributevalue.UnmarshalMap(m, &it); err != nil {
		return "", err
	}
	return it.StackKey + "-" + it.GateKey, nil
}

// keyOf is the primary key of the item of a request. ok is false if there
// cannot be one.
func keyOf(id string) (m map[string]types.AttributeValue, ok bool) {
	key, gate, ok := handle.SplitID(id)
	return map[string]types.AttributeValue{
		stackKey: &types.AttributeValueMemberS{Value: key},
		gateKey:  &types.AttributeValueMemberS{Value: gate},
	}, ok
}

// size is what DynamoDB counts of an item, or a little more: the UTF-8 of its
// attributes' names and of its strings, and a number as a byte and another for
// every two digits. See
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

// stamp writes t so that the order of strings is the order of time, to the
// nanosecond, and so that people can read it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }
