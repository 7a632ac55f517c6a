package localfn_test

import (
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/awsfix"
	"countersign/deploy/internal/localfn"
	"countersign/handle/dynamo"
)

// TestMain lets tests start this program as the functions' process.
func TestMain(m *testing.M) {
	switch {
	case localfn.IsChild() && os.Getenv(bareEnv) != "":
		if err := runBareChild(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case localfn.IsChild() && os.Getenv(tableEnv) != "":
		if err := runDynamoChild(os.Getenv(tableEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case localfn.IsChild():
		localfn.RunChild()
	default:
		os.Exit(m.Run())
	}
}

const (
	endpointEnv = "COUNTERSIGN_DYNAMODB" // URL of a DynamoDB Local; .ci/with-dynamodb sets it
	tableEnv    = "FUNCTIONS_TEST_TABLE" // makes a child use this table instead of a file
	bareEnv     = "FUNCTIONS_TEST_BARE"  // makes a child only verify the signature
)

func dynamoConfig() aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(os.Getenv(endpointEnv)),
		Credentials: credentials.NewStaticCredentialsProvider("EXAMPLEKEY", "example-secret", ""),
	}
}

// runDynamoChild runs a child over a DynamoDB table.
func runDynamoChild(table string) error {
	var c localfn.ChildConfig
	if err := json.Unmarshal([]byte(os.Getenv(localfn.ChildVariable)), &c); err != nil {
		return err
	}
	return localfn.ServeChild(c, dynamo.New(dynamoConfig(), awsfix.HTTPClient(&http.Client{}), table))
}

// runBareChild serves a minimal Slack app: it reads a request, verifies its
// signature and answers.
func runBareChild() error {
	var c localfn.ChildConfig
	if err := json.Unmarshal([]byte(os.Getenv(localfn.ChildVariable)), &c); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	origin := "http://" + l.Addr().String()
	if err := json.NewEncoder(os.Stdout).Encode(localfn.ChildAddress{Bot: origin}); err != nil {
		return err
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		seconds, bad := strconv.ParseInt(r.Header.Get("X-Slack-Request-Timestamp"), 10, 64)
		at := time.Unix(seconds, 0)
		want := slacktest.Sign(c.Functions.SigningSecrets[0], at, body)
		if err != nil || bad != nil || time.Since(at).Abs() > 5*time.Minute || !hmac.Equal([]byte(r.Header.Get("X-Slack-Signature")), []byte(want)) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	server := &http.Server{Handler: http.HandlerFunc(handler), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(l)
}
