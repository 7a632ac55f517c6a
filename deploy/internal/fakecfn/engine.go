package fakecfn

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"countersign/deploy/gate"
)

// Config says where an [Engine] stands and how it reaches the world. The functions Now, NewID and SSM are called
// while the engine is locked: they must not call it back. Invoke and Emit may.
type Config struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// Origin is the scheme://host:port under which ServeHTTP is reached. Wait handle URLs and ResponseURLs begin with it.
	Origin string

	// Region and Account own the stacks; empty means us-east-1 and 111122223333.
	Region, Account string

	// Invoke takes a custom resource request to the function or topic that the ServiceToken names. event is what a
	// Lambda function receives: the request itself, or for a topic the SNS envelope around it. Nil drops requests:
	// they then time out.
	Invoke func(serviceToken string, event []byte)

	// Emit takes an EventBridge document "CloudFormation Stack Status Change"; nil drops it.
	Emit func(event []byte)

	// Delay is how long a plain resource takes to create; zero is at once.
	Delay time.Duration

	// NewID makes UUIDs; nil means random ones. A simulation injects a seeded source.
	NewID func() string

	// SSM returns the value of a Systems Manager parameter; nil means that each has a plausible one.
	SSM func(name string) (value string, ok bool)
}

// Engine is the made CloudFormation of one account and Region. It is safe for concurrent use.
//
// Invoke and Emit are called without the engine's lock, one at a time and in the order in which things happened,
// by whichever call into the engine finds something to deliver. A call that Invoke or Emit itself makes takes full
// effect before it returns, but what it gives rise to is delivered after the call under way.
type Engine struct {
	cfg       Config
	partition string
	signer    signer

	mu      sync.Mutex
	now     time.Time // the instant of the call under way
	stacks  []*stack  // in order of creation
	byID    map[string]*stack
	byName  map[string]*stack       // not the deleted ones
	targets map[string]uploadTarget // by the key of their pre-signed URL
	exports map[string]*export
	timers  timers
	scratch []byte // for JSON in the making

	outbox     []delivery
	delivering bool
}

type export struct {
	value gate.Value
	owner *stack
}

// delivery is one call of Invoke, or of Emit where there is no token.
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

// do runs f with the engine locked, at one instant, and then delivers what came of it.
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

// deliverOne delivers the oldest of the outbox. It reports false when there is none, or when another call is at it:
// that one then goes on with what has come in.
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

// Tick does all that the clock has made due: delays, wait condition timeouts and service timeouts. Stacks move on
// at the instant of the call, not at the one when they were due.
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

// Next returns when the clock next matters; false when the engine waits for nothing but input.
func (e *Engine) Next() (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.timers.next()
}
