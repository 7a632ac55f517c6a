// Package awsconfig reaches the AWS account that an admin's command looks at, as
// the AWS CLI does: the same Region, profile, credentials and CA bundle.
package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"

	"countersign/deploy/internal/awsfix"
)

// CallTimeout is how long one attempt at one call may take.
const CallTimeout = 10 * time.Second

const attempts = 2 // at each call

// Account is where AWS's clients go.
type Account struct {
	Config aws.Config
	Client *http.Client // the one of Config, for what else is of AWS
}

// Open reads region, profile and credentials: those that are given, else those
// that the AWS CLI takes, from the environment and from its files. watch goes
// between the client and the network; nil: nothing does. See
// https://docs.aws.amazon.com/sdkref/latest/guide/creds-config-files.html
func Open(ctx context.Context, region, profile string, watch func(http.RoundTripper) http.RoundTripper) (Account, error) {
	// The SDK makes the client, for it puts AWS_CA_BUNDLE into no other.
	made := awshttp.NewBuildableClient().WithTimeout(CallTimeout)
	c, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region), config.WithSharedConfigProfile(profile), config.WithHTTPClient(made), config.WithRetryMaxAttempts(attempts))
	if err != nil {
		return Account{}, fmt.Errorf("couldn't read the AWS configuration: %w", err)
	}
	if c.Region == "" {
		return Account{}, errors.New("no AWS Region: give --region, or set AWS_REGION")
	}
	bundled, ok := c.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return Account{}, fmt.Errorf("couldn't read the AWS configuration: the SDK made a client of the type %T", c.HTTPClient)
	}
	var transport http.RoundTripper = bundled.GetTransport()
	if watch != nil {
		transport = watch(transport)
	}
	client := awsfix.HTTPClient(&http.Client{Timeout: CallTimeout, Transport: transport, CheckRedirect: Stay})
	c.HTTPClient = client
	return Account{c, client}, nil
}

// Stay follows no redirect.
func Stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
