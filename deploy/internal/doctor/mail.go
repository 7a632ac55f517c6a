package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

const (
	nameMail         = "mail"
	nameMailPolicy   = "mail topic policy"
	nameSubscription = "mail subscription"
	nameLaunchTopic  = "launch topic"
)

// mailTopic returns the ARN of the topic that mails are sent to. Without one, it
// returns the findings of the check of that name.
func (d *doctor) mailTopic(name string) (arn string, findings []Finding) {
	n, err := d.notifier()
	switch {
	case err != nil:
		return "", []Finding{needs(name, nameNotifier)}
	case n.env[envTopic] != "":
		return n.env[envTopic], nil
	case n.env[envChannel] == "":
		return "", []Finding{fault(name, "neither Slack nor mail is configured: launches cannot be approved", "Set the stack parameter Channel or MailAddress:"+redeploy)}
	}
	return "", []Finding{skipped(name, "not configured: launches cannot be approved while Slack is down")}
}

// checkMail checks that mails reach at least one subscriber.
func (d *doctor) checkMail(ctx context.Context) []Finding {
	topic, findings := d.mailTopic(nameMail)
	if findings != nil {
		return findings
	}
	subscriptions, err := d.subscriptions(ctx, topic)
	var gone *types.NotFoundException
	switch {
	case errors.As(err, &gone):
		return []Finding{fault(nameMail, "topic "+topic+" does not exist", "It was deleted by hand. "+restore)}
	case err != nil:
		return []Finding{awsError(nameMail, "sns:ListSubscriptionsByTopic", err)}
	}
	return append([]Finding{d.judgeSubscriptions(topic, subscriptions)}, d.checkUnsubscribe(ctx, topic, subscriptions)...)
}

// checkUnsubscribe warns of subscriptions that anyone with the unsubscribe link of a
// mail can end. Those that were confirmed with the subscriber's link can be. See
// https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
func (d *doctor) checkUnsubscribe(ctx context.Context, topic string, subscriptions []types.Subscription) []Finding {
	var open []types.Subscription
	for _, s := range subscriptions {
		if !strings.HasPrefix(aws.ToString(s.SubscriptionArn), "arn:") || !strings.HasPrefix(aws.ToString(s.Protocol), "email") {
			continue
		}
		out, err := d.aws.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: s.SubscriptionArn})
		var gone *types.NotFoundException
		switch {
		case errors.As(err, &gone): // it ended just now
		case err != nil:
			return []Finding{awsError(nameSubscription, "sns:GetSubscriptionAttributes", err)}
		case out.Attributes["ConfirmationWasAuthenticated"] == "false":
			open = append(open, s)
		}
	}
	if len(open) == 0 {
		return nil
	}
	var addresses []string
	for _, s := range open {
		addresses = append(addresses, aws.ToString(s.Endpoint))
	}
	return []Finding{warning(nameSubscription, "the unsubscribe link in each mail to "+list(addresses, 3)+" ends the subscription when anyone, even a mail scanner, opens it: mails then stop without notice",
		"Subscribe again, and confirm with the token in AWS's mail instead of its link:"+
			d.cli("sns unsubscribe --subscription-arn %s", aws.ToString(open[0].SubscriptionArn))+
			d.cli("sns subscribe --topic-arn %s --protocol email --notification-endpoint %s", topic, addresses[0])+
			d.cli("sns confirm-subscription --topic-arn %s --token TOKEN --authenticate-on-unsubscribe true", topic))}
}

// judgeSubscriptions reports who receives mails. Unconfirmed subscribers receive
// none, and SNS no longer lists those who unsubscribed.
func (d *doctor) judgeSubscriptions(topic string, subscriptions []types.Subscription) Finding {
	var confirmed, pending []string
	for _, s := range subscriptions {
		switch address, arn := aws.ToString(s.Endpoint), aws.ToString(s.SubscriptionArn); arn {
		case "PendingConfirmation":
			pending = append(pending, address)
		case "Deleted":
		default:
			confirmed = append(confirmed, address)
		}
	}
	confirm := "Open the mail \"AWS Notification - Subscription Confirmation\" (it may be in the spam folder) and follow its link. The link is valid for 2 days; this sends another:" +
		d.cli("sns subscribe --topic-arn %s --protocol email --notification-endpoint %s", topic, first(append(pending, "ADDRESS")))
	switch {
	case len(confirmed) == 0 && len(pending) == 0:
		return fault(nameMail, "the mail topic has no subscribers: all have unsubscribed, or a mail scanner followed their unsubscribe links", confirm)
	case len(confirmed) == 0:
		return fault(nameMail, "no mail is delivered: "+list(pending, 3)+" has not confirmed the subscription", confirm)
	case len(pending) > 0:
		return warning(nameMail, list(pending, 3)+" has not confirmed the subscription and receives no mail; "+list(confirmed, 3)+" does", confirm)
	}
	return ok(nameMail, "delivered to %s", list(confirmed, 3))
}

// checkMailPolicy checks that outsiders cannot subscribe to the topic: the links in
// a mail let its reader decide.
func (d *doctor) checkMailPolicy(ctx context.Context) []Finding {
	topic, findings := d.mailTopic(nameMailPolicy)
	if findings != nil {
		return nil // checkMail reports it
	}
	out, err := d.aws.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
	var gone *types.NotFoundException
	switch {
	case errors.As(err, &gone):
		return []Finding{needs(nameMailPolicy, nameMail)}
	case err != nil:
		return []Finding{awsError(nameMailPolicy, "sns:GetTopicAttributes", err)}
	}
	return []Finding{judgeMailPolicy(out.Attributes["Policy"])}
}

func judgeMailPolicy(text string) Finding {
	const do = "The links in a mail let its reader decide. Remove the statement:\n  AWS console > Amazon SNS > Topics > the topic > Edit > Access policy"
	p, err := parsePolicy(text)
	if err != nil {
		return unchecked(nameMailPolicy, "the topic's policy cannot be parsed", do)
	}
	if s, open := p.openTo("sns:Subscribe", "sns:Publish", "sns:SetTopicAttributes"); open {
		return fault(nameMailPolicy, "anyone in AWS may subscribe to the mail topic, publish to it or change it"+s.label(), do)
	}
	return ok(nameMailPolicy, "only this account has access")
}

// checkLaunchTopic checks that launches in other accounts reach the notifier.
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
	var findings []Finding
	out, err := d.aws.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
	var gone *types.NotFoundException
	switch {
	case errors.As(err, &gone):
		return []Finding{fault(nameLaunchTopic, "topic "+topic+" does not exist: launches in other accounts hang for an hour, then fail", restore)}
	case err != nil:
		findings = append(findings, awsError(nameLaunchTopic, "sns:GetTopicAttributes", err))
	default:
		findings = append(findings, judgeLaunchPolicy(out.Attributes["Policy"]))
	}
	subscriptions, err := d.subscriptions(ctx, topic)
	subscribed := slices.ContainsFunc(subscriptions, func(s types.Subscription) bool { return sameFunction(aws.ToString(s.Endpoint), n.arn) })
	switch {
	case subscribed && findings[0].Level == OK:
		findings[0].Found = "the notifier is subscribed; " + findings[0].Found
	case err != nil && !subscribed:
		findings = append(findings, awsError(nameLaunchTopic, "sns:ListSubscriptionsByTopic", err))
	case !subscribed:
		findings = append(findings, fault(nameLaunchTopic, "the notifier is not subscribed: launches in other accounts hang for an hour, then fail", restore))
	}
	return findings
}

// subscriptions returns the subscriptions of a topic that could be read.
func (d *doctor) subscriptions(ctx context.Context, topic string) (list []types.Subscription, err error) {
	pages := sns.NewListSubscriptionsByTopicPaginator(d.aws.sns, &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return list, err
		}
		list = append(list, page.Subscriptions...)
	}
	return list, nil
}

func judgeLaunchPolicy(text string) Finding {
	p, err := parsePolicy(text)
	if err != nil {
		return unchecked(nameLaunchTopic, "the topic's policy cannot be parsed", "Look at it:\n  AWS console > Amazon SNS > Topics > the topic > Access policy")
	}
	if s, open := p.openTo("sns:Publish"); open {
		return fault(nameLaunchTopic, "anyone in AWS may publish to it"+s.label(), "Set the stack parameter OrganizationId, so that only accounts of your organization may publish:"+redeploy)
	}
	if slices.ContainsFunc(p.Statements, func(s statement) bool {
		return s.Effect == "Allow" && s.covers("sns:Publish") && !s.limitsPrincipal()
	}) {
		return ok(nameLaunchTopic, "every principal of the organization may publish, unless the stack parameter LaunchRoles names the launch roles")
	}
	return ok(nameLaunchTopic, "only launch roles may publish")
}

// sameFunction reports whether two ARNs name the same function, ignoring version
// and alias.
func sameFunction(a, b string) bool {
	cut := func(arn string) string {
		parts := strings.Split(arn, ":")
		return strings.Join(parts[:min(7, len(parts))], ":")
	}
	return a != "" && cut(a) == cut(b)
}
