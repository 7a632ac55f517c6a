// Package install holds the commands install, upgrade and uninstall. They work from an
// unpacked release, without Go, make or SAM.
//
// The commands read the current state from AWS each time, never from a file, so an
// interrupted command continues when it is run again.
package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"countersign/deploy/internal/awsconfig"
	"countersign/deploy/internal/doctor"
)

// flags are common to all commands.
type flags struct {
	Stack   string `help:"CloudFormation stack of Countersign." default:"countersign"`
	Region  string `help:"AWS Region. Default: as in the AWS CLI." placeholder:"REGION"`
	Profile string `help:"AWS profile. Default: as in the AWS CLI." placeholder:"NAME"`
	Yes     bool   `help:"Ask nothing: fail if a value is missing."`
	Plan    bool   `help:"Say what would be done, and change nothing."`
}

// Install is the command "countersign install".
type Install struct {
	flags
	source
	Workspace    string `help:"ID of the Slack workspace (T…) or Enterprise Grid organization (E…)." placeholder:"ID"`
	Channel      string `help:"Slack channel for requests: an ID, or a name with #." placeholder:"CHANNEL"`
	Approvers    string `help:"IDs of the Slack users (U…) and user groups (S…) that may approve, separated by commas." placeholder:"IDS"`
	DeleteFailed bool   `help:"Delete a stack whose creation failed, and its table if that is empty."`

	BotToken      string `hidden:"" env:"SLACK_BOT_TOKEN"`
	SigningSecret string `hidden:"" env:"SLACK_SIGNING_SECRET"`
}

// source is where the stack comes from.
type source struct {
	Release string            `help:"Folder of the unpacked release. Default: this program's." placeholder:"FOLDER"`
	Bucket  string            `help:"Bucket in the Region for the functions' zips; created if there is none. Default: countersign-ACCOUNT-REGION." placeholder:"NAME"`
	Set     map[string]string `help:"A parameter of the stack. Repeatable." placeholder:"NAME=VALUE" mapsep:"none"`
	File    string            `help:"YAML or JSON file of parameters." placeholder:"FILE"`
}

// Help implements kong.HelpProvider.
func (Install) Help() string {
	return `It asks for what is missing, and continues where an earlier run stopped. Secrets are never flags: give them in
SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET, or when asked.

Examples:

    countersign install
    countersign install --plan
    countersign install --yes --workspace T0123ABCD --channel '#approvals' --approvers S0123ABCD`
}

// Upgrade is the command "countersign upgrade".
type Upgrade struct {
	flags
	source
}

// Help implements kong.HelpProvider.
func (Upgrade) Help() string {
	return `It updates the stack to the release and keeps its parameters, secret and table. A deployment made with SAM can be upgraded too.

Example:

    countersign upgrade --plan`
}

// Uninstall is the command "countersign uninstall".
type Uninstall struct{ flags }

// Help implements kong.HelpProvider.
func (Uninstall) Help() string {
	return `It deletes the stack, and lists what stays: the table with every decision, logs, the secret, the bucket and the Slack app.

Example:

    countersign uninstall --plan`
}

// Run installs, or continues an installation.
func (c Install) Run(ctx context.Context, w io.Writer) error {
	i, err := newInstaller(ctx, c.flags, c.source, newPrompt(w, c.Yes || c.Plan))
	if err != nil {
		return err
	}
	i.deleteFailed = c.DeleteFailed
	i.token, i.signing = c.BotToken, c.SigningSecret
	if err := i.awaitStack(ctx); err != nil {
		return err
	}
	if err := i.resolveParameters(ctx, c); err != nil {
		return err
	}
	if c.Plan {
		return i.plan(ctx)
	}
	if err := i.deploy(ctx); err != nil {
		return err
	}
	if err := i.connectSlack(ctx); err != nil {
		return err
	}
	return i.diagnose(ctx)
}

// Run upgrades a deployment.
func (c Upgrade) Run(ctx context.Context, w io.Writer) error {
	i, err := newInstaller(ctx, c.flags, c.source, newPrompt(w, c.Yes || c.Plan))
	if err != nil {
		return err
	}
	if err := i.awaitStack(ctx); err != nil {
		return err
	}
	if !i.stack.exists() {
		return fmt.Errorf("there is no stack %s in %s: countersign install creates it", c.Stack, i.region)
	}
	if i.stack.failed() {
		return fmt.Errorf("the stack %s is in %s: run countersign install", c.Stack, i.stack.status)
	}
	if err := i.readValues(); err != nil {
		return err
	}
	if c.Plan {
		return i.plan(ctx)
	}
	if err := i.deploy(ctx); err != nil {
		return err
	}
	return i.diagnose(ctx)
}

// Run deletes a deployment.
func (c Uninstall) Run(ctx context.Context, w io.Writer) error {
	i, err := openAccount(ctx, c.flags, newPrompt(w, c.Yes || c.Plan))
	if err != nil {
		return err
	}
	if err := i.awaitStack(ctx); err != nil {
		return err
	}
	return i.uninstall(ctx, c)
}

// diagnose prints the doctor's report.
func (i *installer) diagnose(ctx context.Context) error {
	fmt.Fprintf(i.prompt, "\nChecking the deployment, as countersign doctor does.\n\n")
	return doctor.Command{
		Stack: i.Stack, Region: i.region, Profile: i.Profile, Catalog: "countersign-catalog", Timeout: 2 * time.Minute,
	}.Run(ctx, i.prompt)
}

// open opens the AWS account, and asks for the Region if none is configured.
func (f flags) open(ctx context.Context, p *prompt) (awsconfig.Account, error) {
	account, err := awsconfig.Open(ctx, f.Region, f.Profile, nil)
	if errors.Is(err, awsconfig.ErrNoRegion) && !p.silent {
		region, asked := p.ask(ctx, "AWS Region in which gated products are launched", "", func(s string) error {
			if !regionPattern.MatchString(s) {
				return errors.New("a Region is a name such as eu-west-1")
			}
			return nil
		})
		if asked != nil {
			return account, asked
		}
		account, err = awsconfig.Open(ctx, region, f.Profile, nil)
	}
	if err != nil {
		return account, err
	}
	return account, account.CheckCredentials(ctx)
}
