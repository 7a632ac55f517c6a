package gates

import (
	"io"

	"countersign/deploy/gate"
)

// Upgrade is the command "countersign gate upgrade".
type Upgrade struct {
	File    string `arg:"" name:"file" help:"Product template with a gate, YAML or JSON."`
	Write   bool   `help:"Change the file."`
	KeepIDs bool   `name:"keep-ids" help:"Keep the logical IDs: updates then wait for ServiceTimeout, not Timeout."`
}

// Help implements kong.HelpProvider.
func (Upgrade) Help() string {
	return `Renews the gate of a template for a new version: new logical IDs, so that an update to this version asks as a launch does; every parameter; and the template's digest. Nothing else changes. It prints the difference, and changes the file only with --write. If nothing has changed since the last upgrade, it changes nothing.

Exit status: 0 the gate can be renewed, was, or is current; 1 it cannot, and the file is unchanged; 2 the file cannot be read or is not a template.

Examples:

    countersign gate upgrade my-product.yaml
    countersign gate upgrade my-product.yaml --write`
}

// Run prints the diff, and writes the file if asked to. Its error is an *exit.Error.
func (c Upgrade) Run(w io.Writer) error {
	return rewrite(w, c.File, c.Write, func(t *gate.Template) ([]byte, error) { return t.Upgrade(c.KeepIDs) })
}
