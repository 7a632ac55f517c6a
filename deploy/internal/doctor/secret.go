package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"countersign/deploy/internal/function"
)

// secret is what the secret in Secrets Manager holds. Nothing prints it.
type secret struct {
	arn     string
	changed time.Time
	faults  function.SecretFaults
	unread  []string // members that are not what they must be

	SlackToken     string
	SigningSecrets []string
	MailKeys       []string
}

const nameSecret = "secret"

// String and GoString keep what the secret holds out of any text.
func (secret) String() string   { return "[hidden]" }
func (secret) GoString() string { return "[hidden]" }

// values are all that must be in no output.
func (s secret) values() []string {
	all := slices.Concat([]string{s.SlackToken}, s.SigningSecrets, s.MailKeys)
	return slices.DeleteFunc(all, func(v string) bool { return len(v) < 4 })
}

// readSecret reads the secret that the bot reads.
func (d *doctor) readSecret(ctx context.Context) (secret, error) {
	f, err := d.bot()
	if err != nil || f.env[envSecret] == "" {
		return secret{}, errNeedsBot
	}
	arn := f.env[envSecret]
	out, err := d.aws.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return secret{arn: arn}, err
	}
	s := parseSecret(aws.ToString(out.SecretString))
	s.arn, s.changed = arn, aws.ToTime(out.CreatedDate)
	return s, nil
}

// errNeedsBot says that a fact lies behind a function that could not be read.
var errNeedsBot = errors.New("the bot function could not be read")

// parseSecret reads of the secret's JSON what can be read, so that one mistake in
// it hides no other; faults are what the functions themselves find wrong.
func parseSecret(text string) secret {
	var s secret
	_, err := function.ParseSecret(text)
	errors.As(err, &s.faults)
	var members map[string]json.RawMessage
	broken := json.Unmarshal([]byte(text), &members) != nil
	for name, into := range map[string]any{"slackToken": &s.SlackToken, "signingSecrets": &s.SigningSecrets, "mailKeys": &s.MailKeys} {
		if member, given := members[name]; broken || given && json.Unmarshal(member, into) != nil {
			s.unread = append(s.unread, name)
		}
	}
	return s
}

// edit is how to change one part of the secret and leave no file behind.
func (s secret) edit(what string) string {
	return what + " The functions take it up by themselves; no deployment is needed." +
		"\n  AWS console > Secrets Manager > " + secretName(s.arn) + " > Retrieve secret value > Edit"
}

// secretName is the name in a secret's ARN, without the six characters that AWS
// adds.
func secretName(arn string) string {
	name := arn[strings.LastIndex(arn, ":")+1:]
	if i := len(name) - 7; i > 0 && name[i] == '-' {
		name = name[:i]
	}
	return name
}

func (d *doctor) checkSecret(context.Context) []Finding {
	s, err := d.secret()
	var gone *types.ResourceNotFoundException
	var deleted *types.InvalidRequestException
	switch {
	case errors.Is(err, errNeedsBot):
		return []Finding{needs(nameSecret, nameBot)}
	case errors.As(err, &gone):
		return []Finding{fault(nameSecret, "there is no secret "+s.arn+", or it has no value yet",
			"Make it, as the README's first step says; or give its ARN to the stack:"+redeploy)}
	case errors.As(err, &deleted):
		return []Finding{fault(nameSecret, "the secret is marked for deletion", "Take it back:"+d.cli("secretsmanager restore-secret --secret-id "+s.arn))}
	case err != nil:
		return []Finding{unread(nameSecret, "secretsmanager:GetSecretValue and kms:Decrypt", err)}
	}
	findings := judgeSecret(s, d.usesSlack(), d.usesMail(), d.now())
	if n, err := d.notifier(); err == nil && n.env[envSecret] != s.arn {
		findings = append(findings, fault(nameSecret, "bot and notifier read different secrets", "Deploy again, so that both read the same one:"+redeploy))
	}
	return findings
}

// usesSlack and usesMail say what the deployment is set up for.
func (d *doctor) usesSlack() bool {
	n, err := d.notifier()
	return err != nil || n.env[envChannel] != "" || d.Channel != ""
}

func (d *doctor) usesMail() bool {
	n, err := d.notifier()
	return err == nil && n.env[envTopic] != ""
}

var signingSecret = regexp.MustCompile(`^[0-9a-f]{32}$`)

const rotation = 48 * time.Hour // longer than any request and any signature lives

// sources is where the parts of the secret come from.
const sources = "slackToken is the Bot User OAuth Token, at https://api.slack.com/apps > the app > OAuth & Permissions. " +
	"An entry of signingSecrets is the Signing Secret (not the Client Secret), at Basic Information there. " +
	"An entry of mailKeys is a random text; openssl rand -hex 32 makes one."

// judgeSecret says whether the secret can be of use, and no word of what it is.
func judgeSecret(s secret, slack, mail bool, now time.Time) []Finding {
	var findings []Finding
	add := func(f Finding) { findings = append(findings, f) }
	empty := func(name string, length int) bool { return length == 0 && !slices.Contains(s.unread, name) }
	if len(s.faults) > 0 {
		add(fault(nameSecret, "the functions do not take it: "+strings.Join(s.faults, "; "), s.edit(sources)))
	}
	switch {
	case strings.HasPrefix(s.SlackToken, "xoxe."):
		add(fault(nameSecret, "Slack rotates slackToken: it ends within 12 hours",
			s.edit("Token rotation cannot be turned off again: make the app anew from the stack's SlackManifest, and put its token and signing secret into the secret.")))
	case slack && empty("slackToken", len(s.SlackToken)):
		add(fault(nameSecret, "slackToken is empty: nothing can be posted", s.edit(sources)))
	}
	if slack && empty("signingSecrets", len(s.SigningSecrets)) {
		add(fault(nameSecret, "signingSecrets is empty: every click is refused", s.edit(sources)))
	}
	for i, v := range s.SigningSecrets {
		if !signingSecret.MatchString(v) && strings.TrimSpace(v) == v {
			add(fault(nameSecret, fmt.Sprintf("entry %d of signingSecrets is no signing secret of Slack's: it is not 32 digits from 0 to f", i+1), s.edit(sources)))
		}
	}
	if mail && empty("mailKeys", len(s.MailKeys)) {
		add(fault(nameSecret, "mailKeys is empty, and there is a mail topic: mails carry no link", s.edit(sources)))
	}
	for _, list := range []struct {
		name    string
		entries []string
	}{{"signingSecrets", s.SigningSecrets}, {"mailKeys", s.MailKeys}} {
		if slices.Contains(list.entries[min(1, len(list.entries)):], first(list.entries)) && len(list.entries) > 1 {
			add(warning(nameSecret, list.name+" holds the same entry twice", s.edit("Take one out.")))
		} else if open := now.Sub(s.changed); len(list.entries) > 1 && open > rotation {
			add(warning(nameSecret, fmt.Sprintf("%s has held %d entries for %s: old ones still open the door", list.name, len(list.entries), rough(open)),
				s.edit("The rotation is over; take out all but the first.")))
		}
	}
	if len(findings) == 0 {
		add(ok(nameSecret, "readable and well-formed: %s, %s", plural(len(s.SigningSecrets), "signing secret"), plural(len(s.MailKeys), "mail key")))
	}
	return findings
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
