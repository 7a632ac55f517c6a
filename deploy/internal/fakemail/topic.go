package fakemail

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config configures a topic.
type Config struct {
	Now         func() time.Time // required; called without any lock
	ARN         string           // arn:aws:sns:REGION:ACCOUNT:NAME
	DisplayName string           // sender name of the mails
	Subscribers []Subscriber

	// Fault is called before each call takes effect, without any lock, and decides
	// how the call fails. If it returns nil, the call succeeds.
	Fault func(action string, form url.Values) *Fault
}

// Subscriber is an e-mail subscription. Only confirmed ones receive mail.
type Subscriber struct {
	Address   string
	Confirmed bool
}

// Message is a mail as its recipients see it.
type Message struct {
	ID      string // SNS's message ID
	From    string
	To      []string // the confirmed subscribers at that time; each gets a separate mail
	Subject string
	Text    string // as published
	Body    string // Text with the footer that SNS adds
	At      time.Time
}

// Topic is one SNS topic. Its methods are safe for concurrent use and return copies.
type Topic struct {
	config Config
	region string

	mu          sync.Mutex
	fault       func(action string, form url.Values) *Fault
	subscribers []Subscriber
	messages    []Message
	published   int
	requests    int
	counts      map[string]int
}

// New returns a topic.
func New(c Config) *Topic {
	t := &Topic{
		config: c, fault: c.Fault, subscribers: slices.Clone(c.Subscribers), counts: make(map[string]int),
	}
	if parts := strings.Split(c.ARN, ":"); len(parts) == 6 {
		t.region = parts[3]
	}
	return t
}

// SetFault replaces the hook of Config.Fault; nil removes it.
func (t *Topic) SetFault(f func(action string, form url.Values) *Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = f
}

// Subscribe adds a subscriber or replaces the one with the same address, for example
// when a person confirms.
func (t *Topic) Subscribe(s Subscriber) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.find(s.Address); i >= 0 {
		t.subscribers[i] = s
		return
	}
	t.subscribers = append(t.subscribers, s)
}

// Unsubscribe removes a subscriber, like the link in each mail.
func (t *Topic) Unsubscribe(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.find(address); i >= 0 {
		t.subscribers = slices.Delete(t.subscribers, i, i+1)
	}
}

func (t *Topic) find(address string) int {
	return slices.IndexFunc(t.subscribers, func(s Subscriber) bool { return s.Address == address })
}

// Messages returns the mails that had at least one recipient, oldest first.
func (t *Topic) Messages() []Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	messages := slices.Clone(t.messages)
	for i := range messages {
		messages[i].To = slices.Clone(messages[i].To)
	}
	return messages
}

// Published returns how many messages SNS accepted, with or without recipients.
func (t *Topic) Published() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.published
}

// Counts returns how often each action was called, failed calls included.
func (t *Topic) Counts() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// send delivers a message to all confirmed subscribers. The caller holds the lock.
func (t *Topic) send(subject, text string, now time.Time) (id string) {
	t.published++
	id = uuid(t.published)
	var to []string
	for _, s := range t.subscribers {
		if s.Confirmed {
			to = append(to, s.Address)
		}
	}
	if len(to) > 0 {
		t.messages = append(t.messages, Message{
			ID: id, From: cmp.Or(t.config.DisplayName, "AWS Notifications") + " <no-reply@sns.amazonaws.com>", To: to,
			Subject: cmp.Or(subject, "AWS Notification Message"), Text: text, Body: text + t.footer(), At: now,
		})
	}
	return id
}

// footer returns the text that SNS appends to each mail.
func (t *Topic) footer() string {
	return "\n\n--\nYou received this mail because your address is subscribed to an Amazon SNS topic.\n" +
		"To stop receiving mail from this topic, unsubscribe here:\n" +
		"https://sns." + t.region + ".amazonaws.com/unsubscribe.html?SubscriptionArn=" + t.config.ARN + "\n" +
		"Please do not reply to this mail.\n"
}

// uuid returns the nth identifier, in the form of a UUID.
func uuid(n int) string {
	s := strconv.FormatInt(int64(n), 16)
	return "00000000-0000-4000-8000-" + strings.Repeat("0", 12-len(s)) + s
}
