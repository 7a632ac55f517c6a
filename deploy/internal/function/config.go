package function

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/caarlos0/env/v11"

	"countersign/handle"
	"countersign/notifier"
)

const prefix = "COUNTERSIGN_"

// Config is a function's configuration, read from the environment when its process
// starts. Each variable has the prefix COUNTERSIGN_. An empty variable is the same
// as a missing one.
type Config struct {
	// Table is the name of the DynamoDB table. Required.
	Table string `env:"TABLE"`

	// Secret is the ARN of the secret in Secrets Manager, which holds a [Secret].
	// Required.
	Secret string `env:"SECRET"`

	// Topic is the ARN of the SNS topic for mails. Empty: no mail.
	Topic string `env:"TOPIC"`

	// Account is the ID of the AWS account that the function runs in. Stacks of other
	// accounts cannot be read. Required.
	Account string `env:"ACCOUNT"`

	// Accounts are labels of AWS accounts for messages, as 111122223333=production,
	// separated by commas. Empty: messages show account IDs only.
	Accounts []string `env:"ACCOUNTS"`

	// URL is the bot's public URL, such as https://approvals.example.com, for the
	// links in mails. The notifier needs it. It is empty for a bot behind a Function
	// URL, which is created after its function.
	URL string `env:"URL"`

	// SlackAPI is the URL of Slack's Web API, ending in a slash. GovSlack has a
	// different one.
	SlackAPI string `env:"SLACK_API" envDefault:"https://slack.com/api/"`

	// SlackTeam (T…) and SlackEnterprise (E…) are the workspace and organization
	// whose members may decide. The bot needs at least one of them.
	SlackTeam       string `env:"SLACK_TEAM"`
	SlackEnterprise string `env:"SLACK_ENTERPRISE"`

	// SlackApp (A…) is the app that clicks must come from. Empty: any app that signs
	// with the signing secret.
	SlackApp string `env:"SLACK_APP"`

	// Defaults for launches whose template does not set them; see
	// [notifier.Defaults].

	Channel      string   `env:"CHANNEL"`   // ID or #name; empty: mail only
	Approvers    []string `env:"APPROVERS"` // IDs of users and user groups, separated by commas; empty: no one
	Approvals    int      `env:"APPROVALS" envDefault:"1"`
	SelfApproval bool     `env:"SELF_APPROVAL" envDefault:"false"`
	MailDomain   string   `env:"MAIL_DOMAIN"`

	// UnprovenRequester says how to treat a launch whose requester cannot be proven;
	// see [handle.Terms].
	UnprovenRequester string `env:"UNPROVEN_REQUESTER" envDefault:"two-approvers"`

	// GrantFor is how long an expired launch may still be approved for relaunch, and
	// how long such a grant lasts; 0 disables grants.
	GrantFor time.Duration `env:"GRANT_FOR" envDefault:"72h"`

	// Reminders are the percentages of the time to decide that are left when approvers
	// are reminded, separated by commas; none for no reminders.
	Reminders []string `env:"REMINDERS" envDefault:"50,25,5"`

	// WorkingHours are when people are reminded and requests escalated, as Mon-Fri
	// 09:00-17:00 or 09:00-17:00, in TimeZone; empty: at any time. See
	// [handle.ParseWorkingHours].
	WorkingHours string `env:"WORKING_HOURS"`
	TimeZone     string `env:"TIME_ZONE" envDefault:"UTC"`

	// EscalateAfter is when an undecided request is escalated to EscalateTo; 0: never.
	EscalateAfter time.Duration `env:"ESCALATE_AFTER" envDefault:"0"`
	EscalateTo    []string      `env:"ESCALATE_TO"` // IDs of users and user groups, separated by commas

	// ReassignTo are IDs of users and user groups, separated by commas, that an approver
	// may reassign a request to; empty: none.
	ReassignTo []string `env:"REASSIGN_TO"`

	// CancelUnapprovedUpdates cancels stack updates that bypass their gate.
	CancelUnapprovedUpdates bool `env:"CANCEL_UNAPPROVED_UPDATES" envDefault:"false"`

	Timeout time.Duration `env:"TIMEOUT" envDefault:"12h"` // such as 90m or 12h
	Margin  time.Duration `env:"MARGIN" envDefault:"2m"`

	// Origins are URL prefixes, separated by commas, that wait URLs and response
	// URLs may have besides AWS's own. For tests; never set on AWS.
	Origins []string `env:"ORIGINS"`
}

// Role names the function to configure.
type Role string

// The two functions.
const (
	RoleBot      Role = "bot"
	RoleNotifier Role = "notifier"
)

// Problems lists everything that is wrong with a configuration. Each says how to
// fix it, and none quotes a value.
type Problems []string

func (p Problems) Error() string {
	return fmt.Sprintf("invalid configuration (%s): fix the stack parameters and redeploy: %s", problemCount(len(p)), strings.Join(p, "; "))
}

func problemCount(n int) string {
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", n)
}

// ReadConfig reads the configuration from the environment. The error is Problems.
// With an error, only Account and Origins are returned, if they are valid: the
// notifier needs them to answer CloudFormation.
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
		check.unparsable(err)
	}
	check.config(c, role)
	if len(check.problems) > 0 {
		if slices.Contains(check.variables, prefix+"ORIGINS") {
			c.Origins = nil
		}
		if slices.Contains(check.variables, prefix+"ACCOUNT") {
			c.Account = ""
		}
		return Config{Account: c.Account, Origins: c.Origins}, check.problems
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

// checker collects problems, at most one for each variable.
type checker struct {
	problems  Problems
	variables []string // names of variables
}

func (c *checker) problem(name, what string) {
	if !slices.Contains(c.variables, name) {
		c.variables = append(c.variables, name)
		c.problems = append(c.problems, handle.OneLine(name, 60)+" "+what)
	}
}

// unknown reports variables that do not exist: a misspelled one would otherwise be
// ignored.
func (c *checker) unknown(given map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(Variables(), name) {
			c.problem(name, "is unknown: remove it or correct its name")
		}
	}
}

// unparsable reports what the library could not parse, without its own texts, which
// quote the value.
func (c *checker) unparsable(err error) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		all.Errors = []error{err}
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		errors.As(err, &parse)
		f, known := reflect.TypeFor[Config]().FieldByName(parse.Name)
		if !known {
			c.problem("the environment", "cannot be parsed")
			continue
		}
		c.problem(variable(f), "must be "+formats[f.Type.String()])
	}
}

var formats = map[string]string{
	"int":           "a whole number, such as 1",
	"bool":          "true or false",
	"time.Duration": "a duration with its unit, such as 90m or 12h",
}

// The characters of names and IDs.
const (
	digits  = "0123456789"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters = upper + "abcdefghijklmnopqrstuvwxyz"
)

// hasForm reports whether text is start, followed by one or more characters of
// alphabet. Regular expressions would take most of this package's cold start to
// compile.
func hasForm(text, start, alphabet string) bool {
	rest, ok := strings.CutPrefix(text, start)
	return ok && rest != "" && strings.Trim(rest, alphabet) == ""
}

// isARN reports whether text is the ARN of a regional resource of service, whose
// resource part has the given form.
func isARN(text, service, start, alphabet string) bool {
	a, err := arn.Parse(text)
	return err == nil && strings.HasPrefix(a.Partition, "aws") && a.Service == service && a.Region != "" &&
		isAccount(a.AccountID) && hasForm(a.Resource, start, alphabet)
}

func isChannel(text string) bool {
	name, named := strings.CutPrefix(text, "#")
	if named {
		return name != "" && !strings.ContainsFunc(name, unicode.IsSpace) && !strings.ContainsAny(name, "#@,")
	}
	return hasForm(text, "C", upper+digits) || hasForm(text, "G", upper+digits)
}

func isDomain(text string) bool {
	top := text[strings.LastIndex(text, ".")+1:]
	return len(top) >= 2 && len(top) < len(text)-1 && hasForm(top, "", letters) &&
		hasForm(text, "", letters+digits+".-") && !strings.ContainsAny(text[:1], ".-")
}

const (
	minTimeout      = 3 * time.Minute
	maxMargin       = 59 * time.Minute
	minDecisionTime = time.Minute // the least time to decide
	maxApprovals    = 20
)

const (
	minGrantFor = time.Hour
	maxGrantFor = 14 * 24 * time.Hour
)

const (
	maxReminders     = 5
	minEscalateAfter = time.Minute
	maxNamed         = 50 // users and user groups
)

// unprovenRequester are the values of Config.UnprovenRequester.
var unprovenRequester = []string{handle.UnprovenTwoApprovers, handle.UnprovenWarn, handle.UnprovenRefuse}

// config reports values that were parsed and are still invalid.
func (c *checker) config(conf Config, role Role) {
	must := func(name string, ok bool, what string) {
		if !ok {
			c.problem(prefix+name, what)
		}
	}
	form := func(name, value string, ok bool, want string) {
		must(name, value == "" || ok, "must be "+want)
	}
	must("TABLE", conf.Table != "", "is missing: set it to the name of the DynamoDB table")
	form("TABLE", conf.Table, hasForm(conf.Table, "", letters+digits+"_.-"), "the name of a DynamoDB table, not its ARN")
	must("SECRET", conf.Secret != "", "is missing: set it to the ARN of the secret in Secrets Manager")
	form("SECRET", conf.Secret, isARN(conf.Secret, "secretsmanager", "secret:", letters+digits+"/_+=.@-"), "the ARN of a secret, such as arn:aws:secretsmanager:eu-west-1:123456789012:secret:countersign-AbCdEf")
	must("ACCOUNT", conf.Account != "", "is missing: set it to the ID of the AWS account that the function runs in")
	form("ACCOUNT", conf.Account, isAccount(conf.Account), "the ID of an AWS account: 12 digits")
	must("ACCOUNTS", validAccounts(conf.Accounts), "must be 12-digit account IDs with labels of at most 40 characters, each account once, such as 111122223333=production,444455556666=sandbox")
	form("TOPIC", conf.Topic, isARN(conf.Topic, "sns", "", letters+digits+"_-"), "the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:countersign-mail")
	form("SLACK_TEAM", conf.SlackTeam, hasForm(conf.SlackTeam, "T", upper+digits), "the ID of a Slack workspace, such as T0123ABCD")
	form("SLACK_ENTERPRISE", conf.SlackEnterprise, hasForm(conf.SlackEnterprise, "E", upper+digits), "the ID of an Enterprise Grid organization, such as E0123ABCD")
	form("SLACK_APP", conf.SlackApp, hasForm(conf.SlackApp, "A", upper+digits), "the ID of a Slack app, such as A0123ABCD")
	form("CHANNEL", conf.Channel, isChannel(conf.Channel), "the ID of a Slack channel, such as C0123ABCD, or its name, such as #approvals")
	form("MAIL_DOMAIN", conf.MailDomain, isDomain(conf.MailDomain), "a domain, such as example.com")
	must("APPROVERS", !slices.ContainsFunc(conf.Approvers, func(a string) bool { return !handle.IsUser(a) && !handle.IsUserGroup(a) }),
		"must be IDs of Slack users (U…) and user groups (S…), separated by commas")
	must("APPROVALS", conf.Approvals >= 1 && conf.Approvals <= maxApprovals, fmt.Sprintf("must be from 1 to %d", maxApprovals))
	must("UNPROVEN_REQUESTER", slices.Contains(unprovenRequester, conf.UnprovenRequester), "must be "+strings.Join(unprovenRequester[:2], ", ")+" or "+unprovenRequester[2])
	must("TIMEOUT", conf.Timeout >= minTimeout && conf.Timeout <= handle.MaxWait, "must be from 3m to 12h, like a wait condition's Timeout")
	must("MARGIN", conf.Margin >= handle.MinMargin && conf.Margin <= maxMargin, "must be from 2m to 59m")
	must("MARGIN", conf.Margin+minDecisionTime <= conf.Timeout || conf.Timeout < minTimeout, "must be at least a minute less than "+prefix+"TIMEOUT, to leave time to decide")
	must("GRANT_FOR", conf.GrantFor == 0 || conf.GrantFor >= minGrantFor && conf.GrantFor <= maxGrantFor, "must be from 1h to 336h, or 0 for no grants")
	_, err := conf.reminders()
	must("REMINDERS", err == nil, fmt.Sprintf("must be up to %d percentages from 1 to 99, such as 50,25,5, or none", maxReminders))
	_, err = handle.ParseWorkingHours(conf.TimeZone, "00:00-24:00", "")
	must("TIME_ZONE", err == nil, "must be a time zone of the IANA database, such as Europe/Berlin or UTC")
	if err == nil {
		_, err = conf.workingHours()
	}
	must("WORKING_HOURS", err == nil || slices.Contains(c.variables, prefix+"TIME_ZONE"), "must be hours of one day, with or without days, such as Mon-Fri 09:00-17:00 or Sun,Tue-Thu 08:30-16:30")
	must("ESCALATE_AFTER", conf.EscalateAfter == 0 || conf.EscalateAfter >= minEscalateAfter && conf.EscalateAfter < handle.MaxWait, "must be from 1m to 11h, or 0 for no escalation")
	for name, ids := range map[string][]string{"ESCALATE_TO": conf.EscalateTo, "REASSIGN_TO": conf.ReassignTo} {
		must(name, len(ids) <= maxNamed && !slices.ContainsFunc(trimmed(ids), func(id string) bool { return !handle.IsUser(id) && !handle.IsUserGroup(id) }),
			fmt.Sprintf("must be IDs of at most %d Slack users (U…) and user groups (S…), separated by commas", maxNamed))
	}
	must("URL", conf.URL == "" || isAddress(conf.URL), "must be an https URL without a path, such as https://approvals.example.com")
	must("SLACK_API", isHTTPS(conf.SlackAPI) && strings.HasSuffix(conf.SlackAPI, "/"), "must be an https URL that ends with a slash, such as https://slack.com/api/")
	must("ORIGINS", !slices.ContainsFunc(conf.Origins, func(o string) bool { return !isHTTPS(o) }), "must be https URLs, separated by commas; do not set it on AWS")
	switch role {
	case RoleBot:
		must("SLACK_TEAM", conf.SlackTeam != "" || conf.SlackEnterprise != "", "is missing, and so is "+prefix+"SLACK_ENTERPRISE: set one of them, or no one can decide")
	case RoleNotifier:
		must("ESCALATE_TO", len(conf.EscalateTo) > 0 || conf.EscalateAfter == 0, "is missing: set it to the users and user groups to escalate to, or set "+prefix+"ESCALATE_AFTER to 0")
		must("ESCALATE_AFTER", conf.EscalateAfter != 0 || len(conf.EscalateTo) == 0, "is missing: set it to the time after which to escalate, or set no "+prefix+"ESCALATE_TO")
		must("URL", conf.URL != "" || conf.Topic == "", "is missing: set it to the bot's URL, which mails link to")
	}
}

// reminders returns the percentages of Reminders; an empty list for none.
func (c Config) reminders() ([]int, error) {
	percent := []int{}
	if len(c.Reminders) == 1 && c.Reminders[0] == "none" {
		return percent, nil
	}
	for _, item := range trimmed(c.Reminders) {
		n, err := strconv.Atoi(item)
		if err != nil || n < 1 || n > 99 || !hasForm(item, "", digits) {
			return nil, errReminders
		}
		percent = append(percent, n)
	}
	if len(percent) > maxReminders {
		return nil, errReminders
	}
	return percent, nil
}

var errReminders = errors.New("not percentages")

// workingHours reads WorkingHours: days and hours, or hours alone.
func (c Config) workingHours() (handle.WorkingHours, error) {
	if c.WorkingHours == "" {
		return handle.WorkingHours{}, nil
	}
	days, hours, both := strings.Cut(c.WorkingHours, " ")
	if !both {
		days, hours = "", c.WorkingHours
	}
	return handle.ParseWorkingHours(c.TimeZone, hours, days)
}

// trimmed returns list with the space around its elements removed.
func trimmed(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

const maxAccountLabel = 40 // characters

// account splits an entry of Config.Accounts.
func account(entry string) (id, label string, ok bool) {
	id, label, ok = strings.Cut(entry, "=")
	id, label = strings.TrimSpace(id), strings.TrimSpace(label)
	ok = ok && isAccount(id) && label != "" && utf8.RuneCountInString(label) <= maxAccountLabel &&
		!strings.Contains(label, "=") && !strings.ContainsFunc(label, func(c rune) bool { return !unicode.IsPrint(c) })
	return id, label, ok
}

func isAccount(id string) bool { return len(id) == 12 && hasForm(id, "", digits) }

func validAccounts(entries []string) bool {
	seen := map[string]bool{}
	for _, entry := range entries {
		id, _, ok := account(entry)
		if !ok || seen[id] {
			return false
		}
		seen[id] = true
	}
	return true
}

// accounts returns the labels of accounts by their IDs.
func (c Config) accounts() map[string]string {
	labels := map[string]string{}
	for _, entry := range c.Accounts {
		if id, label, ok := account(entry); ok {
			labels[id] = label
		}
	}
	return labels
}

// isHTTPS reports whether raw is an https URL, or http on loopback.
func isHTTPS(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback())
}

func isAddress(raw string) bool {
	u, err := url.Parse(raw)
	return isHTTPS(raw) && err == nil && (u.Path == "" || u.Path == "/")
}

// defaults are for launches whose template does not set them.
func (c Config) defaults() notifier.Defaults {
	reminders, _ := c.reminders() // checked by ReadConfig
	hours, _ := c.workingHours()
	return notifier.Defaults{
		Channel:           c.Channel,
		Approvers:         c.Approvers,
		Approvals:         c.Approvals,
		SelfApproval:      c.SelfApproval,
		UnprovenRequester: c.UnprovenRequester,
		GrantFor:          c.GrantFor,
		Timeout:           c.Timeout,
		Margin:            c.Margin,
		Reminders:         reminders,
		Hours:             hours,
		EscalateAfter:     c.EscalateAfter,
		EscalateTo:        trimmed(c.EscalateTo),
		ReassignTo:        trimmed(c.ReassignTo),
	}
}
