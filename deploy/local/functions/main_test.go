package functions_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"countersign/deploy/local/functions"
	"countersign/handle/dynamo"
)

// The tests start this program again, to be the functions' process.
func TestMain(m *testing.M) {
	switch {
	case functions.IsChild() && os.Getenv(tableEnv) != "":
		if err := dynamoChild(os.Getenv(tableEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case functions.IsChild():
		functions.Child()
	default:
		os.Exit(m.Run())
	}
}

const (
	endpointEnv = "COUNTERSIGN_DYNAMODB" // URL of a DynamoDB Local; .ci/with-dynamodb sets it
	tableEnv    = "FUNCTIONS_TEST_TABLE" // makes a child use that table, and no file
)

func dynamoConfig() aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(os.Getenv(endpointEnv)),
		Credentials: credentials.NewStaticCredentialsProvider("MADEKEY", "made secret", ""),
	}
}

// dynamoChild is a child over a DynamoDB table.
func dynamoChild(table string) error {
	var c functions.ChildConfig
	if err := json.Unmarshal([]byte(os.Getenv(functions.ChildVariable)), &c); err != nil {
		return err
	}
	return functions.ServeChild(c, dynamo.New(dynamoConfig(), &http.Client{}, table))
}
