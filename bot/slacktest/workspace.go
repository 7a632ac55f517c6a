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

// Config configures a workspace. [New] reads it once.
type Config struct {
	// Now is the workspace's clock. Required. It is called without holding a lock.
	Now func() time.Time

	TeamID   string // T...
	TeamName string // display name
	Domain   string // the part before .slack.com

	// The Enterprise Grid organization of the workspace; empty if there is none. See
	// [User.EnterpriseUserID] for its people.
	EnterpriseID   string // E...
	EnterpriseName string

	// OrgInstall says that the app is installed on the organization: payloads have no
	// team, and the methods that Slack documents for it require team_id.
	OrgInstall bool

	// EmptyStateAsList sends an empty state.values of views and messages as [] instead
	// of {}, as Slack sometimes does: https://github.com/slack-go/slack/issues/943
	EmptyStateAsList bool

	// The installed app and its bot.
	AppID     string   // A...
	BotID     string   // B...
	BotUserID string   // U...
	BotName   string   // the bot's user name
	BotToken  string   // xoxb-...
	Scopes    []string // granted to the token

	// With SocketMode, interactions reach the app through the connections that it opens with
	// AppToken, and never by HTTP. See
	// https://docs.slack.dev/apis/events-api/using-socket-mode
	SocketMode bool
	AppToken   string   // xapp-...
	AppScopes  []string // granted to AppToken, such as connections:write

	// MessagesTab allows the app to send DMs: its manifest sets
	// features.app_home.messages_tab_enabled.
	MessagesTab bool

	HomeTab bool // the manifest sets features.app_home.home_tab_enabled

	// Origin is the URL of this server without a trailing slash, such as
	// http://127.0.0.1:4312. Permalinks and response URLs begin with it.
	Origin string

	// How interactions reach the app. Like Slack, the workspace follows no redirect,
	// whatever the Client's policy is.
	SigningSecret string
	RequestURL    string // interactivity
	CommandURL    string // slash commands; RequestURL if empty
	EventsURL     string // events; RequestURL if empty
	Client        *http.Client

	// RateLimits defaults to none. [PublishedRateLimits] returns Slack's.
	RateLimits RateLimits

	// Fault is called before each call is carried out and returns how the call fails,
	// or nil. No lock is held, so it may change the workspace as other users would.
	// It must not change form.
	Fault func(method string, form url.Values) *Fault

	// NewID returns a unique ID that begins with prefix. It must not call back into
	// the workspace. By default IDs are counted.
	NewID func(prefix string) string
}

// Workspace is a simulated Slack workspace. Its methods are safe for concurrent use.
// They return copies, except for raw JSON, which is shared and must not be changed.
type Workspace struct {
	config   Config
	provided string // the scopes as Slack lists them
	client   *http.Client

	mu           sync.Mutex
	fault        func(method string, form url.Values) *Fault
	down         bool
	ids          uint64
	lastTS       int64  // the latest ts, in microseconds since the Unix epoch
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
	sockets      sockets
}

// New returns a workspace whose only user is the bot. Empty names and IDs get
// defaults.
func New(c Config) *Workspace {
	c.TeamID = cmp.Or(c.TeamID, "T0EXAMPLE")
	c.TeamName = cmp.Or(c.TeamName, "Example")
	c.Domain = cmp.Or(c.Domain, "example")
	c.AppID = cmp.Or(c.AppID, "A0EXAMPLE")
	c.BotID = cmp.Or(c.BotID, "B0EXAMPLE")
	c.BotUserID = cmp.Or(c.BotUserID, "U0BOT")
	c.BotName = cmp.Or(c.BotName, "bot")
	c.CommandURL = cmp.Or(c.CommandURL, c.RequestURL)
	c.EventsURL = cmp.Or(c.EventsURL, c.RequestURL)

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

// SetDown starts or ends an outage, in which every call is answered with 503 and
// users cannot act.
func (w *Workspace) SetDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	w.version++
}

// SetFault replaces the hook Config.Fault; nil removes it.
func (w *Workspace) SetFault(f func(method string, form url.Values) *Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// RotateCredentials replaces the app's token and signing secret. The old ones stop
// working at once.
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

// Version grows with every visible change, so that a page knows when to redraw.
func (w *Workspace) Version() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.version
}

// newID returns a new ID. The lock is held.
func (w *Workspace) newID(prefix string) string {
	if w.config.NewID != nil {
		return w.config.NewID(prefix)
	}
	w.ids++
	return prefix + strings.ToUpper(strconv.FormatUint(w.ids, 36))
}

// newTS returns the ts of a new message. It is unique in the workspace and grows
// even if the clock does not. The lock is held.
func (w *Workspace) newTS(now time.Time) string {
	w.lastTS = max(w.lastTS+1, now.UnixMicro())
	return formatTS(w.lastTS)
}

func formatTS(micros int64) string {
	fraction := strconv.FormatInt(1_000_000+micros%1_000_000, 10)
	return strconv.FormatInt(micros/1_000_000, 10) + "." + fraction[1:]
}

// orderedMap is a map that remembers insertion order.
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
