// Package local is the command "countersign local": the real bot and notifier on
// this machine, with the embedded store and simulated CloudFormation, Slack and
// mail. It serves a web page to drive them, or plays a story. Nothing leaves this
// machine, except that --slack uses a real Slack workspace.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/gates"
	"countersign/deploy/internal/story"
)

// Command is the command line.
type Command struct {
	Addr      string            `help:"Loopback address of the page." default:"127.0.0.1:8080"`
	Data      string            `help:"Keep the requests in this file." type:"path" placeholder:"FILE"`
	Template  string            `help:"Product template, YAML or JSON. Default: the sample product." type:"path" placeholder:"FILE"`
	Unchecked bool              `help:"Launch the template even if its gate is wrong."`
	Story     string            `help:"Play this story; exit 0 if all laws held." placeholder:"NAME"`
	Parameter map[string]string `help:"Template parameter, for stories." placeholder:"NAME=VALUE"`
	Verbose   bool              `help:"Print the functions' logs." short:"v"`

	SlackFlags
}

// Help implements kong.HelpProvider.
func (Command) Help() string {
	return `Open the address that it prints, launch the sample product as Rita, approve it as Ann, and watch the stack continue. No account and no network are needed.

Stories: ` + strings.Join(story.Names(), ", ") + `, all.

Examples:

    countersign local
    countersign local --story bypass --template my-product.yaml
    countersign local --slack --requester you@example.com`
}

// Run serves the page until ctx ends, or plays a story.
func (c Command) Run(ctx context.Context, w io.Writer) error {
	if c.Slack && c.Story != "" {
		return errors.New("--story plays with the simulated Slack: leave out --slack")
	}
	template, err := c.template()
	if err != nil {
		return err
	}
	if err := c.lint(w, template); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if c.Verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if c.Story != "" {
		err = story.Run(ctx, w, c.Story, story.Config{Template: template, Parameters: c.Parameter, Log: log})
	} else {
		err = c.serve(ctx, w, template, log)
	}
	if errors.Is(err, context.Canceled) {
		return nil // interrupted
	}
	return err
}

// template parses the product's template.
func (c Command) template() (*gate.Template, error) {
	name, src := "the sample product", deploy.Product
	if c.Template != "" {
		b, err := os.ReadFile(c.Template)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("template %s does not exist", c.Template)
		}
		if err != nil {
			return nil, err
		}
		name, src = filepath.Base(c.Template), b
	}
	t, err := gate.Parse(src)
	if err != nil {
		return nil, fmt.Errorf("couldn't load %s: %w", name, err)
	}
	return t, nil
}

// lint refuses a template whose gate can be bypassed, or which no launch can pass. It prints the other warnings.
func (c Command) lint(w io.Writer, t *gate.Template) error {
	if c.Template == "" || c.Unchecked {
		return nil
	}
	name, findings := filepath.Base(c.Template), t.Lint()
	for _, f := range gates.OfLevel(findings, gate.LevelWarning) {
		fmt.Fprintln(w, gates.Line(name, f))
	}
	var lines []string
	for _, f := range gates.OfLevel(findings, gate.LevelError) {
		lines = append(lines, gates.Line(name, f)+"\n    "+f.Fix)
	}
	if len(lines) > 0 {
		return fmt.Errorf("the template's gate is wrong; fix it, or add --unchecked to launch it anyway:\n%s", strings.Join(lines, "\n"))
	}
	return nil
}
