package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"countersign/handle"
)

const (
	nameMail        = "mail"
	nameMailPolicy  = "mail topic policy"
	nameLaunchTopic = "launch topic"
)

// mailTopic is the topic that the notifier mails to. ok is false, with the
// findings to return, if there is none to look at.
func (d *doctor) mailTopic(name string) (arn string, no []Finding) {
	n, err := d.notifier()
	switch {
	case err != nil:
		return "", []Finding{needs(name, nameNotifier)}
	case n.env[envTopic] != "":
		return n.env[envTopic], nil
	case n.env[envChannel] == "":
		return "", []Finding{fault(name, "neither a channel nor a mail topic is set: nobody can be asked", "Give the stack a Slack channel, or a mail address:"+redeploy)}
	}
	return "", []Finding{skipped(name, "no mail topic is set: when Slack is down, nobody can be asked")}
}

// checkMail finds out whether a mail would reach anybody.
func (d *doctor) checkMail(ctx context.Context) []Finding {
	topic, no := d.mailTopic(nameMail)
	if no != nil {
		return no
	}
	var subscriptions []types.Subscription
	pages := sns.NewListSubscriptionsByTopicPaginator(d.aws.sns, &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var gone *types.NotFoundException
		if errors.As(err, &gone) {
			return []Finding{fault(nameMail, "there is no topic "+topic, "Somebody has deleted it. "+putBack)}
		}
		if err != nil {
			return []Finding{unread(nameMail, "sns:ListSubscriptionsByTopic", err)}
		}
		subscriptions = append(subscriptions, page.Subscriptions...)
	}
	return []Finding{d.judgeSubscriptions(topic, subscriptions)}
}

// judgeSubscriptions says who gets the mails: whoever has not confirmed gets
// none, and whoever unsubscribed is not listed any more.
func (d *doctor) judgeSubscriptions(topic string, subscriptions []types.Subscription) Finding {
	var confirmed, pending []string
	for _, s := range subscriptions {
		switch who, arn := aws.ToString(s.Endpoint), aws.ToString(s.SubscriptionArn); arn {
		case "PendingConfirmation":
			pending = append(pending, who)
		case "Deleted":
		default:
			confirmed = append(confirmed, who)
		}
	}
	confirm := "Open the mail \"AWS Notification - Subscription Confirmation\" (look among the spam) and follow its link. It is good for 2 days; this sends another:" +
		d.cli("sns subscribe --topic-arn "+topic+" --protocol email --notification-endpoint "+first(append(pending, "ADDRESS")))
	switch {
	case len(confirmed) == 0 && len(pending) == 0:
		return fault(nameMail, "nobody has subscribed to the mail topic, or whoever had has unsubscribed: a scanner that follows the links of mails does that too", confirm)
	case len(confirmed) == 0:
		return fault(nameMail, "nobody gets mail: "+list(pending, 3)+" has not confirmed", confirm)
	case len(pending) > 0:
		return warning(nameMail, list(pending, 3)+" has not confirmed, and gets no mail; "+list(confirmed, 3)+" does", confirm)
	}
	return ok(nameMail, "%s gets it", list(confirmed, 3))
}

// checkMailPolicy looks who may subscribe to the topic: whoever reads a mail
// can decide by it.
func (d *doctor) checkMailPolicy(ctx context.Context) []Finding {
	topic, no := d.mailTopic(nameMailPolicy)
	if no != nil {
		return nil // checkMail says so
	}
	out, err := d.aws.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
	var gone *types.NotFoundException
	switch {
	case errors.As(err, &gone):
		return []Finding{needs(nameMailPolicy, nameMail)}
	case err != nil:
		return []Finding{unread(nameMailPolicy, "sns:GetTopicAttributes", err)}
	}
	return []Finding{judgeMailPolicy(out.Attributes["Policy"])}
}

func judgeMailPolicy(text string) Finding {
	const do = "Whoever reads a mail can decide by it. Take the statement out:\n  AWS console > Amazon SNS > Topics > the topic > Edit > Access policy"
	p, err := parsePolicy(text)
	if err != nil {
		return unchecked(nameMailPolicy, "the topic's policy cannot be read", do)
	}
	for _, s := range p {
		if s.open() && s.allows("sns:Subscribe", "sns:Publish", "sns:SetTopicAttributes") {
			return fault(nameMailPolicy, "anybody may subscribe to the mail topic, or publish to it, or change it"+s.called(), do)
		}
	}
	return ok(nameMailPolicy, "nobody outside is let in")
}

// checkLaunchTopic looks whether launches from other accounts arrive.
func (d *doctor) checkLaunchTopic(ctx context.Context) []Finding {
	s, err := d.stack()
	if err != nil {
		return []Finding{needs(nameLaunchTopic, nameStack)}
	}
	topic := s.outputs["ServiceTokenForOtherAccounts"]
	if topic == "" {
		return nil // most deployments serve one account
	}
	n, err := d.notifier()
	if err != nil {
		return []Finding{needs(nameLaunchTopic, nameNotifier)}
	}
	out, err := d.aws.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
	var gone *types.NotFoundException
	switch {
	case errors.As(err, &gone):
		return []Finding{fault(nameLaunchTopic, "there is no topic "+topic+": launches from other accounts hang for an hour", putBack)}
	case err != nil:
		return []Finding{unread(nameLaunchTopic, "sns:GetTopicAttributes", err)}
	}
	page, err := d.aws.sns.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	if err != nil {
		return []Finding{unread(nameLaunchTopic, "sns:ListSubscriptionsByTopic", err)}
	}
	return []Finding{judgeLaunchTopic(out.Attributes["Policy"], page.Subscriptions, n.arn)}
}

func judgeLaunchTopic(text string, subscriptions []types.Subscription, notifier string) Finding {
	if !slices.ContainsFunc(subscriptions, func(s types.Subscription) bool { return sameFunction(aws.ToString(s.Endpoint), notifier) }) {
		return fault(nameLaunchTopic, "the notifier does not listen to it: launches from other accounts hang for an hour", putBack)
	}
	p, err := parsePolicy(text)
	if err != nil {
		return unchecked(nameLaunchTopic, "the topic's policy cannot be read", "")
	}
	for _, s := range p {
		if s.open() && s.allows("sns:Publish") {
			return fault(nameLaunchTopic, "anybody in AWS may publish to it"+s.called(), "Deploy again with the ID of your organization, so that only its accounts may:"+redeploy)
		}
	}
	return ok(nameLaunchTopic, "the notifier listens to it")
}

// statement is one of an IAM policy, as far as it matters here.
type statement struct {
	Sid, Effect string
	Principal   json.RawMessage
	Action      texts
	Resource    texts
	Condition   map[string]map[string]texts
}

// texts is a string, or a list of strings.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = texts{s}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

func parsePolicy(text string) ([]statement, error) {
	var p struct{ Statement []statement }
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return nil, fmt.Errorf("couldn't read a policy: %w", err)
	}
	return p.Statement, nil
}

// open reports whether everybody is let in, unconditionally.
func (s statement) open() bool {
	if s.Effect != "Allow" || len(s.Condition) > 0 {
		return false
	}
	var all string
	var some map[string]texts
	if json.Unmarshal(s.Principal, &all) == nil {
		return all == "*"
	}
	return json.Unmarshal(s.Principal, &some) == nil && slices.Contains(some["AWS"], "*")
}

func (s statement) allows(actions ...string) bool {
	for _, a := range s.Action {
		prefix, wild := strings.CutSuffix(a, "*")
		for _, wanted := range actions {
			if strings.EqualFold(a, wanted) || wild && strings.HasPrefix(strings.ToLower(wanted), strings.ToLower(prefix)) {
				return true
			}
		}
	}
	return false
}

func (s statement) called() string {
	if s.Sid == "" {
		return ""
	}
	return " (statement " + handle.OneLine(s.Sid, 60) + ")"
}

// sameFunction reports whether two ARNs are of one function, of whatever
// version or alias.
func sameFunction(a, b string) bool {
	cut := func(arn string) string {
		parts := strings.Split(arn, ":")
		return strings.Join(parts[:min(7, len(parts))], ":")
	}
	return a != "" && cut(a) == cut(b)
}
