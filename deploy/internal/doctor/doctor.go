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
)

// doctor makes the checks of one deployment. What several checks need, it reads
// once, as facts.
type doctor struct {
	Command
	aws    clients
	region string
	client *http.Client
	clocks *clocks
	now    func() time.Time

	facts
}

// facts are read when they are first asked for. An error says that they cannot
// be had; why, the check of that name has found.
type facts struct {
	identity func() (identity, error)
	stack    func() (stack, error)
	bot      func() (deployed, error)
	notifier func() (deployed, error)
	secret   func() (secret, error)
	slack    func() (workspace, error)
}

// check makes the findings of one matter.
type check func(*doctor, context.Context) []Finding

// checks are in the order of a launch's way: what stands, who is asked, how an
// answer comes back, what happens if it does not.
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
	(*doctor).checkDoor,
	(*doctor).checkMail,
	(*doctor).checkMailPolicy,
	(*doctor).checkLaunchTopic,
	(*doctor).checkLaunchRoles,
	(*doctor).checkSweep,
	(*doctor).checkPulse,
	(*doctor).checkStatusRule,
	(*doctor).checkOverdue,
	(*doctor).checkFailures,
	(*doctor).checkAlarms,
	(*doctor).checkHello,
}

const (
	checkTimeout = 45 * time.Second
	atOnce       = 6
)

// examine makes all checks, side by side: none waits for another but for the
// facts that both need. The clocks come last, read off all answers.
func (d *doctor) examine(ctx context.Context) Report {
	d.readFacts(ctx)
	found := make([][]Finding, len(checks))
	var group errgroup.Group
	group.SetLimit(atOnce)
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
	follow(r.Findings)
	d.complete(r.Findings)
	d.hide(r.Findings)
	return r
}

// readFacts makes every fact available; each is read once, when it is first asked
// for.
func (d *doctor) readFacts(ctx context.Context) {
	d.facts = facts{
		identity: sync.OnceValues(func() (identity, error) { return d.readIdentity(ctx) }),
		stack:    sync.OnceValues(func() (stack, error) { return d.readStack(ctx) }),
		bot:      sync.OnceValues(func() (deployed, error) { return d.readFunction(ctx, "bot", "BotFunctionName") }),
		notifier: sync.OnceValues(func() (deployed, error) { return d.readFunction(ctx, "notifier", "NotifierFunctionName") }),
		secret:   sync.OnceValues(func() (secret, error) { return d.readSecret(ctx) }),
		slack:    sync.OnceValues(func() (workspace, error) { return d.readWorkspace(ctx) }),
	}
}

// follow makes what needs a check that itself needs another, need that one.
func follow(findings []Finding) {
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

// hide is the last guard of the secrets: whatever slipped into a finding is
// taken out of it.
func (d *doctor) hide(findings []Finding) {
	s, _ := d.secret() // as far as it could be read
	var pairs []string
	for _, value := range s.values() {
		pairs = append(pairs, value, "[hidden]")
	}
	hider := strings.NewReplacer(pairs...)
	for i := range findings {
		f := &findings[i]
		f.Found, f.Do = hider.Replace(f.Found), hider.Replace(f.Do)
	}
}

const (
	anyStack = "--stack-name STACK"

	// redeploy are the README's commands, which examine completes. They ask for
	// the parameters, and offer those of the last time.
	redeploy = "\n  sam build --template deploy/template.yaml && sam deploy --guided " + anyStack
)

// putBack mends what was changed or deleted by hand. To deploy the same template
// again would not: CloudFormation compares templates. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
const putBack = "Have CloudFormation put it back, with a drift-aware change set of the stack's current template; a plain deployment does not see what was changed by hand:" +
	"\n  AWS console > CloudFormation > Stacks > the stack > Change sets > Create change set" +
	"\n  https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html"

// complete names the stack, the Region and the profile in the commands that
// cannot know them.
func (d *doctor) complete(findings []Finding) {
	for i := range findings {
		findings[i].Do = strings.ReplaceAll(findings[i].Do, anyStack, "--stack-name "+d.Stack+d.there())
	}
}

// there are the flags that lead to the account and the Region, in AWS's commands
// and in SAM's.
func (d *doctor) there() string {
	flags := " --region " + d.region
	if d.Profile != "" {
		flags += " --profile " + d.Profile
	}
	return flags
}

// cli is a command of the AWS CLI on a line of its own, for the Region and
// profile that the doctor was given.
func (d *doctor) cli(command string) string {
	return "\n  aws " + command + d.there()
}

// slackClient calls the Slack that the functions call.
func (d *doctor) slackClient(token, api string) *slack.Client {
	options := []slack.Option{slack.OptionHTTPClient(d.client)}
	if api != "" {
		options = append(options, slack.OptionAPIURL(api))
	}
	return slack.New(token, options...)
}
