package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slack-go/slack"
	"go.yaml.in/yaml/v4"
)

// Slack's limits for manifests. See
// https://docs.slack.dev/reference/app-manifest
const (
	maxAppName     = 35 // characters, as below
	maxDescription = 140
	maxBotName     = 80
	maxRequestURL  = 3500
	maxCommand     = 32
	maxCommandText = 2000
	maxUsageHint   = 1000
	maxCommandURL  = 3000
	maxBotScopes   = 255
)

// scopes maps each scope to a client method that needs it, and the package that calls
// it. See https://docs.slack.dev/reference/scopes
var scopes = map[string]struct{ method, pkg string }{
	"chat:write":       {"PostMessageContext", "notifier/reconcile"},             // https://docs.slack.dev/reference/methods/chat.postMessage
	"users:read":       {"GetUserInfoContext", "bot"},                            // https://docs.slack.dev/reference/methods/users.info
	"users:read.email": {"GetUserByEmailContext", "notifier/reconcile"},          // https://docs.slack.dev/reference/methods/users.lookupByEmail
	"usergroups:read":  {"GetUserGroupMembersContext", "bot"},                    // https://docs.slack.dev/reference/methods/usergroups.users.list
	"commands":         {"MsgOptionReplaceOriginal", "bot"},                      // https://docs.slack.dev/interactivity/implementing-slash-commands
	"reactions:write":  {"AddReactionContext", "notifier/reconcile"},             // https://docs.slack.dev/reference/methods/reactions.add
	"channels:read":    {"GetConversationInfoContext", "deploy/internal/doctor"}, // https://docs.slack.dev/reference/methods/conversations.info
	"groups:read":      {"GetConversationInfoContext", "deploy/internal/doctor"}, // the same, of private channels
}

// theManifest parses slack.yaml strictly as slack-go's type.
func theManifest(t *testing.T) slack.Manifest {
	t.Helper()
	file, err := os.ReadFile("slack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := yaml.Unmarshal(file, &root); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	var m slack.Manifest
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&m); err != nil {
		t.Fatalf("slack.yaml is not a manifest: %v", err)
	}
	return m
}

func TestManifestIsWithinSlacksLimits(t *testing.T) {
	m := theManifest(t)
	for _, text := range []struct {
		name, is string
		most     int
	}{
		{"display_information.name", m.Display.Name, maxAppName},
		{"display_information.description", m.Display.Description, maxDescription},
		{"features.bot_user.display_name", m.Features.BotUser.DisplayName, maxBotName},
		{"settings.interactivity.request_url", m.Settings.Interactivity.RequestUrl, maxRequestURL - maxHost},
		{"settings.event_subscriptions.request_url", m.Settings.EventSubscriptions.RequestUrl, maxRequestURL - maxHost},
		{"features.slash_commands.command", m.Features.SlashCommands[0].Command, maxCommand},
		{"features.slash_commands.description", m.Features.SlashCommands[0].Description, maxCommandText},
		{"features.slash_commands.usage_hint", m.Features.SlashCommands[0].UsageHint, maxUsageHint},
		{"features.slash_commands.url", m.Features.SlashCommands[0].Url, maxCommandURL - maxHost},
	} {
		if n := utf8.RuneCountInString(text.is); n < 1 || n > text.most {
			t.Errorf("%s has %d characters, want 1 to %d", text.name, n, text.most)
		}
	}
	if !regexp.MustCompile(`^#[0-9a-f]{6}$`).MatchString(m.Display.BackgroundColor) {
		t.Errorf("background_color is %q", m.Display.BackgroundColor)
	}
	for _, url := range []string{m.Settings.Interactivity.RequestUrl, m.Settings.EventSubscriptions.RequestUrl, m.Features.SlashCommands[0].Url} {
		if !strings.HasPrefix(url, "https://") {
			t.Errorf("a request URL is %q", url)
		}
	}
	if len(m.OAuthConfig.Scopes.Bot) > maxBotScopes || len(m.OAuthConfig.Scopes.User) > 0 {
		t.Errorf("scopes: %+v", m.OAuthConfig.Scopes)
	}
}

const maxHost = 253 // characters; replaces the example's

// Without these settings buttons do nothing, mentions in commands have no user IDs, the token expires, or direct messages to
// requesters fail with messages_tab_disabled. See
// https://docs.slack.dev/reference/methods/chat.postMessage
func TestManifestEnablesWhatTheBotNeeds(t *testing.T) {
	m := theManifest(t)
	if !m.Features.AppHome.MessagesTabEnabled || !m.Features.AppHome.HomeTabEnabled {
		t.Errorf("features.app_home: %+v", m.Features.AppHome)
	}
	if c := m.Features.SlashCommands; len(c) != 1 || !c[0].ShouldEscape {
		t.Errorf("features.slash_commands: %+v", c)
	}
	s := m.Settings
	if !slices.Equal(s.EventSubscriptions.BotEvents, []string{"app_home_opened"}) {
		t.Errorf("bot_events: %v", s.EventSubscriptions.BotEvents)
	}
	if !s.Interactivity.IsEnabled || s.SocketModeEnabled || s.TokenRotationEnabled {
		t.Errorf("settings: %+v", s)
	}
}

// The manifest requests exactly the scopes that the code needs.
func TestEachScopeIsNeeded(t *testing.T) {
	bot := theManifest(t).OAuthConfig.Scopes.Bot
	for scope := range scopes {
		if !slices.Contains(bot, scope) {
			t.Errorf("the manifest lacks %s", scope)
		}
	}
	for i, scope := range bot {
		need, known := scopes[scope]
		if !known {
			t.Errorf("%s: no call in the code needs it", scope)
			continue
		}
		if slices.Contains(bot[:i], scope) {
			t.Errorf("%s is listed twice", scope)
		}
		if !calls(t, need.pkg, need.method) {
			t.Errorf("%s: %s no longer calls %s", scope, need.pkg, need.method)
		}
	}
}

// calls reports whether a package's files, except tests, call a method.
func calls(t *testing.T, pkg, method string) bool {
	t.Helper()
	files, err := filepath.Glob("../" + pkg + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(name string) bool {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return !strings.HasSuffix(name, "_test.go") && bytes.Contains(text, []byte("."+method+"("))
	})
}
