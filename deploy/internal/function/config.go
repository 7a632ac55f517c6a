package function

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/caarlos0/env/v11"

	"countersign/handle"
	"countersign/notifier"
)

const prefix = "COUNTERSIGN_"

// Config is what a function is told by its environment, once, when its process
// starts. Each name has the prefix COUNTERSIGN_. An empty variable is the same as
// a missing one.
type Config struct {
	// Table is the name of the DynamoDB table. Required.
	Table string `env:"TABLE"`

	// Secret is the ARN of the secret in Secrets Manager; see [Secret] for what it
	// holds. Required.
	Secret string `env:"SECRET"`

	// Topic is the ARN of the SNS topic that mails are sent to; empty: no mail.
	Topic string `env:"TOPIC"`

	// URL is the address under which people reach the bot, such as
	// https://approvals.example.com. The notifier needs it for the links of its
	// mails; the bot learns it from its requests if it is not told.
	URL string `env:"URL"`

	// SlackAPI is where Slack's Web API is, ending in a slash. GovSlack has another.
	SlackAPI string `env:"SLACK_API" envDefault:"https://slack.com/api/"`

	// SlackTeam (T…) and SlackEnterprise (E…) say whose people may decide. The bot
	// needs one of them at least.
	SlackTeam       string `env:"SLACK_TEAM"`
	SlackEnterprise string `env:"SLACK_ENTERPRISE"`

	// SlackApp (A…) is the app that clicks must be of; empty: any that signs with
	// our secret.
	SlackApp string `env:"SLACK_APP"`

	// What follows are the terms of launches whose template does not say
	// otherwise; see [notifier.Defaults].

	Channel      string        `env:"CHANNEL"`   // ID, or #name; empty: mail alone
	Approvers    []string      `env:"APPROVERS"` // IDs of users and groups, separated by commas; empty: nobody
	Approvals    int           `env:"APPROVALS" envDefault:"1"`
	SelfApproval bool          `env:"SELF_APPROVAL" envDefault:"false"`
	MailDomain   string        `env:"MAIL_DOMAIN"`
	Timeout      time.Duration `env:"TIMEOUT" envDefault:"12h"` // such as 90m or 12h
	Margin       time.Duration `env:"MARGIN" envDefault:"2m"`

	// Origins are the URL prefixes, separated by commas, that wait URLs and
	// response URLs may have beside AWS's own. For made worlds: never set on AWS.
	Origins []string `env:"ORIGINS"`
}

// Role says which of the functions is configured.
type Role string

// The two functions.
const (
	RoleBot      Role = "bot"
	RoleNotifier Role = "notifier"
)

// Faults are all that is wrong with a configuration, each in a sentence that
// says what to do.
type Faults []string

func (f Faults) Error() string {
	return fmt.Sprintf("the configuration has %d faults; mend them in the stack's parameters and deploy again: %s", len(f), strings.Join(f, "; "))
}

// ReadConfig reads the configuration from the environment. The error is Faults,
// which names everything that is wrong, and quotes no value. Of a faulty
// configuration Origins alone are returned, if they are good: what answers
// CloudFormation then needs them.
func ReadConfig(role Role, environ []string) (Config, error) {
	given := map[string]string{}
	for key, value := range env.ToMap(environ) {
		if value = strings.TrimSpace(value); value != "" && strings.HasPrefix(key, prefix) {
			given[key] = value
		}
	}
	var c Config
	check := checker{}
	check.unknown(given)
	if err := env.ParseWithOptions(&c, env.Options{Prefix: prefix, Environment: given}); err != nil {
		check.unread(err)
	}
	check.config(c, role)
	if len(check.faults) > 0 {
		if slices.Contains(check.faulty, prefix+"ORIGINS") {
			c.Origins = nil
		}
		return Config{Origins: c.Origins}, check.faults
	}
	return c, nil
}

// Variable returns the environment variable of a field of Config, such as
// COUNTERSIGN_TABLE for "Table". It panics if there is no such field.
func Variable(field string) string {
	f, ok := reflect.TypeFor[Config]().FieldByName(field)
	if !ok {
		panic("function.Config has no field " + field)
	}
	return variable(f)
}

// Variables lists the environment variables of all fields of Config.
func Variables() (list []string) {
	for t, i := reflect.TypeFor[Config](), 0; i < t.NumField(); i++ {
		list = append(list, variable(t.Field(i)))
	}
	return list
}

func variable(f reflect.StructField) string { return prefix + f.Tag.Get("env") }

// checker collects faults, at most one for each variable.
type checker struct {
	faults Faults
	faulty []string // names of variables
}

func (c *checker) fault(name, what string) {
	if !slices.Contains(c.faulty, name) {
		c.faulty = append(c.faulty, name)
		c.faults = append(c.faults, handle.OneLine(name, 60)+" "+what)
	}
}

// unknown finds variables that mean nothing: a misspelt one would else be left
// out in silence.
func (c *checker) unknown(given map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(Variables(), name) {
			c.fault(name, "means nothing: remove it, or correct its name")
		}
	}
}

// unread says what the library could not read; its own errors quote the value.
func (c *checker) unread(err error) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		all.Errors = []error{err}
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		errors.As(err, &parse)
		f, known := reflect.TypeFor[Config]().FieldByName(parse.Name)
		if !known {
			c.fault("the environment", "cannot be read")
			continue
		}
		c.fault(variable(f), "must be "+forms[f.Type.String()])
	}
}

var forms = map[string]string{
	"int":           "a whole number, such as 1",
	"bool":          "true or false",
	"time.Duration": "a time with its unit, such as 90m or 12h",
}

// The characters of names and IDs.
const (
	digits  = "0123456789"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters = upper + "abcdefghijklmnopqrstuvwxyz"
)

// consists reports whether text is start, and then at least one character, all of
// alphabet. (Not regular expressions: to compile them takes longer than all else
// that a cold start does here.)
func consists(text, start, alphabet string) bool {
	rest, ok := strings.CutPrefix(text, start)
	return ok && rest != "" && strings.Trim(rest, alphabet) == ""
}

// isARN reports whether text is the ARN of a resource of service in a Region and
// an account.
func isARN(text, service, start, alphabet string) bool {
	a, err := arn.Parse(text)
	return err == nil && strings.HasPrefix(a.Partition, "aws") && a.Service == service && a.Region != "" &&
		len(a.AccountID) == 12 && consists(a.AccountID, "", digits) && consists(a.Resource, start, alphabet)
}

func isChannel(text string) bool {
	name, named := strings.CutPrefix(text, "#")
	if named {
		return name != "" && !strings.ContainsFunc(name, unicode.IsSpace) && !strings.ContainsAny(name, "#@,")
	}
	return consists(text, "C", upper+digits) || consists(text, "G", upper+digits)
}

func isDomain(text string) bool {
	top := text[strings.LastIndex(text, ".")+1:]
	return len(top) >= 2 && len(top) < len(text)-1 && consists(top, "", letters) &&
		consists(text, "", letters+digits+".-") && !strings.ContainsAny(text[:1], ".-")
}

const (
	minTimeout   = 3 * time.Minute
	maxMargin    = 59 * time.Minute
	minDecide    = time.Minute // what must be left to decide in
	maxApprovals = 20
)

// config finds what could be read and still cannot be.
func (c *checker) config(conf Config, role Role) {
	must := func(name string, ok bool, what string) {
		if !ok {
			c.fault(prefix+name, what)
		}
	}
	form := func(name, value string, ok bool, want string) {
		must(name, value == "" || ok, "must be "+want)
	}
	must("TABLE", conf.Table != "", "is missing: set it to the name of the DynamoDB table")
	form("TABLE", conf.Table, consists(conf.Table, "", letters+digits+"_.-"), "the name of a DynamoDB table, not its ARN")
	must("SECRET", conf.Secret != "", "is missing: set it to the ARN of the secret in Secrets Manager")
	form("SECRET", conf.Secret, isARN(conf.Secret, "secretsmanager", "secret:", letters+digits+"/_+=.@-"), "the ARN of a secret, such as arn:aws:secretsmanager:eu-west-1:123456789012:secret:countersign-AbCdEf")
	form("TOPIC", conf.Topic, isARN(conf.Topic, "sns", "", letters+digits+"_-"), "the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:countersign-mail")
	form("SLACK_TEAM", conf.SlackTeam, consists(conf.SlackTeam, "T", upper+digits), "the ID of a Slack workspace, such as T0123ABCD")
	form("SLACK_ENTERPRISE", conf.SlackEnterprise, consists(conf.SlackEnterprise, "E", upper+digits), "the ID of an Enterprise Grid organisation, such as E0123ABCD")
	form("SLACK_APP", conf.SlackApp, consists(conf.SlackApp, "A", upper+digits), "the ID of a Slack app, such as A0123ABCD")
	form("CHANNEL", conf.Channel, isChannel(conf.Channel), "the ID of a Slack channel, such as C0123ABCD, or its name, such as #approvals")
	form("MAIL_DOMAIN", conf.MailDomain, isDomain(conf.MailDomain), "a domain, such as example.com")
	must("APPROVERS", !slices.ContainsFunc(conf.Approvers, func(a string) bool { return !handle.IsUser(a) && !handle.IsUserGroup(a) }),
		"must be IDs of Slack users (U…) and user groups (S…), separated by commas")
	must("APPROVALS", conf.Approvals >= 1 && conf.Approvals <= maxApprovals, fmt.Sprintf("must be from 1 to %d", maxApprovals))
	must("TIMEOUT", conf.Timeout >= minTimeout && conf.Timeout <= handle.MaxWait, "must be from 3m to 12h, as the wait condition's own")
	must("MARGIN", conf.Margin >= handle.MinMargin && conf.Margin <= maxMargin, "must be from 2m to 59m")
	must("MARGIN", conf.Margin+minDecide <= conf.Timeout || conf.Timeout < minTimeout, "must be less than "+prefix+"TIMEOUT by a minute or more, or nobody has time to decide")
	must("URL", conf.URL == "" || isAddress(conf.URL), "must be https:// and a host name, such as https://approvals.example.com, without a path")
	must("SLACK_API", isSafe(conf.SlackAPI) && strings.HasSuffix(conf.SlackAPI, "/"), "must be an https URL that ends with a slash, such as https://slack.com/api/")
	must("ORIGINS", !slices.ContainsFunc(conf.Origins, func(o string) bool { return !isSafe(o) }), "must be https URLs, separated by commas; leave it out on AWS")
	switch role {
	case RoleBot:
		must("SLACK_TEAM", conf.SlackTeam != "" || conf.SlackEnterprise != "", "is missing, and so is "+prefix+"SLACK_ENTERPRISE: set one of them, or nobody may decide")
	case RoleNotifier:
		must("URL", conf.URL != "" || conf.Topic == "", "is missing: set it to the bot's address, or the links in mails lead nowhere")
	}
}

// isSafe reports whether raw is an https URL; plain http is for loopback alone.
func isSafe(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback())
}

func isAddress(raw string) bool {
	u, err := url.Parse(raw)
	return isSafe(raw) && err == nil && (u.Path == "" || u.Path == "/")
}

// defaults are the terms of launches whose template does not say otherwise.
func (c Config) defaults() notifier.Defaults {
	return notifier.Defaults{
		Channel:      c.Channel,
		Approvers:    c.Approvers,
		Approvals:    c.Approvals,
		SelfApproval: c.SelfApproval,
		Timeout:      c.Timeout,
		Margin:       c.Margin,
	}
}
