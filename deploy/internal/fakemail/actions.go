package fakemail

import (
	"encoding/json"
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const (
	maxMessageBytes = 256 << 10
	maxSubject      = 100 // a subject must be shorter
)

type publishResult struct {
	XMLName   xml.Name `xml:"PublishResult"`
	MessageID string   `xml:"MessageId"`
}

// publish is the action Publish. With MessageStructure json, mail gets the entry
// for email, or else the default.
func (t *Topic) publish(form url.Values, now time.Time) (any, *apiError) {
	subject, text := form.Get("Subject"), form.Get("Message")
	switch {
	case form.Has("Subject") && !isSubject(subject):
		return nil, invalid("Subject")
	case text == "":
		return nil, invalid("Empty message")
	case !utf8.ValidString(text):
		return nil, invalid("Message is not valid UTF-8")
	case len(text) > maxMessageBytes:
		return nil, invalid("Message too long")
	}
	switch form.Get("MessageStructure") {
	case "":
	case "json":
		var parts map[string]string
		if json.Unmarshal([]byte(text), &parts) != nil || parts["default"] == "" {
			return nil, invalid("Message Structure - No default entry in JSON message body")
		}
		text = parts["default"]
		if own, ok := parts["email"]; ok {
			text = own
		}
	default:
		return nil, invalid("MessageStructure")
	}
	return publishResult{MessageID: t.send(subject, text, now)}, nil
}

// isSubject reports whether s is 1 to 99 characters of printable ASCII and does not
// start with a space.
func isSubject(s string) bool {
	if s == "" || len(s) >= maxSubject || s[0] == ' ' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

type attributesResult struct {
	XMLName xml.Name `xml:"GetTopicAttributesResult"`
	Entries []entry  `xml:"Attributes>entry"`
}

type entry struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// attributes is the action GetTopicAttributes.
func (t *Topic) attributes(url.Values, time.Time) (any, *apiError) {
	confirmed := 0
	for _, s := range t.subscribers {
		if s.Confirmed {
			confirmed++
		}
	}
	return attributesResult{Entries: []entry{
		{"TopicArn", t.config.ARN},
		{"Owner", t.owner()},
		{"DisplayName", t.config.DisplayName},
		{"SubscriptionsConfirmed", strconv.Itoa(confirmed)},
		{"SubscriptionsPending", strconv.Itoa(len(t.subscribers) - confirmed)},
		{"SubscriptionsDeleted", "0"},
	}}, nil
}

// owner returns the account in the topic's ARN.
func (t *Topic) owner() string {
	parts := strings.Split(t.config.ARN, ":")
	if len(parts) != 6 {
		return ""
	}
	return parts[4]
}

type subscriptionsResult struct {
	XMLName   xml.Name `xml:"ListSubscriptionsByTopicResult"`
	Members   []member `xml:"Subscriptions>member"`
	NextToken string   `xml:"NextToken,omitempty"`
}

type member struct {
	SubscriptionARN string `xml:"SubscriptionArn"`
	Owner           string
	Protocol        string
	Endpoint        string
	TopicARN        string `xml:"TopicArn"`
}

// pageSize is the number of subscriptions per response. SNS returns up to 100. It is
// small here so that a response fits into one write: the SDK closes the request
// body when the response starts, and on loopback net/http may not have read the
// body yet and then closes the connection.
const pageSize = 8

// subscriptions is the action ListSubscriptionsByTopic. Unconfirmed subscriptions
// have PendingConfirmation instead of an ARN.
func (t *Topic) subscriptions(form url.Values, _ time.Time) (any, *apiError) {
	from := 0
	if token := form.Get("NextToken"); token != "" {
		var err error
		if from, err = strconv.Atoi(token); err != nil || from < 0 || from > len(t.subscribers) {
			return nil, invalid("NextToken")
		}
	}
	to := min(from+pageSize, len(t.subscribers))
	var result subscriptionsResult
	for i, s := range t.subscribers[from:to] {
		arn := "PendingConfirmation"
		if s.Confirmed {
			arn = t.config.ARN + ":" + uuid(from+i+1)
		}
		result.Members = append(result.Members, member{arn, t.owner(), "email", s.Address, t.config.ARN})
	}
	if to < len(t.subscribers) {
		result.NextToken = strconv.Itoa(to)
	}
	return result, nil
}
