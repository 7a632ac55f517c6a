// Command doctor checks a deployment of Countersign and says what to do. It
// looks at what is deployed, not at what somebody types: the stack's outputs and
// resources, the functions' own configuration, the secret, Slack, the API.
//
// It changes nothing, unless it is told to by --say-hello.
package doctor

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"countersign/deploy/internal/awsconfig"
)

// options are the command line.
type options struct {
	Stack      string        `help:"CloudFormation stack of Countersign." default:"countersign" placeholder:"NAME"`
	Region     string        `help:"AWS Region of the stack. By default as for the AWS CLI." placeholder:"REGION"`
	Profile    string        `help:"AWS profile. By default as for the AWS CLI." placeholder:"NAME"`
	LaunchRole []string      `help:"Launch role of a product, by name or ARN: may it reach the notifier? May be given several times." placeholder:"ROLE"`
	Catalog    string        `help:"Stack of deploy/catalog.yaml, whose launch roles are checked too." default:"countersign-catalog" placeholder:"NAME"`
	Channel    string        `help:"Check this Slack channel, by ID or #name, in place of the deployment's: one that a product names." placeholder:"CHANNEL"`
	Approvers  []string      `help:"Check these approvers (U…, S…) in place of the deployment's." placeholder:"ID"`
	SayHello   bool          `help:"Post a test message to the channel. Nothing else that the doctor does can be seen by others."`
	JSON       bool          `help:"Print the findings as JSON." name:"json"`
	Timeout    time.Duration `help:"How long all of it may take." default:"2m"`
}

const about = `Checks a deployment of Countersign and says what to do. It changes nothing, unless --say-hello is given.

Exit status: 0 all is well, warnings aside; 1 there is a fault; 2 there is none, as far as could be checked, and something could not be.`

func main() {
	var o options
	kong.Parse(&o, kong.Name("doctor"), kong.Description(about), kong.UsageOnError())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	status, err := o.run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "doctor:", err)
		status = statusUnknown
	}
	os.Exit(status)
}

func (o options) run(ctx context.Context) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	clocks := &clocks{now: time.Now}
	client := &http.Client{Timeout: awsconfig.CallTimeout, Transport: clocks.watch(http.DefaultTransport), CheckRedirect: awsconfig.Stay}
	here, err := awsconfig.Open(ctx, o.Region, o.Profile, clocks.watch)
	if err != nil {
		return 0, err
	}
	d := &doctor{options: o, aws: newClients(here), region: here.Config.Region, client: client, clocks: clocks, now: time.Now}
	report := d.examine(ctx)
	if o.JSON {
		err = report.writeJSON(os.Stdout)
	} else {
		err = report.write(os.Stdout, colours(os.Stdout))
	}
	return report.status(), err
}
