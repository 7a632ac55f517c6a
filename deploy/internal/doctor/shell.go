package doctor

import (
	"fmt"
	"strings"

	"countersign/handle"
)

// command is a shell command with a %s for each value. It is a type of its own so
// that only constants become commands; values are quoted.
type command string

// cli is an AWS CLI command on a line of its own, for the doctor's Region and
// profile.
func (d *doctor) cli(c command, values ...string) string {
	quoted := make([]any, len(values))
	for i, v := range values {
		quoted[i] = shellQuote(v)
	}
	return "\n  aws " + fmt.Sprintf(string(c), quoted...) + d.awsFlags()
}

// awsFlags are the flags for the Region and profile, for both the AWS and the SAM CLI.
func (d *doctor) awsFlags() string {
	flags := " --region " + shellQuote(d.region)
	if d.Profile != "" {
		flags += " --profile " + shellQuote(d.Profile)
	}
	return flags
}

// completeCommands adds the stack, the Region and the profile to commands that are
// constants. For a deployment from a release, commands that need the sources become
// those that do not.
func (d *doctor) completeCommands(findings []Finding) {
	stack := shellQuote(d.Stack)
	deployed, _ := d.stack()
	for i := range findings {
		f := &findings[i]
		if deployed.released {
			f.Do = strings.ReplaceAll(f.Do, redeploy, "\n  countersign upgrade --set NAME=VALUE --stack "+stack+d.awsFlags())
		}
		f.Do = strings.ReplaceAll(f.Do, anyStack, "--stack-name "+stack+d.awsFlags())
		f.Do = strings.ReplaceAll(f.Do, doctorCommand, doctorCommand+" --stack "+stack+d.awsFlags())
		if deployed.released {
			f.Do = strings.ReplaceAll(f.Do, sourceCommand, "\n  countersign ")
		}
	}
}

const maxValue = 2048 // bytes of a value in a command

// shellQuote returns text as one word of a POSIX shell, on one line. Names, ARNs and
// addresses come from outside: pasting a command must not run what they contain.
func shellQuote(text string) string {
	text = handle.OneLine(text, maxValue)
	safe := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("@%+:,./_-", c)
	}
	if text != "" && !strings.ContainsFunc(text, func(c rune) bool { return !safe(c) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
