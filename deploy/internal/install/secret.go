package install

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"countersign/deploy/internal/function"
)

// credentials is the secret's JSON, which function.ParseSecret reads. It must never be
// printed.
type credentials struct {
	SlackToken     string   `json:"slackToken"`
	SigningSecrets []string `json:"signingSecrets"`
	MailKeys       []string `json:"mailKeys"`
}

// String and GoString hide the secret from fmt.
func (credentials) String() string   { return "[hidden]" }
func (credentials) GoString() string { return "[hidden]" }

// findSecret returns the ARN of the secret with the stack's name, or "".
func (i *installer) findSecret(ctx context.Context) (arn string, err error) {
	out, err := i.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &i.Stack})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return "", nil
	case err != nil:
		return "", i.callError("look for the secret "+i.Stack, "secretsmanager:DescribeSecret", err)
	case out.DeletedDate != nil:
		return "", fmt.Errorf("the secret %s is scheduled for deletion: aws secretsmanager restore-secret --secret-id %s", i.Stack, i.Stack)
	}
	return *out.ARN, nil
}

// ensureSecret returns the ARN of the secret, which it creates if there is none.
func (i *installer) ensureSecret(ctx context.Context) (arn string, err error) {
	arn, err = i.findSecret(ctx)
	if err != nil || arn != "" {
		return arn, err
	}
	fmt.Fprintf(i.prompt, "Creating the secret %s\n", i.Stack)
	text, err := json.Marshal(credentials{SigningSecrets: []string{}, MailKeys: []string{rand.Text() + rand.Text()}})
	if err != nil {
		return "", err
	}
	out, err := i.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: &i.Stack, SecretString: aws.String(string(text)), Description: aws.String("Countersign: Slack token, signing secrets, and keys of mailed links"),
	})
	if err != nil {
		return "", i.callError("create the secret "+i.Stack, "secretsmanager:CreateSecret", err)
	}
	return *out.ARN, nil
}

// readSecret reads the deployment's secret.
func (i *installer) readSecret(ctx context.Context) (credentials, error) {
	arn := i.value("SecretArn")
	out, err := i.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return credentials{}, i.callError("read the secret", "secretsmanager:GetSecretValue", err)
	}
	text := aws.ToString(out.SecretString)
	if _, err := function.ParseSecret(text); err != nil {
		return credentials{}, err
	}
	var s credentials
	return s, json.Unmarshal([]byte(text), &s)
}

// storeSecret replaces the deployment's secret.
func (i *installer) storeSecret(ctx context.Context, s credentials) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	arn := i.value("SecretArn")
	_, err = i.secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: aws.String(string(text))})
	return i.callError("store the token and the signing secret", "secretsmanager:PutSecretValue", err)
}
