package gates

import (
	"errors"
	"fmt"
	"io"
	"os"

	"countersign/deploy/gate"
	"countersign/deploy/internal/exit"
)

// Inject is the command "countersign gate inject".
type Inject struct {
	File         string `arg:"" name:"file" help:"Product template, YAML or JSON."`
	Write        bool   `help:"Change the file."`
	ServiceToken string `help:"ARN of the notifier, as Fn::Sub reads it. Default: that of a deployment named countersign." placeholder:"ARN"`
	Email        string `help:"Parameter with the requester's e-mail address. Default: one whose name contains mail." placeholder:"NAME"`
}

// Help implements kong.HelpProvider.
func (Inject) Help() string {
	return `Adds a gate to a template and makes every resource wait for it. Nothing else changes: comments, order, quotes and line endings stay. It prints the difference, and changes the file only with --write.

The result lints clean. What cannot be added safely, such as a gate around Fn::ForEach or macros, is refused with what to do by hand.

Exit status: 0 the gate can be added, or was; 1 it cannot, and the file is unchanged; 2 the file cannot be read or is not a template.

Examples:

    countersign gate inject my-product.yaml
    countersign gate inject my-product.yaml --write`
}

// Run prints the diff, and writes the file if asked to. Its error is an *exit.Error.
func (c Inject) Run(w io.Writer) error {
	options := gate.InjectOptions{ServiceToken: c.ServiceToken, Email: c.Email}
	if options.ServiceToken == "" {
		options.ServiceToken = gate.DefaultServiceToken
	}
	return rewrite(w, c.File, c.Write, func(t *gate.Template) ([]byte, error) { return t.Inject(options) })
}

// rewrite prints the diff that change makes to a template, and writes the result if asked to.
func rewrite(w io.Writer, name string, write bool, change func(*gate.Template) ([]byte, error)) error {
	src, err := os.ReadFile(name)
	if err == nil {
		var t *gate.Template
		if t, err = gate.Parse(src); err == nil {
			var out []byte
			if out, err = change(t); err != nil {
				return &exit.Error{Status: 1, Err: fmt.Errorf("%s: %w", name, err)}
			}
			if _, err := io.WriteString(w, diff(name, string(src), string(out))); err != nil {
				return err
			}
			if !write || string(out) == string(src) {
				return nil
			}
			if err := os.WriteFile(name, out, 0o644); err != nil { // an existing file keeps its mode
				return &exit.Error{Status: 1, Err: err}
			}
			return nil
		}
	}
	if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return &exit.Error{Status: 2, Err: fmt.Errorf("%s: %w", name, err)}
}
