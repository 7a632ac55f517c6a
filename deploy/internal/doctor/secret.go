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

// secret is the value in Secrets Manager. It must never be printed.
type secret struct {
	arn       string
	changed   time.Time
	faults    function.SecretProblems
	malformed []string // names of members that have the wrong JSON type

	SlackToken     string
	SigningSecrets []string
	MailKeys       []string
}

const nameSecret = "secret"

// String and GoString hide the secret from fmt.
func (secret) String() string   { return "[hidden]" }
func (secret) GoString() string { return "[hidden]" }

// values returns everything that must not appear in output.
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

// errNeedsBot says that a fact depends on the bot function, which could not be
// read.
var errNeedsBot = errors.New("the bot function could not be read")

// parseSecret reads as much of the secret's JSON as it can, so that one mistake
// does not hide another. faults are what the functions' own parser reports.
func parseSecret(text string) secret {
	var s secret
	_, err := function.ParseSecret(text)
	errors.As(err, &s.faults)
	var members map[string]json.RawMessage
	broken := json.Unmarshal([]byte(text), &members) != nil
	for name, into := range map[string]any{"slackToken": &s.SlackToken, "signingSecrets": &s.SigningSecrets, "mailKeys": &s.MailKeys} {
		if member, given := members[name]; broken || given && json.Unmarshal(member, into) != nil {
			s.malformed = append(s.malformed, name)
		}
	}
	return s
}

// editAdvice is advice to change the secret in the console, which leaves no file behind.
func (s secret) editAdvice(what string) string {
	return what + " The functions reread the secret; no redeployment is needed." +
		"\n  AWS console > Secrets Manager > " + secretName(s.arn) + " > Retrieve secret value > Edit"
}

// secretName returns the name in a secret's ARN, without the six random characters
// that AWS appends.
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
		return []Finding{fault(nameSecret, "secret "+s.arn+" does not exist or has no value",
			"Create it as in step 1 of the installation, or set the stack parameter SecretArn to another secret's ARN:"+redeploy)}
	case errors.As(err, &deleted):
		return []Finding{fault(nameSecret, "the secret is scheduled for deletion", "Restore it:"+d.cli("secretsmanager restore-secret --secret-id %s", s.arn))}
	case err != nil:
		return []Finding{awsError(nameSecret, "secretsmanager:GetSecretValue and kms:Decrypt", err)}
	}
	findings := judgeSecret(s, d.usesSlack(), d.usesMail(), d.now())
	if n, err := d.notifier(); err == nil && n.env[envSecret] != s.arn {
		findings = append(findings, fault(nameSecret, "bot and notifier use different secrets", "Redeploy, so that both use SecretArn:"+redeploy))
	}
	return findings
}

// usesSlack and usesMail report what the deployment is configured for.
func (d *doctor) usesSlack() bool {
	n, err := d.notifier()
	return err != nil || n.env[envChannel] != "" || d.Channel != ""
}

func (d *doctor) usesMail() bool {
	n, err := d.notifier()
	return err == nil && n.env[envTopic] != ""
}

var signingSecret = regexp.MustCompile(`^[0-9a-f]{32}$`)

const maxRotation = 48 * time.Hour // longer than a request or a signature is valid

// secretSources says where the members of the secret come from.
const secretSources = "slackToken is the Bot User OAuth Token, at https://api.slack.com/apps > the app > OAuth & Permissions. " +
	"An entry of signingSecrets is the Signing Secret (not the Client Secret), under Basic Information there. " +
	"An entry of mailKeys is random text, such as the output of openssl rand -hex 32."

// judgeSecret reports whether the secret is usable, without quoting it.
func judgeSecret(s secret, slack, mail bool, now time.Time) []Finding {
	var findings []Finding
	add := func(f Finding) { findings = append(findings, f) }
	empty := func(name string, length int) bool { return length == 0 && !slices.Contains(s.malformed, name) }
	if len(s.faults) > 0 {
		add(fault(nameSecret, "the functions reject it: "+strings.Join(s.faults, "; "), s.editAdvice(secretSources)))
	}
	switch {
	case strings.HasPrefix(s.SlackToken, "xoxe."):
		add(fault(nameSecret, "slackToken uses token rotation: it expires within 12 hours",
			s.editAdvice("Token rotation cannot be turned off: create a new app from the stack output SlackManifest, and put its token and signing secret into the secret.")))
	case slack && empty("slackToken", len(s.SlackToken)):
		add(fault(nameSecret, "slackToken is empty: requests cannot be posted", s.editAdvice(secretSources)))
	}
	if slack && empty("signingSecrets", len(s.SigningSecrets)) {
		add(fault(nameSecret, "signingSecrets is empty: every click is refused", s.editAdvice(secretSources)))
	}
	for i, v := range s.SigningSecrets {
		if !signingSecret.MatchString(v) && strings.TrimSpace(v) == v {
			add(fault(nameSecret, fmt.Sprintf("entry %d of signingSecrets is not a Slack signing secret: it is not 32 hexadecimal digits", i+1), s.editAdvice(secretSources)))
		}
	}
	if mail && empty("mailKeys", len(s.MailKeys)) {
		add(fault(nameSecret, "mailKeys is empty: mails carry no links to decide with", s.editAdvice(secretSources)))
	}
	for _, list := range []struct {
		name    string
		entries []string
	}{{"signingSecrets", s.SigningSecrets}, {"mailKeys", s.MailKeys}} {
		if slices.Contains(list.entries[min(1, len(list.entries)):], first(list.entries)) && len(list.entries) > 1 {
			add(warning(nameSecret, list.name+" holds the same entry twice", s.editAdvice("Remove one of them.")))
		} else if open := now.Sub(s.changed); len(list.entries) > 1 && open > maxRotation {
			add(warning(nameSecret, fmt.Sprintf("%s has had %d entries for %s: the old ones are still accepted", list.name, len(list.entries), approximate(open)),
				s.editAdvice("The rotation should be over: remove all but the first entry.")))
		}
	}
	if len(findings) == 0 {
		add(ok(nameSecret, "well-formed: %s, %s", plural(len(s.SigningSecrets), "signing secret"), plural(len(s.MailKeys), "mail key")))
	}
	return findings
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
