// Package doctor is the command "countersign doctor": it checks a deployment and
// says how to fix what is wrong. It reads what is deployed: the stack's outputs
// and resources, the functions' environment, the secret, Slack, the API.
//
// It changes nothing, except that --say-hello posts one message.
package doctor

import (
	"context"
	"io"
	"net/http"
	"os"
	"time"

	"countersign/deploy/internal/awsconfig"
	"countersign/deploy/internal/exit"
)

// Command is the command line.
type Command struct {
	Stack       string        `help:"CloudFormation stack of Countersign." default:"countersign"`
	Region      string        `help:"AWS Region of the stack. Default: as in the AWS CLI." placeholder:"REGION"`
	Profile     string        `help:"AWS profile. Default: as in the AWS CLI." placeholder:"NAME"`
	LaunchRole  []string      `help:"Check that this launch role (name or ARN) may call the notifier. Repeatable." placeholder:"ROLE"`
	Catalog     string        `help:"Stack of deploy/catalog.yaml; its launch roles are checked too." default:"countersign-catalog"`
	Channel     string        `help:"Check this Slack channel (ID or #name) instead of the deployment's." placeholder:"CHANNEL"`
	Approvers   []string      `help:"Check these approvers (U…, S…) instead of the deployment's." placeholder:"ID"`
	SayHello    bool          `help:"Post a test message to the channel: the only check that others see."`
	JSON        bool          `help:"Print the findings as JSON." name:"json"`
	PrintPolicy bool          `help:"Print the IAM policy that this command needs, and exit."`
	Timeout     time.Duration `help:"Give up after this time." default:"2m"`
}

// Help implements kong.HelpProvider.
func (Command) Help() string {
	return `It reads the stack, the functions, the table, the secret, Slack and the API, and prints no secret. It changes nothing.

Exit status: 0 no faults (there may be warnings); 1 at least one fault; 2 no faults found, but a check could not be made.

Examples:

    countersign doctor --stack countersign --region eu-west-1
    countersign doctor --launch-role MyLaunchRole --say-hello
    countersign doctor --print-policy > policy.json`
}

// Run makes the checks and prints the report. The error is an *exit.Error.
func (c Command) Run(ctx context.Context, w io.Writer) error {
	status, err := c.run(ctx, w)
	if err != nil {
		return &exit.Error{Status: statusUnknown, Err: err}
	}
	if status != statusOK {
		return &exit.Error{Status: status}
	}
	return nil
}

func (c Command) run(ctx context.Context, w io.Writer) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	clocks := &clocks{now: time.Now}
	client := &http.Client{Timeout: awsconfig.CallTimeout, Transport: clocks.transport(http.DefaultTransport), CheckRedirect: awsconfig.NoRedirect}
	account, err := awsconfig.Open(ctx, c.Region, c.Profile, clocks.transport)
	if err != nil {
		return 0, err
	}
	d := &doctor{Command: c, aws: newClients(account), region: account.Config.Region, client: client, clocks: clocks, now: time.Now}
	if c.PrintPolicy {
		return statusOK, d.printPolicy(ctx, w, os.Stderr)
	}
	if err := account.CheckCredentials(ctx); err != nil {
		return 0, err
	}
	report := d.checkAll(ctx)
	if c.JSON {
		err = report.writeJSON(w)
	} else {
		err = report.write(w, colours(w))
	}
	return report.status(), err
}
