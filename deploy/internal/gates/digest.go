package gates

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"countersign/deploy/gate"
)

// Digest is the command "countersign gate digest".
type Digest struct {
	Files []string `arg:"" name:"file" help:"Product templates, YAML or JSON."`
	Write bool     `help:"Set the property Template of the gate's request resource; nothing else of the file changes."`
}

// Help implements kong.HelpProvider.
func (Digest) Help() string {
	return `Updates of a launched product ask for an approval if its gate passes on what changes. The property Template of the gate's request resource is for the digest of the template: write it after every change, before you publish a version.

Comments, the order of keys, quotes, YAML or JSON and short forms (!Ref) do not change the digest.

Exit status: 0 every gate has the digest of its template; 1 a digest is stale or missing, or a file could not be read.

Examples:

    countersign gate digest my-product.yaml
    countersign gate digest my-product.yaml --write`
}

// Run prints the digest of each file, and checks or writes it. The error has a line for each file with a stale digest or
// a mistake.
func (c Digest) Run(w io.Writer) error {
	var errs []string
	for _, name := range c.Files {
		if err := c.file(w, name); err != nil {
			errs = append(errs, fmt.Sprintf("%s: %v", name, err))
		}
	}
	if len(errs) > 0 {
		return errors.New(strings.Join(errs, "\n"))
	}
	return nil
}

func (c Digest) file(w io.Writer, name string) error {
	src, err := os.ReadFile(name)
	if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err // Run names the file
	}
	digest, err := gate.Digest(src)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s  %s\n", digest, name)
	out, stale, err := gate.SetDigest(src)
	switch {
	case err != nil:
		return err
	case bytes.Equal(out, src):
		return nil
	case !c.Write:
		return fmt.Errorf("the property Template of %s is stale or missing; set it with --write, or write %s", strings.Join(stale, ", "), digest)
	}
	return os.WriteFile(name, out, 0o644) // an existing file keeps its mode
}
