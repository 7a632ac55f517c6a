package fakecfn

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"countersign/deploy/gate"
)

// Config configures an [Engine]. Now, NewID, SSM and Serves are called with the engine's lock held and must not call the engine.
// Invoke and Emit may.
type Config struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// Origin is the scheme://host:port at which ServeHTTP is reached. Wait handle URLs and ResponseURLs begin with it.
	Origin string

	// Region and Account are where the stacks are, unless CreateStackInput names another account; empty means us-east-1
	// and 111122223333.
	Region, Account string

	// Invoke delivers a custom resource request to the function or topic of the ServiceToken. event is the Lambda
	// event: the request, or for a topic an SNS event that contains it. If Invoke is nil, requests time out.
	Invoke func(serviceToken string, event []byte)

	// Serves reports whether Invoke reaches the provider of a custom resource; nil means that it reaches all. A resource
	// that is not served succeeds, as if its function existed. One that belongs to an approval gate fails: its token is
	// wrong.
	Serves func(serviceToken string, properties *gate.Object) bool

	// Emit delivers an EventBridge event "CloudFormation Stack Status Change"; it may be nil.
	Emit func(event []byte)

	// Delay is the creation time of a plain resource.
	Delay time.Duration

	// OtherStacks makes up the exports and outputs that templates take from stacks which the engine does not have.
	OtherStacks bool

	// ScriptsSignal makes plain resources signal the wait handles that they refer to, as the scripts of instances do. Handles
	// that a custom resource refers to are left to its provider.
	ScriptsSignal bool

	// NewID generates UUIDs; nil means random ones. Simulations pass a seeded source.
	NewID func() string

	// SSM returns the value of a Systems Manager parameter; nil means a plausible value for every name.
	SSM func(name string) (value string, ok bool)
}

// Engine simulates CloudFormation in one Region, as seen from one account. It is safe for concurrent use.
//
// Invoke and Emit are called without the engine's lock, one at a time and in order, on the goroutine of a call to the
// engine. A call that Invoke or Emit makes to the engine takes effect before it returns; what it causes to be delivered
// is delivered after the current Invoke or Emit returns.
type Engine struct {
	cfg       Config
	partition string
	signer    signer

	mu      sync.Mutex
	now     time.Time // the time of the current call
	stacks  []*stack  // in order of creation
	byID    map[string]*stack
	byName  map[string]*stack       // without deleted stacks
	targets map[string]uploadTarget // by the key in their pre-signed URL
	exports map[string]*export
	timers  timers
	scratch []byte // reused for encoding JSON

	throttled bool // see SetThrottled

	products     map[string]Product // by ID
	catalogError string             // see SetCatalogError

	outbox     []delivery
	delivering bool
}

type export struct {
	value gate.Value
	owner *stack
}

// delivery is a pending call of Invoke; of Emit if there is no token.
type delivery struct {
	serviceToken string
	event        []byte
}

// New returns an engine without stacks.
func New(cfg Config) *Engine {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = randomID
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Account == "" {
		cfg.Account = "111122223333"
	}
	cfg.Origin = strings.TrimSuffix(cfg.Origin, "/")
	return &Engine{
		cfg:       cfg,
		partition: partitionOf(cfg.Region),
		signer:    newSigner(cfg),
		byID:      map[string]*stack{},
		byName:    map[string]*stack{},
		targets:   map[string]uploadTarget{},
		exports:   map[string]*export{},
		products:  map[string]Product{},
	}
}

func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// randomID returns a random UUID.
func randomID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// do runs f with the lock held, at one instant, and then delivers what f queued.
func (e *Engine) do(f func()) {
	func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.now = e.cfg.Now()
		f()
	}()
	for e.deliverOne() {
	}
}

// deliverOne delivers the first entry of the outbox. It reports false if there is none, or if another call is delivering:
// that call then continues with later entries.
func (e *Engine) deliverOne() bool {
	e.mu.Lock()
	if e.delivering || len(e.outbox) == 0 {
		e.mu.Unlock()
		return false
	}
	next := e.outbox[0]
	if e.outbox = e.outbox[1:]; len(e.outbox) == 0 {
		e.outbox = nil
	}
	e.delivering = true
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.delivering = false
		e.mu.Unlock()
	}()
	if next.serviceToken == "" {
		e.cfg.Emit(next.event)
	} else {
		e.cfg.Invoke(next.serviceToken, next.event)
	}
	return true
}

// Tick fires all timers that are due: delays, wait condition timeouts and service timeouts. Events have the time of the
// call, not the time when the timer was due.
func (e *Engine) Tick() {
	e.do(func() {
		for {
			r, ok := e.timers.due(e.now)
			if !ok {
				return
			}
			e.timerFired(r)
			e.run(r.stack)
		}
	})
}

// Next returns the time of the next timer; false if there is none.
func (e *Engine) Next() (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.timers.next()
}
