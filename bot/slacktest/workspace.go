package slacktest

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config is what a workspace is made with. It is read once, by [New].
type Config struct {
	// Now is the workspace's clock. Required. It is called without any lock.
	Now func() time.Time

	TeamID   string // T...
	TeamName string // as people see it
	Domain   string // the part before .slack.com

	// The app that is installed in the workspace, and its bot.
	AppID     string   // A...
	BotID     string   // B...
	BotUserID string   // U...
	BotName   string   // the bot's user name
	BotToken  string   // xoxb-...
	Scopes    []string // what the token was granted

	// MessagesTab says that the app can write to people: its manifest has
	// features.app_home.messages_tab_enabled.
	MessagesTab bool

	// Origin is where this server is reached, such as http://127.0.0.1:4312,
	// without a slash at its end. Permalinks and response URLs begin with it.
	Origin string

	// How the app is reached. Client delivers; its redirect policy is not used,
	// for Slack follows no redirect.
	SigningSecret string
	RequestURL    string // interactivity
	CommandURL    string // slash commands; RequestURL if empty
	Client        *http.Client

	// Limits are the rate limits; the zero value has none. [PublishedLimits]
	// has Slack's.
	RateLimits RateLimits

	// Fault is asked about each call before it is acted on. It is called without
	// any lock, so it may act on the workspace as somebody else would in the
	// meantime. A nil answer lets the call through.
	Fault func(method string, form url.Values) *Fault

	// NewID makes up identifiers that begin with prefix. They must be unique. It
	// must not call back into the workspace. By default identifiers are counted.
	NewID func(prefix string) string
}

// Workspace is a made Slack workspace. Its methods may be called at any time
// from any goroutine. What they return are copies, but for the bytes of raw JSON,
// which are shared and must not be written to.
type Workspace struct {
	config   Config
	provided string // the scopes, as Slack lists them
	client   *http.Client

	mu           sync.Mutex
	fault        func(method string, form url.Values) *Fault
	down         bool
	ids          uint64
	lastTS       int64  // the latest ts, in microseconds since 1970
	version      uint64 // counts the changes
	users        orderedMap[*User]
	groups       orderedMap[*UserGroup]
	channels     orderedMap[*channel]
	dms          map[string]string // user ID to channel ID
	ephemeral    map[string][]*storedMessage
	modals       map[string][]*view // user ID to the open modals, the top one last
	homes        map[string]*view
	triggers     map[string]*trigger
	responseURLs map[string]*responseURL
	rateUsed     map[string]time.Time
	calls        callLog
}

// New makes a workspace with the bot as its only member. Names and IDs left empty
// get made ones.
func New(c Config) *Workspace {
	c.TeamID = cmp.Or(c.TeamID, "T0MADE")
	c.TeamName = cmp.Or(c.TeamName, "Made Workspace")
	c.Domain = cmp.Or(c.Domain, "made-workspace")
	c.AppID = cmp.Or(c.AppID, "A0MADE")
	c.BotID = cmp.Or(c.BotID, "B0MADE")
	c.BotUserID = cmp.Or(c.BotUserID, "U0BOT")
	c.BotName = cmp.Or(c.BotName, "bot")
	c.CommandURL = cmp.Or(c.CommandURL, c.RequestURL)

	w := &Workspace{
		config:       c,
		provided:     strings.Join(c.Scopes, ","),
		fault:        c.Fault,
		dms:          make(map[string]string),
		ephemeral:    make(map[string][]*storedMessage),
		modals:       make(map[string][]*view),
		homes:        make(map[string]*view),
		triggers:     make(map[string]*trigger),
		responseURLs: make(map[string]*responseURL),
		rateUsed:     make(map[string]time.Time),
	}
	if c.Client != nil {
		client := *c.Client
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		w.client = &client
	}
	w.AddUser(User{ID: c.BotUserID, Name: c.BotName, RealName: c.BotName, Bot: true})
	return w
}

// SetDown turns an outage of Slack on or off: while it lasts every call answers
// 503 and nobody can do anything.
func (w *Workspace) SetDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	w.version++
}

// SetFault replaces the hook of Config.Fault; nil removes it.
func (w *Workspace) SetFault(f func(method string, form url.Values) *Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// Rotate gives the app another token and another signing secret; from now on
// the old ones are good for nothing.
func (w *Workspace) RotateCredentials(token, signingSecret string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.config.BotToken, w.config.SigningSecret = token, signingSecret
}

func (w *Workspace) signingSecret() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.config.SigningSecret
}

// Version grows with every change that somebody in the workspace could see, so
// that a page knows when to draw itself again.
func (w *Workspace) Version() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.version
}

// newID makes up an ID. The lock is held.
func (w *Workspace) newID(prefix string) string {
	if w.config.NewID != nil {
		return w.config.NewID(prefix)
	}
	w.ids++
	return prefix + strings.ToUpper(strconv.FormatUint(w.ids, 36))
}

// newTS makes the ts of a message: unique in the workspace and growing, whatever
// the clock does. The lock is held.
func (w *Workspace) newTS(now time.Time) string {
	w.lastTS = max(w.lastTS+1, now.UnixMicro())
	return formatTS(w.lastTS)
}

func formatTS(micros int64) string {
	fraction := strconv.FormatInt(1_000_000+micros%1_000_000, 10)
	return strconv.FormatInt(micros/1_000_000, 10) + "." + fraction[1:]
}

// register keeps things by ID in the order in which they were added.
type orderedMap[T any] struct {
	byID  map[string]T
	order []string
}

func (r *orderedMap[T]) set(id string, v T) {
	if r.byID == nil {
		r.byID = make(map[string]T)
	}
	if _, ok := r.byID[id]; !ok {
		r.order = append(r.order, id)
	}
	r.byID[id] = v
}
