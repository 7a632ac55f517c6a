package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"countersign/bot/slacktest"
	"countersign/deploy/internal/sandbox"
	"countersign/deploy/internal/testtools"
	"countersign/handle"
)

// launch is one launch of a product: a stack on MiniStack with its channel and
// requester.
type launch struct {
	*deployment
	t         *testing.T
	account   aws.Config // of the stack
	channel   string
	requester slacktest.User
	stack     string // ID
	updates   int    // updates of the stack that have asked for an approval
	relay     *relay // in the notifier's place; nil if there is none
}

// product reads a product's template and applies changes, given as pairs of old and
// new text.
func product(t *testing.T, path string, changes ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testtools.Root(t), filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	template := string(b)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(template, changes[i]) {
			t.Fatalf("%s has no %q to change", path, changes[i])
		}
		template = strings.ReplaceAll(template, changes[i], changes[i+1])
	}
	return template
}

// launch launches a product as Rita, as Service Catalog does: with its form of stack
// names, and with the tag that proves the requester. See cfnProxy.
//
// Every launch has its own Rita, because Slack limits an app to about one message
// per second and person.
func (d *deployment) launch(t *testing.T, channel, template string, parameters ...cfn.Parameter) *launch {
	t.Helper()
	return d.launchIn(t, d.aws, account, tagsOf(ritaOf(t).Email), channel, template, parameters...)
}

// tagsOf returns the tags of a launch by the person who has signed in to AWS with an
// e-mail address.
func tagsOf(email string) []cfn.Tag {
	return []cfn.Tag{{
		Key:   aws.String(tagPrefix + "provisioningPrincipalArn"),
		Value: aws.String("arn:aws:sts::" + account + ":assumed-role/Requesters/" + email),
	}}
}

// launchUnproven launches a product without Service Catalog, so that the e-mail
// address is only a claim.
func (d *deployment) launchUnproven(t *testing.T, channel, template string, parameters ...cfn.Parameter) *launch {
	t.Helper()
	return d.launchIn(t, d.aws, account, nil, channel, template, parameters...)
}

// launchIn launches a product in an account.
func (d *deployment) launchIn(t *testing.T, c aws.Config, account string, tags []cfn.Tag, channel, template string, parameters ...cfn.Parameter) *launch {
	t.Helper()
	return d.launchNamed(t, launchName(t, account), c, tags, channel, template, parameters...)
}

// launchNamed launches a product as a stack with a given name.
func (d *deployment) launchNamed(t *testing.T, name string, c aws.Config, tags []cfn.Tag, channel, template string, parameters ...cfn.Parameter) *launch {
	t.Helper()
	rita := ritaOf(t)
	d.slack.AddUser(rita)
	out, err := cloudformation.NewFromConfig(c).CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: &name, TemplateBody: &template, Tags: tags,
		Parameters: append(parameters, parameter("UserEmail", rita.Email)),
	})
	if err != nil {
		t.Fatalf("couldn't launch: %v", err)
	}
	l := &launch{deployment: d, t: t, account: c, channel: channel, requester: rita, stack: *out.StackId}
	t.Cleanup(l.logOnFailure)
	return l
}

// scenarioName returns the name of the running scenario.
func scenarioName(t *testing.T) string { return strings.ToLower(filepath.Base(t.Name())) }

// launchName returns the stack name of the running scenario's launch.
func launchName(t *testing.T, account string) string {
	return "SC-" + account + "-pp-" + scenarioName(t)
}

// ritaOf returns the requester of the running scenario.
func ritaOf(t *testing.T) slacktest.User {
	scenario := scenarioName(t)
	return slacktest.User{ID: sandbox.Rita + strings.ToUpper(scenario), Name: "rita-" + scenario, RealName: "Rita Requester", Email: "rita+" + scenario + "@example.com"}
}

func parameter(key, value string) cfn.Parameter {
	return cfn.Parameter{ParameterKey: &key, ParameterValue: &value}
}

// purposeParameter is for products that ask for a purpose.
var purposeParameter = parameter("Purpose", "Orders <!channel> & returns")

// logOnFailure logs the launch's events, messages, mails and logs if the test failed.
func (l *launch) logOnFailure() {
	if !l.t.Failed() {
		return
	}
	ctx := context.Background()
	for _, e := range l.events(ctx) {
		l.t.Logf("%s %s %s", e.LogicalID, e.Status, e.Reason)
	}
	for _, m := range l.slack.Messages(l.channel) {
		for _, m := range append([]slacktest.Message{m}, m.Replies...) {
			l.t.Logf("Slack: %s", m.Text)
		}
	}
	r, err := l.request(ctx)
	if err != nil {
		l.t.Logf("record: %v", err)
		return
	}
	l.t.Logf("record: %+v", r)
	for _, m := range l.mailbox.all() {
		if strings.Contains(m.Body, r.ID) {
			l.t.Logf("mail: %s\n%s", m.Subject, m.Body)
		}
	}
	for _, line := range l.logs(ctx) {
		if strings.Contains(line, r.ID) {
			l.t.Logf("log: %s", line)
		}
	}
}

// newChannel creates a channel for one launch with everyone in it.
func (d *deployment) newChannel(id string) string {
	for _, c := range d.slack.Channels() {
		if c.ID == sandbox.Channel {
			c.ID, c.Name = id, strings.ToLower(id)
			d.slack.AddChannel(c)
		}
	}
	return id
}

// click clicks a button of the message; its signed request reaches the bot through
// the HTTP API.
func (l *launch) click(who string, verdict handle.Verdict) {
	l.t.Helper()
	i, err := l.slack.ClickButton(who, l.channel, l.message().TS, string(verdict))
	if err != nil || i.Failed {
		l.t.Fatalf("%s couldn't click %s: %v; status %d, notice: %s", who, verdict, err, i.Status, i.Notice)
	}
}

// reject clicks Reject and submits the reason in the modal.
func (l *launch) reject(who, reason string) {
	l.t.Helper()
	l.click(who, handle.Reject)
	view, open := l.slack.Modal(who)
	if !open {
		l.t.Fatal("no modal was opened")
	}
	block, action := input(l.t, view)
	i, err := l.slack.Submit(who, view.ID, map[string]map[string]string{block: {action: reason}})
	if _, open := l.slack.Modal(who); err != nil || open || i.Failed {
		l.t.Fatalf("the modal stayed open: %v; status %d, notice: %s", err, i.Status, i.Notice)
	}
}

// input returns the first input of a modal.
func input(t *testing.T, view slacktest.View) (block, action string) {
	t.Helper()
	var blocks []struct {
		Type    string
		BlockID string `json:"block_id"`
		Element struct {
			ActionID string `json:"action_id"`
		}
	}
	if err := json.Unmarshal(view.Blocks, &blocks); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if b.Type == "input" {
			return b.BlockID, b.Element.ActionID
		}
	}
	t.Fatal("the modal has no input")
	return "", ""
}

// waitURL returns the wait handle's physical ID, which anyone can read who may
// describe the stack.
func (l *launch) waitURL() string {
	l.t.Helper()
	out, err := cloudformation.NewFromConfig(l.account).DescribeStackResources(l.t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: &l.stack})
	if err != nil {
		l.t.Fatalf("couldn't read the stack's resources: %v", err)
	}
	for _, r := range out.StackResources {
		if *r.ResourceType == "AWS::CloudFormation::WaitConditionHandle" {
			return *r.PhysicalResourceId
		}
	}
	l.t.Fatal("the stack has no wait handle")
	return ""
}

// bypass PUTs SUCCESS to the wait handle, as the requester can.
func (l *launch) bypass() {
	l.t.Helper()
	body := `{"Status":"SUCCESS","Reason":"I approve myself","UniqueId":"me","Data":""}`
	status, _ := l.send(http.DefaultClient, http.MethodPut, l.waitURL(), "", body)
	if status != http.StatusOK {
		l.t.Fatalf("the wait handle answered %d", status)
	}
}

// deleteStack deletes the stack, as Service Catalog does to cancel a launch.
func (l *launch) deleteStack() {
	l.t.Helper()
	_, err := cloudformation.NewFromConfig(l.account).DeleteStack(l.t.Context(), &cloudformation.DeleteStackInput{StackName: &l.stack})
	if err != nil {
		l.t.Fatalf("couldn't delete the stack: %v", err)
	}
}

var (
	decideLink = regexp.MustCompile(`https://\S+/decide/\S+`)
	approvedBy = regexp.MustCompile(`(?s)To approve.*?(https://\S+/decide/\S+)\s+Code: (\d{6})`)
)

// scanMail does what mail scanners do: it opens all links and submits empty forms.
func (l *launch) scanMail(m mail) {
	l.t.Helper()
	links := decideLink.FindAllString(m.Body, -1)
	if len(links) != 2 {
		l.t.Fatalf("the mail has %d links, not 2:\n%s", len(links), m.Body)
	}
	for _, link := range links {
		for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
			if status, page := l.send(l.people, method, link, "", ""); status != http.StatusOK {
				l.t.Fatalf("%s of a mailed link: status %d: %s", method, status, page)
			}
		}
		if status, _ := l.send(l.people, http.MethodPost, link, formType, ""); status == http.StatusOK {
			l.t.Fatal("an empty form was accepted")
		}
	}
}

// approveByMail follows the mail's link and submits its code.
func (l *launch) approveByMail(m mail, name string) {
	l.t.Helper()
	found := approvedBy.FindStringSubmatch(m.Body)
	if found == nil {
		l.t.Fatalf("the mail has no link to approve:\n%s", m.Body)
	}
	form := url.Values{"name": {name}, "code": {found[2]}}
	if status, page := l.send(l.people, http.MethodPost, found[1], formType, form.Encode()); status != http.StatusOK {
		l.t.Fatalf("the page answered %d: %s", status, page)
	}
}

const formType = "application/x-www-form-urlencoded"

func (l *launch) send(client *http.Client, method, target, contentType, body string) (status int, answer string) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		l.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// sendStatusEvent sends a stack status event, which MiniStack does not, as AWS
// documents it. It checks the event against the deployed rule and invokes the
// notifier directly, because only AWS can put its events on a bus. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html
func (l *launch) sendStatusEvent(status, reason string) {
	l.t.Helper()
	event := l.statusEvent(status, reason)
	if err := l.matchesRule(event); err != nil {
		l.t.Fatalf("the deployed rule and the event %s: %v", status, err)
	}
	l.invoke(event)
}

func (l *launch) statusEvent(status, reason string) []byte {
	l.t.Helper()
	event, err := json.Marshal(map[string]any{
		"version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "CloudFormation Stack Status Change",
		"source": "aws.cloudformation", "account": account, "time": time.Now().UTC().Format(time.RFC3339), "region": region,
		"resources": []string{l.stack},
		"detail": map[string]any{
			"stack-id":             l.stack,
			"status-details":       map[string]string{"status": status, "status-reason": reason},
			"client-request-token": "",
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return event
}

// matchesRule asks EventBridge whether the deployed rule matches the event.
func (l *launch) matchesRule(event []byte) error {
	ctx := l.t.Context()
	client := eventbridge.NewFromConfig(l.aws)
	rule, err := client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String(l.resource(ctx, "StackStatus"))})
	if err != nil {
		return err
	}
	test, err := client.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{EventPattern: rule.EventPattern, Event: aws.String(string(event))})
	if err == nil && !test.Result {
		err = errors.New("the event does not match the rule")
	}
	return err
}

// invoke invokes the notifier asynchronously, as CloudFormation and EventBridge do.
func (l *launch) invoke(event []byte) {
	l.t.Helper()
	out, err := lambda.NewFromConfig(l.aws).Invoke(l.t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String(l.outputs["NotifierFunctionName"]), InvocationType: types.InvocationTypeEvent, Payload: event,
	})
	if err != nil || out.StatusCode != http.StatusAccepted {
		l.t.Fatalf("couldn't invoke the notifier: %v", err)
	}
}

// resource returns the physical ID of a resource in Countersign's stack.
func (l *launch) resource(ctx context.Context, logicalID string) string {
	l.t.Helper()
	out, err := cloudformation.NewFromConfig(l.aws).DescribeStackResource(ctx, &cloudformation.DescribeStackResourceInput{
		StackName: &l.name, LogicalResourceId: &logicalID,
	})
	if err != nil {
		l.t.Fatalf("couldn't find %s of Countersign's stack: %v", logicalID, err)
	}
	return *out.StackResourceDetail.PhysicalResourceId
}

// request returns the newest request of the launch: its own, or that of its latest
// update.
func (l *launch) request(ctx context.Context) (handle.Request, error) {
	list, err := l.requests(ctx)
	if err != nil {
		return handle.Request{}, err
	}
	return list[len(list)-1], nil
}

// requests returns the request of the launch and those of its updates, oldest first.
func (l *launch) requests(ctx context.Context) ([]handle.Request, error) {
	list, err := l.store.OfStack(ctx, l.stack)
	if err != nil {
		return nil, err
	}
	if len(list) != 1+l.updates {
		return nil, fmt.Errorf("the stack has %d requests, not %d", len(list), 1+l.updates)
	}
	slices.SortFunc(list, func(a, b handle.Request) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return list, nil
}
