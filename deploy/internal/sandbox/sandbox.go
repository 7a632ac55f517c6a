// Package sandbox connects the real bot and notifier to a simulated
// CloudFormation, Slack and mail topic on one machine. All of them talk HTTP, as
// in production.
//
// Nothing happens by itself: events are delivered and resources change state only
// in Run and Advance, so that a test or story runs step by step.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v4"

	"countersign/bot/slacktest"
	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
	"countersign/deploy/internal/fakemail"
	"countersign/deploy/internal/laws"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/loopback"
	"countersign/handle"
	"countersign/notifier"
)

// Config configures a Sandbox.
type Config struct {
	Store      handle.Store // for the functions; nil if they run elsewhere, see UseRemote
	Clock      *Clock       // nil: the real clock
	Delay      time.Duration
	Log        *slog.Logger // for the functions; nil: none
	Defaults   func(*notifier.Defaults)
	RateLimits slacktest.RateLimits

	// InProcess calls the servers directly, without sockets. Nothing outside the
	// process can then reach them.
	InProcess bool

	Grid *Grid // nil: the workspace belongs to no Enterprise Grid

	// TopicsInvoke delivers requests that a gate sends to a topic as if its ServiceToken
	// were the notifier's: a product for other accounts is launched in Countersign's own.
	TopicsInvoke bool

	Workspace *Workspace // nil: the simulated one

	// NewID returns a UUID; nil: a random one.
	NewID func() string
}

// Workspace is a Slack workspace that the functions use instead of the simulated one.
type Workspace struct {
	Origin        string // https://slack.com
	Token         string // the bot's
	TeamID        string
	EnterpriseID  string
	AppID         string
	SigningSecret string // with which requests to the bot are signed

	Channel      string   // ID
	Approvers    []string // IDs of users and user groups
	SelfApproval bool
}

// configure makes the functions use the workspace.
func (w *Workspace) configure(c *localfn.Config) {
	c.Slack, c.Token, c.TeamID, c.EnterpriseID, c.AppID = w.Origin, w.Token, w.TeamID, w.EnterpriseID, w.AppID
	c.SigningSecrets = []string{w.SigningSecret}
	c.Defaults.Channel, c.Defaults.Approvers, c.Defaults.SelfApproval = w.Channel, w.Approvers, w.SelfApproval
}

// Sandbox is the simulated environment with the functions in it. Close it after use.
type Sandbox struct {
	Clock           *Clock
	CloudFormation  *fakecfn.Engine
	Slack           *slacktest.Workspace
	Mail            *fakemail.Topic
	Functions       *localfn.Functions // nil if they run elsewhere
	FunctionsConfig localfn.Config
	InvokeURL       string
	Network         *Network
	Laws            *laws.Checker // used by Check; set its Tolerance where faults are injected

	client  *http.Client
	servers []*server
	log     *slog.Logger

	topicsInvoke bool // Config.TopicsInvoke

	mu        sync.Mutex
	queue     []invocation
	dropped   int // events dropped after all retries
	nextSweep time.Time
	running   sync.Mutex // one Run at a time
}

// New returns a sandbox, served on loopback unless InProcess is set.
func New(c Config) (*Sandbox, error) {
	w := &Sandbox{Clock: c.Clock, Network: &Network{}, log: c.Log, topicsInvoke: c.TopicsInvoke}
	if w.Clock == nil {
		w.Clock = &Clock{}
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	origins, err := w.listen(c.InProcess)
	if err != nil {
		w.Close()
		return nil, err
	}
	w.client = &http.Client{Transport: w.Network, Timeout: 30 * time.Second}
	w.InvokeURL = origins[4] + localfn.InvokePath
	w.FunctionsConfig = functionsConfig(origins[0], origins[1], origins[2], origins[3])
	if c.Grid != nil && c.Grid.Configured {
		w.FunctionsConfig.EnterpriseID = Organization
	}
	if c.Workspace != nil {
		c.Workspace.configure(&w.FunctionsConfig)
	}
	if c.Defaults != nil {
		c.Defaults(&w.FunctionsConfig.Defaults)
	}
	w.CloudFormation = fakecfn.New(fakecfn.Config{
		Now: w.Clock.Now, Origin: origins[0], Region: Region, Account: Account,
		Invoke: func(_ string, event []byte) {
			if c.TopicsInvoke {
				event = unpublished(event)
			}
			w.enqueue(event)
		},
		Serves: serves,
		Emit:   w.enqueue,
		Delay:  c.Delay,
		NewID:  c.NewID,

		OtherStacks: true, ScriptsSignal: true,
	})
	w.CloudFormation.AddProduct(fakecfn.Product{ID: ProductID, Name: ProductName, Versions: []fakecfn.ProductVersion{{ID: ProvisioningArtifactID, Name: VersionName}}})
	w.Slack = newWorkspace(w.Clock.Now, origins[1], origins[3], w.client, c.RateLimits, c.Grid)
	w.Mail = newTopic(w.Clock.Now)
	w.Laws = &laws.Checker{Team: Team, Enterprise: w.FunctionsConfig.EnterpriseID, Account: Account, Slack: w.Slack, CloudFormation: w.CloudFormation, Mail: w.Mail}
	w.servers[0].serve(w.CloudFormation)
	w.servers[1].serve(w.Slack)
	w.servers[2].serve(w.Mail)
	if c.Store != nil {
		w.Restart(c.Store)
	}
	w.nextSweep = w.Clock.Now().Truncate(time.Minute).Add(time.Minute)
	return w, nil
}

// serves reports whether a ServiceToken leads to the notifier. Its name is the Name of Countersign's stack, which the
// template's author may have changed from the default, and "-notifier". Products may have custom resources of other
// functions and topics: only the resources of a gate reach the notifier by any topic or a changed name.
func serves(serviceToken string, properties *gate.Object) bool {
	if strings.Contains(serviceToken, ":sns:") {
		return gate.IsGate(properties)
	}
	_, function, _ := strings.Cut(serviceToken, ":function:")
	function, _, _ = strings.Cut(function, ":") // without a version or alias
	return function == "countersign-notifier" || strings.HasSuffix(function, "-notifier") && gate.IsGate(properties)
}

// listen starts the servers of CloudFormation, Slack, mail, the bot and the
// notifier, in this order.
func (w *Sandbox) listen(within bool) (origins [5]string, err error) {
	for i, name := range []string{"cloudformation", "slack", "mail", "bot", "notifier"} {
		s := &server{origin: "http://" + name + ".localhost"}
		if !within {
			guard := loopback.GuardAPI
			if name == "bot" { // a browser follows mailed links
				guard = loopback.Guard
			}
			if s, err = listen(guard); err != nil {
				return origins, err
			}
		}
		w.servers = append(w.servers, s)
		origins[i] = s.origin
	}
	if within {
		w.Network.base = inProcess(w.servers)
	} else {
		w.Network.base = &http.Transport{MaxIdleConnsPerHost: 16}
	}
	return origins, nil
}

// Restart starts the functions over store, with empty memory.
func (w *Sandbox) Restart(store handle.Store) {
	w.Functions = localfn.New(w.FunctionsConfig, store, w.Clock.Now, w.client, w.log)
	w.servers[3].serve(w.Functions.Bot)
	w.servers[4].serve(http.HandlerFunc(w.Functions.Invoke))
}

// UseRemote sends requests and events to functions that run elsewhere.
func (w *Sandbox) UseRemote(botOrigin, invokeURL string) {
	w.servers[3].serve(forward(botOrigin, w.client))
	w.InvokeURL = invokeURL
}

// Close stops all servers.
func (w *Sandbox) Close() {
	for _, s := range w.servers {
		s.close()
	}
	if w.client != nil {
		w.client.CloseIdleConnections()
	}
}

// invocation is one event to be delivered to the notifier.
type invocation struct {
	event []byte
	tries int
	at    time.Time
}

func (w *Sandbox) enqueue(event []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, invocation{event: event, at: w.Clock.Now()})
}

// lambdaWaits are Lambda's waits before it retries a failed asynchronous invocation.
// See https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
var lambdaWaits = []time.Duration{time.Minute, 2 * time.Minute}

// take removes one due invocation from the queue.
func (w *Sandbox) take() (invocation, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Clock.Now()
	for i, v := range w.queue {
		if !v.at.After(now) {
			w.queue = append(w.queue[:i:i], w.queue[i+1:]...)
			return v, true
		}
	}
	return invocation{}, false
}

// Run does everything that is due now: state changes of resources and wait
// conditions, the sweep of each minute, and the delivery of events. It returns
// when nothing is due.
func (w *Sandbox) Run(ctx context.Context) error {
	w.running.Lock()
	defer w.running.Unlock()
	return w.run(ctx)
}

func (w *Sandbox) run(ctx context.Context) error {
	for {
		w.CloudFormation.Tick()
		w.sweepIfDue()
		v, ok := w.take()
		if !ok {
			return ctx.Err()
		}
		if err := w.deliver(ctx, v); err != nil {
			return err
		}
	}
}

func (w *Sandbox) sweepIfDue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Clock.Now()
	if now.Before(w.nextSweep) {
		return
	}
	w.nextSweep = now.Truncate(time.Minute).Add(time.Minute)
	w.queue = append(w.queue, invocation{event: sweepEvent(now), at: now})
}

// deliver invokes the notifier and queues the event again if Lambda would retry.
func (w *Sandbox) deliver(ctx context.Context, v invocation) error {
	err := w.Invoke(ctx, v.event)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if v.tries == len(lambdaWaits) {
		w.dropped++
		return nil
	}
	v.at = w.Clock.Now().Add(lambdaWaits[v.tries])
	v.tries++
	w.queue = append(w.queue, v)
	return nil
}

// Advance moves the clock forward by d and does everything on the way at the time
// it is due.
func (w *Sandbox) Advance(ctx context.Context, d time.Duration) error {
	w.running.Lock()
	defer w.running.Unlock()
	end := w.Clock.Now().Add(d)
	for {
		if err := w.run(ctx); err != nil {
			return err
		}
		now := w.Clock.Now()
		if !now.Before(end) {
			return nil
		}
		w.Clock.Advance(min(w.next(end).Sub(now), end.Sub(now)))
	}
}

// next returns when something is due next, at the latest end.
func (w *Sandbox) next(end time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := end
	earlier := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	earlier(w.nextSweep)
	for _, v := range w.queue {
		earlier(v.at)
	}
	if t, ok := w.CloudFormation.Next(); ok {
		earlier(t)
	}
	return next
}

// droppedEvents returns how many events were dropped after all retries.
func (w *Sandbox) droppedEvents() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Invoke invokes the notifier with an event, as anyone with lambda:InvokeFunction
// can. The error means that it failed.
func (w *Sandbox) Invoke(ctx context.Context, event []byte) error {
	res, err := send(ctx, w.client, http.MethodPost, w.InvokeURL, event)
	if err != nil {
		return fmt.Errorf("couldn't invoke the notifier: %w", err)
	}
	if res != http.StatusOK {
		return errors.New("the notifier failed")
	}
	return nil
}

// PutWaitHandle PUTs SUCCESS to the wait handle of a stack, as anyone who can read
// the stack's events can, and returns the HTTP status.
func (w *Sandbox) PutWaitHandle(ctx context.Context, stackID string) (int, error) {
	stack, ok := w.CloudFormation.Stack(stackID)
	if !ok {
		return 0, fmt.Errorf("no stack %s", stackID)
	}
	for _, r := range stack.Resources {
		if r.Type == "AWS::CloudFormation::WaitConditionHandle" {
			body := `{"Status":"SUCCESS","Reason":"I approve myself","UniqueId":"me","Data":""}`
			client := &http.Client{Transport: w.Network.base, Timeout: 10 * time.Second}
			return send(ctx, client, http.MethodPut, r.PhysicalID, []byte(body))
		}
	}
	return 0, fmt.Errorf("stack %s has no wait handle", stack.Name)
}

// The sample product's IDs and names in Service Catalog.
const (
	ProductName            = "Message queue"
	VersionName            = "v3"
	ProductID              = "prod-4a7bexample1"
	ProvisioningArtifactID = "pa-6e8fexample1"
	PortfolioID            = "port-2c5dexample1"
)

// Launch is one launch from the simulated Service Catalog.
type Launch struct {
	// Requester is an e-mail address, used as the role session name; Rita's if empty.
	// Launches with the same address have the same principal.
	Requester  string
	Account    string // empty: OtherAccount if a gate's ServiceToken is a topic that doesn't invoke, else Account
	Template   *gate.Template
	Version    string // the product version's ID; ProvisioningArtifactID if empty
	Name       string // of the provisioned product
	Parameters map[string]string
	Failures   map[string]string // resources that fail, by logical ID or fakecfn.LastBehindGate, and why
}

// Launch launches a product and returns the ID of its stack.
func (w *Sandbox) Launch(l Launch) (stackID string, err error) {
	account := l.Account
	if account == "" {
		account = Account
		if !w.topicsInvoke && usesTopic(l) {
			account = OtherAccount
		}
	}
	stackID, _, err = w.CloudFormation.ProvisionProduct(fakecfn.ProvisionProductInput{
		Name:                   l.Name,
		Principal:              "arn:aws:sts::" + account + ":assumed-role/Requesters/" + cmp.Or(l.Requester, "rita@example.com"),
		ProductID:              ProductID,
		ProvisioningArtifactID: cmp.Or(l.Version, ProvisioningArtifactID),
		PortfolioID:            PortfolioID,
		Stack:                  fakecfn.CreateStackInput{Account: account, Template: l.Template, Parameters: l.Parameters, Fail: l.Failures},
	})
	return stackID, err
}

// usesTopic reports whether a gate of the template has a topic as its ServiceToken:
// written out, or as a parameter.
func usesTopic(l Launch) bool {
	values := map[string]string{}
	for _, p := range l.Template.Parameters() {
		values[p.Name] = p.Default
	}
	maps.Copy(values, l.Parameters)
	for _, r := range l.Template.Resources() {
		if r.Kind == gate.KindCustom && r.Node != nil && ofGate(r.Node) && topicIn(r.Node, values, false) {
			return true
		}
	}
	return false
}

// ofGate reports whether a resource's declaration has the properties of a request or a
// verdict.
func ofGate(n *yaml.Node) bool {
	for i, child := range n.Content {
		name := n.Kind == yaml.MappingNode && i%2 == 1 && (n.Content[i-1].Value == "WaitUrl" || n.Content[i-1].Value == "RequestId")
		if name || ofGate(child) {
			return true
		}
	}
	return false
}

// topicIn looks for a topic's ARN in the ServiceToken of a resource's declaration;
// token is true inside of it.
func topicIn(n *yaml.Node, values map[string]string, token bool) bool {
	if n.Kind == yaml.ScalarNode {
		return token && (strings.Contains(n.Value, ":sns:") || strings.Contains(values[n.Value], ":sns:"))
	}
	for i, child := range n.Content {
		key := n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "ServiceToken"
		if topicIn(child, values, token || key) {
			return true
		}
	}
	return false
}

// Update is one update of a launched product.
type Update struct {
	Template   *gate.Template    // nil: the template does not change
	Version    string            // the product version's ID; empty: that of the stack
	Parameters map[string]string // the others keep their values
	Failures   map[string]string // resources that fail, by logical ID, and why
}

// UpdateProduct updates the product that a stack belongs to. AWS does not tell the stack who updates.
func (w *Sandbox) UpdateProduct(stackID string, u Update) error {
	return w.CloudFormation.UpdateProvisionedProduct(fakecfn.UpdateProvisionedProductInput{
		ProvisioningArtifactID: u.Version,
		Stack:                  fakecfn.UpdateStackInput{Stack: stackID, Template: u.Template, Parameters: u.Parameters, Fail: u.Failures},
	})
}

// CancelUpdate cancels the update of a stack, which then rolls back.
func (w *Sandbox) CancelUpdate(stackID string) error {
	return w.CloudFormation.CancelUpdateStack(stackID)
}

// KillBeforeSignal calls kill when the next signal arrives at a wait handle, and
// drops that signal. died waits up to 5 s and reports whether kill was called.
func (w *Sandbox) KillBeforeSignal(kill func()) (died func() bool) {
	var once sync.Once
	killed := make(chan struct{})
	w.servers[0].serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if isSignal(r) {
			once.Do(func() {
				kill()
				close(killed)
				w.servers[0].serve(w.CloudFormation)
			})
			panic(http.ErrAbortHandler)
		}
		w.CloudFormation.ServeHTTP(rw, r)
	}))
	return func() bool {
		select {
		case <-killed:
			return true
		case <-time.After(5 * time.Second):
			return false
		}
	}
}

// Delay makes each call to Slack and each signal to a wait handle take longer, as
// over a network.
func (w *Sandbox) Delay(slack, signal time.Duration) {
	w.servers[0].serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if isSignal(r) {
			time.Sleep(signal)
		}
		w.CloudFormation.ServeHTTP(rw, r)
	}))
	w.servers[1].serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		time.Sleep(slack)
		w.Slack.ServeHTTP(rw, r)
	}))
}

func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 1<<20)
	_ = body.Close()
}
