package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// mailbox receives the topic's notifications. MiniStack sends no mail, but it
// delivers the same content to HTTP subscribers.
type mailbox struct {
	mu    sync.Mutex
	mails []mail
}

type mail struct{ Subject, Body string }

// subscribe subscribes to the topic and confirms the subscription.
func subscribe(t *testing.T, config aws.Config, topic string) *mailbox {
	t.Helper()
	m := &mailbox{}
	client := sns.NewFromConfig(config)
	confirmed := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var n struct{ Type, Subject, Message, Token string }
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			return
		}
		switch n.Type {
		case "SubscriptionConfirmation":
			_, err := client.ConfirmSubscription(context.WithoutCancel(r.Context()), &sns.ConfirmSubscriptionInput{TopicArn: &topic, Token: &n.Token})
			confirmed <- err
		case "Notification":
			m.mu.Lock()
			defer m.mu.Unlock()
			m.mails = append(m.mails, mail{n.Subject, n.Message})
		}
	}))
	t.Cleanup(server.Close)
	_, err := client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("http"), Endpoint: &server.URL})
	if err != nil {
		t.Fatalf("couldn't subscribe to the topic: %v", err)
	}
	select {
	case err := <-confirmed:
		if err != nil {
			t.Fatalf("couldn't confirm the subscription: %v", err)
		}
	case <-t.Context().Done():
		t.Fatal("the topic sent no confirmation request")
	}
	return m
}

func (m *mailbox) all() []mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mails)
}
