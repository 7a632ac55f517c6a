package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"countersign/bot/blocks"
)

// MailTopic sends plain-text mail to its subscribers.
type MailTopic interface {
	Publish(ctx context.Context, subject, body string) error
}

// SNSTopic is an SNS topic with e-mail subscriptions. It needs sns:Publish on the
// topic.
type SNSTopic struct {
	Client *sns.Client
	ARN    string
}

var _ MailTopic = SNSTopic{}

const publishTimeout = 5 * time.Second

// Publish sends a mail. subject must be at most 99 characters of printable
// ASCII. See https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func (t SNSTopic) Publish(ctx context.Context, subject, body string) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	_, err := t.Client.Publish(ctx, &sns.PublishInput{TopicArn: &t.ARN, Subject: &subject, Message: &body})
	if err != nil {
		return fmt.Errorf("couldn't publish to the mail topic: %w", err)
	}
	return nil
}

// links returns the link signer, or nil if mail links are not configured.
func (c *Reconciler) links(ctx context.Context) (*blocks.Links, error) {
	if c.Links == nil {
		return nil, nil
	}
	return c.Links(ctx)
}
