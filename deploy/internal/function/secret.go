package function

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sync/singleflight"

	"countersign/handle"
)

// Secret is the one secret of a deployment, kept in Secrets Manager as JSON:
//
//	{"slackToken": "xoxb-…", "signingSecrets": ["current", "previous"], "mailKeys": ["current", "previous"]}
//
// Every signing secret is accepted. The first mail key signs links, and every mail
// key verifies them. Before the Slack app exists, slackToken may be "" and
// signingSecrets []; without a mail topic, mailKeys may be []. It prints as a
// placeholder.
type Secret struct {
	SlackToken     string
	SigningSecrets []string
	MailKeys       []handle.MailKey
}

const redacted = "[secret]"

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// SecretProblems lists everything that is wrong with a secret, without quoting it.
type SecretProblems []string

func (p SecretProblems) Error() string {
	return fmt.Sprintf("invalid secret (%s): fix it in Secrets Manager; no redeployment is needed: %s", problemCount(len(p)), strings.Join(p, "; "))
}

// ParseSecret reads the secret's JSON. The error is SecretProblems.
func ParseSecret(text string) (Secret, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil || members == nil {
		return Secret{}, SecretProblems{`it must be a JSON object: {"slackToken": "…", "signingSecrets": ["…"], "mailKeys": ["…"]}`}
	}
	var s Secret
	var keys []string
	var problems SecretProblems
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	take := func(name string, into any, want string) {
		raw, ok := members[name]
		switch {
		case !ok:
			problem("%s is missing: it must be %s", name, want)
		case bytes.Equal(raw, []byte("null")) || json.Unmarshal(raw, into) != nil:
			problem("%s must be %s", name, want)
		}
		delete(members, name)
	}
	take("slackToken", &s.SlackToken, `a string, "" before the Slack app exists`)
	take("signingSecrets", &s.SigningSecrets, "a list of strings, [] before the Slack app exists")
	take("mailKeys", &keys, "a list of strings, [] without a mail topic")
	unknown := 0
	for name := range members { // never quoted: it may be a secret pasted in the wrong place
		if i := slices.IndexFunc(secretMembers, func(member string) bool { return foldName(member) == foldName(name) }); i >= 0 {
			problem("a name that resembles %s is unknown: correct it", secretMembers[i])
		} else {
			unknown++
		}
	}
	if unknown > 0 {
		problem("it has other names than %s (%d): remove them", strings.Join(secretMembers, ", "), unknown)
	}
	if s.SlackToken != "" && (!strings.HasPrefix(s.SlackToken, "xoxb-") || strings.ContainsAny(s.SlackToken, " \t\r\n")) {
		problem("slackToken must be a bot token, which begins with xoxb- and has no spaces")
	}
	for i, secret := range s.SigningSecrets {
		if secret == "" || strings.TrimSpace(secret) != secret {
			problem("signing secret %d must not be empty, and must not begin or end with a space", i+1)
		}
	}
	for i, key := range keys {
		if len(key) < handle.MinMailKey {
			problem("mail key %d must have at least %d characters, such as the output of openssl rand -hex 32", i+1, handle.MinMailKey)
		}
		s.MailKeys = append(s.MailKeys, handle.MailKey(key))
	}
	if len(problems) > 0 {
		return Secret{}, problems
	}
	return s, nil
}

// secretMembers are the names in the secret's JSON.
var secretMembers = []string{"slackToken", "signingSecrets", "mailKeys"}

// foldName ignores what is easily mistyped in a name: case, separators and the plural.
func foldName(name string) string {
	return strings.TrimSuffix(strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name)), "s")
}

// SecretsManager is the part of the client that SecretCache needs. It takes the
// permission secretsmanager:GetSecretValue on the secret.
type SecretsManager interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// SecretCache caches the secret. It is read on first use, when it is older than
// maxSecretAge, and on Refresh. If it cannot be read or is invalid, the cached one
// stays in use.
type SecretCache struct {
	Client SecretsManager
	ARN    string
	Now    func() time.Time
	Log    *slog.Logger

	reading singleflight.Group

	mu      sync.Mutex
	cached  *Secret   // nil before the first success
	readAt  time.Time // of cached
	lastErr error     // of the last attempt
	lastTry time.Time // time of the last attempt
}

const (
	maxSecretAge       = 5 * time.Minute        // older secrets are read again before use
	minRefreshAge      = 2 * time.Second        // Refresh does not reread younger secrets
	retryInterval      = 15 * time.Second       // after a failed attempt, with a cached secret
	firstRetryInterval = time.Second            // after a failed attempt, without one
	secretTimeout      = 900 * time.Millisecond // of one attempt, which a click waits for
)

// Secret returns the secret, at most maxSecretAge old if it can be read. The error
// says that none was ever read.
func (c *SecretCache) Secret(ctx context.Context) (Secret, error) {
	return c.get(ctx, maxSecretAge)
}

// Refresh is Secret for callers whose token or signature was refused: it reads the
// secret again, unless it is younger than minRefreshAge.
func (c *SecretCache) Refresh(ctx context.Context) (Secret, error) {
	return c.get(ctx, minRefreshAge)
}

// get returns the cached secret if it is younger than age or the last attempt
// failed a moment ago; otherwise it reads the secret.
func (c *SecretCache) get(ctx context.Context, age time.Duration) (Secret, error) {
	c.mu.Lock()
	now := c.Now()
	cached, lastErr, interval := c.cached, c.lastErr, retryInterval
	if cached == nil {
		interval = firstRetryInterval
	}
	fresh := cached != nil && within(now.Sub(c.readAt), age)
	tooSoon := lastErr != nil && within(now.Sub(c.lastTry), interval)
	c.mu.Unlock()
	switch {
	case cached != nil && (fresh || tooSoon):
		return *cached, nil
	case tooSoon:
		return Secret{}, lastErr
	}
	done := c.reading.DoChan("", func() (any, error) { return nil, c.read() })
	select {
	case <-done:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cached != nil:
		return *c.cached, nil
	case c.lastErr != nil:
		return Secret{}, c.lastErr
	}
	return Secret{}, fmt.Errorf("couldn't read the secret: %w", ctx.Err())
}

func within(age, limit time.Duration) bool { return age >= 0 && age < limit }

// read reads the secret into the cache. Its context is not a caller's, because
// several callers share the result.
func (c *SecretCache) read() error {
	ctx, cancel := context.WithTimeout(context.Background(), secretTimeout)
	defer cancel()
	s, err := c.fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastTry, c.lastErr = c.Now(), err
	if err != nil {
		c.Log.ErrorContext(ctx, "couldn't read the secret", "error", err, "cached", c.cached != nil)
		return err
	}
	c.cached, c.readAt = &s, c.lastTry
	return nil
}

func (c *SecretCache) fetch(ctx context.Context) (Secret, error) {
	out, err := c.Client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &c.ARN})
	if err != nil {
		return Secret{}, fmt.Errorf("couldn't read the secret: %w", err)
	}
	if out.SecretString == nil {
		return Secret{}, SecretProblems{"it must be a string, not binary"}
	}
	return ParseSecret(*out.SecretString)
}

// SigningSecrets is [bot.Bot]'s.
func (c *SecretCache) SigningSecrets(ctx context.Context, again bool) ([]string, error) {
	s, err := c.Secret(ctx)
	if again {
		s, err = c.Refresh(ctx)
	}
	return s.SigningSecrets, err
}

// Token returns the Slack token. refused is the one that Slack has just refused, or
// "". If the secret still has that one, or none at all, it is refreshed: the app may
// just have been installed.
func (c *SecretCache) Token(ctx context.Context, refused string) (string, error) {
	s, err := c.Secret(ctx)
	if err == nil && s.SlackToken == refused { // both empty, too
		s, err = c.Refresh(ctx)
	}
	return s.SlackToken, err
}

// MailKeys returns the keys that verify mailed links.
func (c *SecretCache) MailKeys(ctx context.Context) ([]handle.MailKey, error) {
	s, err := c.Secret(ctx)
	return s.MailKeys, err
}

// DigestKey returns the key of handle.GateDigest, derived from the first mail key or,
// without one, from the Slack token.
func (c *SecretCache) DigestKey(ctx context.Context) ([]byte, error) {
	s, err := c.Secret(ctx)
	if err != nil {
		return nil, err
	}
	from := s.SlackToken
	if len(s.MailKeys) > 0 {
		from = string(s.MailKeys[0])
	}
	if from == "" {
		return nil, SecretProblems{"it has neither a mail key nor a Slack token"}
	}
	mac := hmac.New(sha256.New, []byte(from))
	mac.Write([]byte("countersign digest key"))
	return mac.Sum(nil), nil
}
