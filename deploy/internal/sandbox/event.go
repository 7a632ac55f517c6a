package sandbox

import "encoding/json"

// Events as an intruder forges them: without the details that Countersign does not
// read.

// StackEvent returns an EventBridge event of a stack's status.
func StackEvent(stackID, status string) []byte {
	return encode(map[string]any{
		"detail-type": "CloudFormation Stack Status Change", "source": "aws.cloudformation", "account": Account,
		"detail": map[string]any{"stack-id": stackID, "status-details": map[string]string{"status": status, "status-reason": "forged"}},
	})
}

// Published returns the event of a message that was published to the topic for
// other accounts.
func Published(message []byte) []byte {
	return encode(map[string]any{"Records": []any{map[string]any{
		"EventSource": "aws:sns", "Sns": map[string]string{"Type": "Notification", "Message": string(message)},
	}}})
}

// unpublished returns the message of a Published event, and any other event as it is.
func unpublished(event []byte) []byte {
	var published struct {
		Records []struct{ Sns struct{ Message string } }
	}
	if json.Unmarshal(event, &published) != nil || len(published.Records) != 1 {
		return event
	}
	return []byte(published.Records[0].Sns.Message)
}

// Request returns a custom resource request with a ResponseURL of the right form
// that CloudFormation did not sign.
func (w *Sandbox) Request(typ, stackID, logicalID, physicalID string, properties map[string]any) []byte {
	id := "forged-" + w.Clock.Now().Format("150405.000000")
	return encode(map[string]any{
		"RequestType": typ, "RequestId": id, "StackId": stackID, "LogicalResourceId": logicalID, "PhysicalResourceId": physicalID,
		"ResourceType": "Custom::ApprovalRequest", "ResourceProperties": properties,
		"ResponseURL": w.FunctionsConfig.CloudFormation + "/" + stackID + "%7C" + logicalID + "%7C" + id + "?X-Amz-Signature=forged",
	})
}

func encode(event map[string]any) []byte {
	b, _ := json.Marshal(event) // cannot fail: strings only
	return b
}
