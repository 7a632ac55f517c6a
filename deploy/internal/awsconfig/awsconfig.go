// Package awsconfig opens the AWS account that a command reads, as the AWS CLI
// does: with the same Region, profile, credentials and CA bundle. It also writes
// IAM policies.
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

const attempts = 2 // per call

// Account configures AWS clients.
type Account struct {
	Config aws.Config
	Client *http.Client // the HTTP client in Config
}

// ErrNoRegion means that neither the command line nor the environment names a Region.
var ErrNoRegion = errors.New("no AWS Region: use --region or set AWS_REGION")

// Open returns the configuration for region and profile. Empty ones, and the
// credentials, come from the environment and the AWS CLI's files. wrap, if not nil,
// wraps the HTTP transport. See
// https://docs.aws.amazon.com/sdkref/latest/guide/creds-config-files.html
func Open(ctx context.Context, region, profile string, wrap func(http.RoundTripper) http.RoundTripper) (Account, error) {
	// The SDK applies AWS_CA_BUNDLE only to a client of this type.
	buildable := awshttp.NewBuildableClient().WithTimeout(CallTimeout)
	c, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region), config.WithSharedConfigProfile(profile), config.WithHTTPClient(buildable), config.WithRetryMaxAttempts(attempts))
	if err != nil {
		return Account{}, fmt.Errorf("couldn't load the AWS configuration: %w", err)
	}
	if c.Region == "" {
		return Account{}, ErrNoRegion
	}
	bundled, ok := c.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return Account{}, fmt.Errorf("couldn't load the AWS configuration: unexpected HTTP client %T", c.HTTPClient)
	}
	var transport http.RoundTripper = bundled.GetTransport()
	if wrap != nil {
		transport = wrap(transport)
	}
	client := awsfix.HTTPClient(&http.Client{Timeout: CallTimeout, Transport: transport, CheckRedirect: NoRedirect})
	c.HTTPClient = client
	return Account{c, client}, nil
}

// CheckCredentials reports whether there are credentials, with what to do if not. It
// does not check whether AWS accepts them.
func (a Account) CheckCredentials(ctx context.Context) error {
	if _, err := a.Config.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("no AWS credentials: sign in (aws sso login) or choose a profile with --profile: %w", err)
	}
	return nil
}

// NoRedirect makes a client return redirects instead of following them: signed
// requests and secrets go only to the host they are meant for.
func NoRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
