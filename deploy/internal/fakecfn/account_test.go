package fakecfn_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"

	"countersign/deploy/internal/fakecfn"
)

// apiCode returns the error code of an API call; empty if it succeeded.
func apiCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// A stack in another account works, but cannot be read, and its EventBridge events
// stay in that account.
func TestStackOfAnotherAccount(t *testing.T) {
	w, server := newHTTPFixture(t)
	id, _, err := w.engine.ProvisionProduct(fakecfn.ProvisionProductInput{Stack: fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate), Account: "444455556666"}})
	if err != nil {
		t.Fatal(err)
	}
	st := w.stack(id)
	if st.Status != fakecfn.CreateComplete || !strings.HasPrefix(id, "arn:aws:cloudformation:us-east-1:444455556666:stack/SC-444455556666-pp-") {
		t.Errorf("stack %s is %s", id, st.Status)
	}
	if len(w.emitted) != 0 {
		t.Errorf("%d EventBridge events left their account", len(w.emitted))
	}
	c := client(server, "us-east-1")
	_, err = c.DescribeStacks(context.Background(), &sdk.DescribeStacksInput{StackName: aws.String(id)})
	if got := apiCode(err); got != "ValidationError" {
		t.Errorf("DescribeStacks: %v", err)
	}
	_, err = c.DescribeStackResources(context.Background(), &sdk.DescribeStackResourcesInput{StackName: aws.String(id)})
	if got := apiCode(err); got != "ValidationError" {
		t.Errorf("DescribeStackResources: %v", err)
	}
	_, err = c.GetTemplate(context.Background(), &sdk.GetTemplateInput{StackName: aws.String(id)})
	if got := apiCode(err); got != "ValidationError" {
		t.Errorf("GetTemplate: %v", err)
	}
	_, err = c.CancelUpdateStack(context.Background(), &sdk.CancelUpdateStackInput{StackName: aws.String(id)})
	wantAPIError(t, err, "ValidationError", "Stack ["+id+"] does not exist", http.StatusBadRequest)
	if all, err := c.DescribeStacks(context.Background(), &sdk.DescribeStacksInput{}); err != nil || len(all.Stacks) != 0 {
		t.Errorf("DescribeStacks of all: %d stacks, %v", len(all.Stacks), err)
	}
}

func TestThrottledAPI(t *testing.T) {
	w, server := newHTTPFixture(t)
	id := w.create(fakecfn.CreateStackInput{Template: mustParse(t, diamondTemplate)})
	c := client(server, "us-east-1")
	describe := func() error {
		_, err := c.DescribeStacks(context.Background(), &sdk.DescribeStacksInput{StackName: &id})
		return err
	}
	w.engine.SetThrottled(true)
	if err := describe(); apiCode(err) != "Throttling" {
		t.Errorf("throttled: %v", err)
	}
	w.engine.SetThrottled(false)
	if err := describe(); err != nil {
		t.Error(err)
	}
}
