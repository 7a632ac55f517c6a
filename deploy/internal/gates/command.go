// Package gates is the command "countersign gate": it works on the gates of product templates. It calls neither AWS nor
// Slack.
package gates

// Command is the command line.
type Command struct {
	Lint    Lint    `cmd:"" help:"Find errors in the gates of templates, and say how to fix them."`
	Inject  Inject  `cmd:"" help:"Add a gate to a template, and make every resource wait for it."`
	Upgrade Upgrade `cmd:"" help:"Renew a gate for a new version of its template."`
	Digest  Digest  `cmd:"" help:"Print a template's digest, check the gate's, or write it."`
}

// Help implements kong.HelpProvider.
func (Command) Help() string {
	return `Examples:

    countersign gate inject my-product.yaml --write
    countersign gate lint my-product.yaml
    countersign gate digest my-product.yaml --write`
}
