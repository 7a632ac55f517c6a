package doctor

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"

	"countersign/deploy/internal/awsconfig"
	"countersign/handle"
)

// doctor checks one deployment. Facts that several checks need are read once.
type doctor struct {
	Command
	aws    clients
	region string
	client *http.Client
	clocks *clocks
	now    func() time.Time

	facts
}

// facts are read on first use. If one fails, the check of that name reports why.
type facts struct {
	identity func() (identity, error)
	stack    func() (stack, error)
	bot      func() (deployedFunction, error)
	notifier func() (deployedFunction, error)
	secret   func() (secret, error)
	slack    func() (workspace, error)
	recent   func() ([]handle.Request, error)
}

// check returns the findings of one check.
type check func(*doctor, context.Context) []Finding

// checks are in the order in which a launch passes what they check: the deployment,
// the request in Slack, the answer, mail, the products, and what runs in the background.
var checks = []check{
	(*doctor).checkIdentity,
	(*doctor).checkStack,
	(*doctor).checkBot,
	(*doctor).checkNotifier,
	(*doctor).checkTable,
	(*doctor).checkSecret,
	(*doctor).checkToken,
	(*doctor).checkScopes,
	(*doctor).checkApp,
	(*doctor).checkChannel,
	(*doctor).checkApprovers,
	(*doctor).checkRequesters,
	(*doctor).checkAPI,
	(*doctor).checkMail,
	(*doctor).checkMailPolicy,
	(*doctor).checkLaunchTopic,
	(*doctor).checkLaunchRoles,
	(*doctor).checkProducts,
	(*doctor).checkUpdates,
	(*doctor).checkSweep,
	(*doctor).checkHeartbeat,
	(*doctor).checkStatusRule,
	(*doctor).checkOverdue,
	(*doctor).checkFailureQueue,
	(*doctor).checkAlarms,
	(*doctor).checkHello,
}

const (
	checkTimeout  = 45 * time.Second
	maxConcurrent = 6
)

// checkAll makes all checks concurrently; they wait for each other only to share
// facts. The clocks come last: every response shows one.
func (d *doctor) checkAll(ctx context.Context) Report {
	d.readFacts(ctx)
	found := make([][]Finding, len(checks))
	var group errgroup.Group
	group.SetLimit(maxConcurrent)
	for i, check := range checks {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			found[i] = check(d, ctx)
			return nil
		})
	}
	_ = group.Wait()
	who, _ := d.identity()
	r := Report{
		Stack: d.Stack, Region: d.region, Account: who.account, Identity: who.arn,
		Findings: append(slices.Concat(found...), d.clocks.check()),
	}
	attributeBlocked(r.Findings)
	d.completeCommands(r.Findings)
	d.redact(r.Findings)
	return r
}

// readFacts sets d.facts.
func (d *doctor) readFacts(ctx context.Context) {
	d.facts = facts{
		identity: sync.OnceValues(func() (identity, error) { return d.readIdentity(ctx) }),
		stack:    sync.OnceValues(func() (stack, error) { return d.readStack(ctx) }),
		bot:      sync.OnceValues(func() (deployedFunction, error) { return d.readFunction(ctx, "bot", "BotFunctionName") }),
		notifier: sync.OnceValues(func() (deployedFunction, error) { return d.readFunction(ctx, "notifier", "NotifierFunctionName") }),
		secret:   sync.OnceValues(func() (secret, error) { return d.readSecret(ctx) }),
		slack:    sync.OnceValues(func() (workspace, error) { return d.readWorkspace(ctx) }),
		recent:   sync.OnceValues(func() ([]handle.Request, error) { return d.readRecent(ctx) }),
	}
}

// attributeBlocked attributes blocked checks to their root cause.
func attributeBlocked(findings []Finding) {
	needed := map[string]string{}
	for _, f := range findings {
		if f.Needs != "" {
			needed[f.Name] = f.Needs
		}
	}
	for i, f := range findings {
		root := f.Needs
		for range needed { // as many steps as there can be
			if next := needed[root]; next != "" {
				root = next
			}
		}
		if root != "" {
			findings[i] = needs(f.Name, root)
		}
	}
}

// redact removes the values of the secret from findings. No check prints one; this
// guards against mistakes.
func (d *doctor) redact(findings []Finding) {
	s, _ := d.secret() // as far as it could be read
	var pairs []string
	for _, value := range s.values() {
		pairs = append(pairs, value, "[hidden]")
	}
	redactor := strings.NewReplacer(pairs...)
	for i := range findings {
		f := &findings[i]
		f.Found, f.Do = redactor.Replace(f.Found), redactor.Replace(f.Do)
	}
}

const (
	anyStack = "--stack-name STACK"

	// doctorCommand is this command, as in the installation.
	doctorCommand = sourceCommand + "doctor"

	// sourceCommand runs the command line from the sources.
	sourceCommand = "\n  go run ./deploy/countersign "

	// redeploy are the installation's commands. sam asks for the parameters and
	// offers their present values.
	redeploy = "\n  sam build --template deploy/template.yaml && sam deploy --guided " + anyStack
)

// restore is advice to undo changes by hand. A plain deployment does not, because
// CloudFormation compares templates, not resources. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
const restore = "Create a drift-aware change set with the stack's current template; a plain deployment does not undo changes made by hand:" +
	"\n  AWS console > CloudFormation > Stacks > the stack > Change sets > Create change set" +
	"\n  https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html"

// slackClient returns a client for the Slack API that the functions use. It follows
// no redirect, which would take the token to another host.
func (d *doctor) slackClient(token, api string) *slack.Client {
	client := *d.client
	client.CheckRedirect = awsconfig.NoRedirect
	options := []slack.Option{slack.OptionHTTPClient(&client)}
	if api != "" {
		options = append(options, slack.OptionAPIURL(api))
	}
	return slack.New(token, options...)
}
