package function

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
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
// Of the signing secrets each is good. The first mail key seals, each opens.
// Before there is a Slack app, slackToken may be "" and signingSecrets [];
// without a mail topic mailKeys may be []. It prints as a placeholder.
type Secret struct {
	SlackToken     string
	SigningSecrets []string
	MailKeys       []handle.MailKey
}

const hiddenSecret = "[secret]"

func (Secret) String() string               { return hiddenSecret }
func (Secret) GoString() string             { return hiddenSecret }
func (Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(hiddenSecret)) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hiddenSecret) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hiddenSecret), nil }

// SecretFaults are all that is wrong with a secret, in sentences that quote
// nothing of it.
type SecretFaults []string

func (f SecretFaults) Error() string {
	return fmt.Sprintf("the secret has %d faults; mend it in Secrets Manager, it is read again by itself: %s", len(f), strings.Join(f, "; "))
}

// ParseSecret reads the secret's JSON. The error is SecretFaults.
func ParseSecret(text string) (Secret, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil || members == nil {
		return Secret{}, SecretFaults{`it must be a JSON object: {"slackToken": "…", "signingSecrets": ["…"], "mailKeys": ["…"]}`}
	}
	var s Secret
	var keys []string
	var faults SecretFaults
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	take := func(name string, into any, want string) {
		raw, ok := members[name]
		switch {
		case !ok:
			fault("%s is missing: it must be %s", name, want)
		case bytes.Equal(raw, []byte("null")) || json.Unmarshal(raw, into) != nil:
			fault("%s must be %s", name, want)
		}
		delete(members, name)
	}
	take("slackToken", &s.SlackToken, `a text, "" before there is a Slack app`)
	take("signingSecrets", &s.SigningSecrets, "a list of texts, [] before there is a Slack app")
	take("mailKeys", &keys, "a list of texts, [] if there are no mails")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		fault("%q means nothing: remove it, or correct its name", handle.OneLine(name, 40))
	}
	if s.SlackToken != "" && (!strings.HasPrefix(s.SlackToken, "xoxb-") || strings.ContainsAny(s.SlackToken, " \t\r\n")) {
		fault("slackToken must be a bot token: it begins with xoxb-, and has no spaces")
	}
	for i, secret := range s.SigningSecrets {
		if secret == "" || strings.TrimSpace(secret) != secret {
			fault("signing secret %d must not be empty, nor begin or end with a space", i+1)
		}
	}
	for i, key := range keys {
		if len(key) < handle.MinMailKey {
			fault("mail key %d must have at least %d characters: openssl rand -hex 32 makes one", i+1, handle.MinMailKey)
		}
		s.MailKeys = append(s.MailKeys, handle.MailKey(key))
	}
	if len(faults) > 0 {
		return Secret{}, faults
	}
	return s, nil
}

// SecretsManager is as much of the client as the secret needs:
// secretsmanager:GetSecretValue on it.
type SecretsManager interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Keeper keeps the secret: read when it is first needed, and anew when it has
// grown old or somebody has reason to think that it was rotated. When it cannot
// be read, or what is read is faulty, the one before stays in force.
type SecretCache struct {
	Client SecretsManager
	ARN    string
	Now    func() time.Time
	Log    *slog.Logger

	reading singleflight.Group

	mu     sync.Mutex
	kept   *Secret   // nil: never read
	readAt time.Time // when it was read well
	failed error     // what the last attempt came to
	tried  time.Time // when that was
}

const (
	secretAge     = 5 * time.Minute        // then it is read anew before it is used
	secretDoubt   = 2 * time.Second        // what is younger is not doubted
	secretPause   = 15 * time.Second       // after a reading that failed, while an older one serves
	secretHurry   = time.Second            // after a reading that failed, while there is none
	secretTimeout = 900 * time.Millisecond // of one reading: a click waits for it
)

// Secret returns the secret, which was read within the last minutes if it can be
// read at all. The error says that there is none.
func (k *SecretCache) Secret(ctx context.Context) (Secret, error) {
	return k.get(ctx, secretAge)
}

// Doubted is Secret for somebody who has met a token or signature that does not
// fit: it is read anew, unless that was done a moment ago.
func (k *SecretCache) Doubted(ctx context.Context) (Secret, error) {
	return k.get(ctx, secretDoubt)
}

// get returns the secret if it is younger than age; else it is read, though
// not soon after an attempt that failed.
func (k *SecretCache) get(ctx context.Context, age time.Duration) (Secret, error) {
	k.mu.Lock()
	now := k.Now()
	kept, failed, pause := k.kept, k.failed, secretPause
	if kept == nil {
		pause = secretHurry
	}
	fresh := kept != nil && within(now.Sub(k.readAt), age)
	waits := failed != nil && within(now.Sub(k.tried), pause)
	k.mu.Unlock()
	switch {
	case kept != nil && (fresh || waits):
		return *kept, nil
	case waits:
		return Secret{}, failed
	}
	done := k.reading.DoChan("", func() (any, error) { return nil, k.read() })
	select {
	case <-done:
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.kept != nil:
		return *k.kept, nil
	case k.failed != nil:
		return Secret{}, k.failed
	}
	return Secret{}, fmt.Errorf("couldn't read the secret: %w", ctx.Err())
}

func within(age, limit time.Duration) bool { return age >= 0 && age < limit }

// read reads the secret, whoever waits for it.
func (k *SecretCache) read() error {
	ctx, cancel := context.WithTimeout(context.Background(), secretTimeout)
	defer cancel()
	s, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried, k.failed = k.Now(), err
	if err != nil {
		k.Log.ErrorContext(ctx, "couldn't read the secret", "error", err, "kept", k.kept != nil)
		return err
	}
	k.kept, k.readAt = &s, k.tried
	return nil
}

func (k *SecretCache) fetch(ctx context.Context) (Secret, error) {
	out, err := k.Client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &k.ARN})
	if err != nil {
		return Secret{}, fmt.Errorf("couldn't read the secret: %w", err)
	}
	if out.SecretString == nil {
		return Secret{}, SecretFaults{"it must be text, not binary"}
	}
	return ParseSecret(*out.SecretString)
}

// SigningSecrets are [bot.Bot]'s.
func (k *SecretCache) SigningSecrets(ctx context.Context, again bool) ([]string, error) {
	s, err := k.Secret(ctx)
	if again {
		s, err = k.Doubted(ctx)
	}
	return s.SigningSecrets, err
}

// Token returns the Slack token. refused is one that Slack has just refused;
// empty if none was. Where there is none yet, somebody may just have made the
// Slack app, and be about to launch.
func (k *SecretCache) Token(ctx context.Context, refused string) (string, error) {
	s, err := k.Secret(ctx)
	if err == nil && s.SlackToken == refused { // both empty, too
		s, err = k.Doubted(ctx)
	}
	return s.SlackToken, err
}

// MailKeys returns the keys that may open a ticket.
func (k *SecretCache) MailKeys(ctx context.Context) ([]handle.MailKey, error) {
	s, err := k.Secret(ctx)
	return s.MailKeys, err
}
