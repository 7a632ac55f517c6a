package main

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

	"countersign/handle"
)

// secret is what the secret in Secrets Manager holds. Nothing prints it.
type secret struct {
	arn     string
	changed time.Time
	formErr error // why its text is no secret of ours

	SlackToken     string   `json:"slackToken"`
	SigningSecrets []string `json:"signingSecrets"`
	MailKeys       []string `json:"mailKeys"`
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

// parseSecret reads the secret's JSON. Its formErr quotes nothing of it.
func parseSecret(text string) secret {
	var s secret
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&s)
	var kind *json.UnmarshalTypeError
	switch {
	case text == "":
		s.formErr = errors.New("it is empty, or binary")
	case errors.As(err, &kind):
		s.formErr = fmt.Errorf("%s has the wrong type: it must be as in the README", kind.Field)
	case err != nil:
		// Unknown fields, or no JSON: read again what can be read.
		var fields map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &fields) != nil {
			s.formErr = errors.New("it is no JSON object")
			break
		}
		known := []string{"slackToken", "signingSecrets", "mailKeys"}
		for name := range fields {
			if !slices.Contains(known, name) {
				s.formErr = fmt.Errorf("it holds %q, which nothing reads; it reads %s", handle.Line(name, 40), strings.Join(known, ", "))
			}
		}
		_ = json.Unmarshal([]byte(text), &s)
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
			"Make it, as the README's first step says; or give its ARN to the stack:\n  sam deploy --guided")}
	case errors.As(err, &deleted):
		return []Finding{fault(nameSecret, "the secret is marked for deletion", "Take it back:"+d.cli("secretsmanager restore-secret --secret-id "+s.arn))}
	case err != nil:
		return []Finding{unread(nameSecret, "secretsmanager:GetSecretValue and kms:Decrypt", err)}
	}
	findings := judgeSecret(s, d.usesSlack(), d.usesMail(), d.now())
	if n, err := d.notifier(); err == nil && n.env[envSecret] != s.arn {
		findings = append(findings, fault(nameSecret, "bot and notifier read different secrets", "Deploy again, so that both read the same one:\n  sam build && sam deploy"))
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

var (
	signingSecret = regexp.MustCompile(`^[0-9a-f]{32}$`)
	botToken      = regexp.MustCompile(`^xoxb-[A-Za-z0-9-]{8,}$`)
)

const rotation = 48 * time.Hour // longer than any request and any signature lives

// judgeSecret says whether the secret can be of use, and no word of what it is.
func judgeSecret(s secret, slack, mail bool, now time.Time) []Finding {
	if s.formErr != nil {
		return []Finding{fault(nameSecret, s.formErr.Error(), s.edit(`It must read {"slackToken": "xoxb-…", "signingSecrets": ["…"], "mailKeys": ["…"]}.`))}
	}
	var findings []Finding
	add := func(f Finding) { findings = append(findings, f) }
	const app = " at api.slack.com/apps > the app > "
	switch t := s.SlackToken; {
	case !slack && t == "":
	case t == "":
		add(fault(nameSecret, "slackToken is empty: nothing can be posted", s.edit("Install the app"+app+"OAuth & Permissions, and put its Bot User OAuth Token into slackToken.")))
	case strings.HasPrefix(t, "xoxe."):
		add(fault(nameSecret, "slackToken is one that Slack rotates: it ends within 12 hours", s.edit("Make the app anew from the manifest: token rotation cannot be turned off. Put the new Bot User OAuth Token (xoxb-…) into slackToken.")))
	case !botToken.MatchString(t):
		add(fault(nameSecret, "slackToken is no bot token: it does not read xoxb-…"+spaces(t), s.edit("Copy the Bot User OAuth Token"+app+"OAuth & Permissions into slackToken.")))
	}
	if slack && len(s.SigningSecrets) == 0 {
		add(fault(nameSecret, "signingSecrets is empty: every click is refused", s.edit("Copy the Signing Secret"+app+"Basic Information into signingSecrets, as a list of one.")))
	}
	for i, v := range s.SigningSecrets {
		if !signingSecret.MatchString(v) {
			add(fault(nameSecret, fmt.Sprintf("entry %d of signingSecrets is no signing secret: it is not 32 digits from 0 to f%s", i+1, spaces(v)),
				s.edit("Copy the Signing Secret (not the Client Secret)"+app+"Basic Information.")))
		}
	}
	if mail && len(s.MailKeys) == 0 {
		add(fault(nameSecret, "mailKeys is empty, and there is a mail topic: mails carry no link", s.edit("Put a random text of at least 32 characters into mailKeys, as a list of one; this makes one:\n  openssl rand -hex 32\n")))
	}
	for i, v := range s.MailKeys {
		if len(v) < handle.MinMailKey {
			add(fault(nameSecret, fmt.Sprintf("entry %d of mailKeys has %d bytes, fewer than %d: it is refused", i+1, len(v), handle.MinMailKey),
				s.edit("Put a longer one in its place; this makes one:\n  openssl rand -hex 32\n")))
		}
	}
	for _, list := range []struct {
		name    string
		entries []string
	}{{"signingSecrets", s.SigningSecrets}, {"mailKeys", s.MailKeys}} {
		if slices.Contains(list.entries[min(1, len(list.entries)):], first(list.entries)) && len(list.entries) > 1 {
			add(warning(nameSecret, list.name+" holds the same entry twice", s.edit("Take one out.")))
		} else if open := now.Sub(s.changed); len(list.entries) > 1 && open > rotation {
			add(warning(nameSecret, fmt.Sprintf("%s has held %d entries for %d days: old ones still open the door", list.name, len(list.entries), int(open.Hours()/24)),
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

// spaces says what cannot be seen of a value that is pasted with blanks.
func spaces(v string) string {
	if strings.TrimSpace(v) != v {
		return "; there are blanks round it"
	}
	return ""
}
