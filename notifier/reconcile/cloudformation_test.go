package reconcile_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/google/go-cmp/cmp"

	"countersign/handle"
	"countersign/notifier/reconcile"
)

// CloudFormation returns characters outside ASCII as question marks, and people
// should know why they see them.
func TestUnreadableOutputsSayWhy(t *testing.T) {
	body, err := os.ReadFile("testdata/describe-stacks-non-ascii.xml")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer server.Close()
	c := reconcile.CloudFormation{Client: cloudformation.New(cloudformation.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDMADE", "made", ""),
	})}
	d, err := c.Describe(context.Background(), "SC-111122223333-pp-abcdefghijklm")
	if err != nil {
		t.Fatal(err)
	}
	want := []handle.Field{
		{Name: "Greeting", Value: "????? ??? (CloudFormation returns characters outside ASCII as question marks)"},
		{Name: "Url", Value: "https://example.com/a?b=1&c=?"},
	}
	if diff := cmp.Diff(want, d.Outputs); diff != "" {
		t.Error(diff)
	}
}
