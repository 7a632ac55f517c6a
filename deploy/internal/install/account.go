package install

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
)

// installer installs, upgrades or deletes one deployment.
type installer struct {
	flags
	source
	*prompt
	release release

	region, account, identity string
	clients

	stack  stack             // as it is now
	values map[string]string // of parameters; the stack keeps the others

	deleteFailed   bool
	token, signing string // from the environment; empty to ask
}

type clients struct {
	cloudFormation *cloudformation.Client
	dynamoDB       *dynamodb.Client
	s3             *s3.Client
	secrets        *secretsmanager.Client
}

var regionPattern = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d$`)

// uploadTimeout is how long the upload of one file may take.
const uploadTimeout = 10 * time.Minute

// newInstaller opens the release and the account.
func newInstaller(ctx context.Context, f flags, s source, p *prompt) (*installer, error) {
	r, err := openRelease(s.Release)
	if err != nil {
		return nil, err
	}
	i, err := openAccount(ctx, f, p)
	if err != nil {
		return nil, err
	}
	i.source, i.release = s, r
	return i, nil
}

// openAccount opens the account, and checks the credentials with AWS.
func openAccount(ctx context.Context, f flags, p *prompt) (*installer, error) {
	i := &installer{flags: f, prompt: p, values: map[string]string{}}
	account, err := f.open(ctx, p)
	if err != nil {
		return nil, err
	}
	i.region = account.Config.Region
	who, err := sts.NewFromConfig(account.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, fmt.Errorf("AWS doesn't accept your credentials in %s: sign in again (aws sso login), or check the Region: %s", i.region, handle.OneLine(awsconfig.Reason(err), 300))
	}
	i.account, i.identity = *who.Account, *who.Arn
	upload := &http.Client{Timeout: uploadTimeout, Transport: account.Client.Transport, CheckRedirect: awsconfig.NoRedirect}
	i.clients = clients{
		cloudFormation: cloudformation.NewFromConfig(account.Config),
		dynamoDB:       dynamodb.NewFromConfig(account.Config),
		s3:             s3.NewFromConfig(account.Config, func(o *s3.Options) { o.HTTPClient = upload }),
		secrets:        secretsmanager.NewFromConfig(account.Config),
	}
	fmt.Fprintf(i.prompt, "Account %s, Region %s, as %s\n", i.account, i.region, i.identity)
	return i, nil
}

// callError explains the error of an AWS call that needs the IAM action. It names the
// action if AWS refused it.
func (i *installer) callError(what, action string, err error) error {
	if err == nil {
		return nil
	}
	if awsconfig.Denied(err) {
		return fmt.Errorf("couldn't %s: %s is not allowed %s: add it to its policy, then run the command again", what, i.identity, action)
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("couldn't %s: %w", what, err)
	}
	return fmt.Errorf("couldn't %s (%s): %s", what, action, handle.OneLine(awsconfig.Reason(err), 300))
}
