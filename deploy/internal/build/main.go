// Command build makes the zips of both functions. The same sources, built by the
// same Go, give the same bytes, wherever they lie.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"
)

type command struct {
	Arch string   `enum:"arm64,amd64" default:"arm64" help:"Architecture of the functions: ${enum}. The template's Architecture must be the same (amd64 is x86_64 there)."`
	Out  string   `default:"dist" placeholder:"FOLDER" help:"Where the zips go."`
	Bare bool     `help:"Write the binary itself, named bootstrap, instead of a zip: what sam build needs. For one function only."`
	Only []string `enum:"bot,notifier" default:"bot,notifier" help:"Which functions to build: ${enum}."`
}

func main() {
	var c command
	kong.Parse(&c, kong.Name("build"), kong.Description("Builds the Lambda functions: the same sources give the same bytes."), kong.UsageOnError())
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// run builds one function after the other, in the module that holds the present
// folder.
func (c command) run() error {
	if c.Bare && len(c.Only) != 1 {
		return fmt.Errorf("with --bare, say which function: --only bot or --only notifier")
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return fmt.Errorf("couldn't make the folder of the zips: %w", err)
	}
	for _, name := range c.Only {
		binary, err := compile(name, c.Arch)
		if err != nil {
			return err
		}
		path, content, mode := filepath.Join(c.Out, "bootstrap"), binary, os.FileMode(0o755)
		if !c.Bare {
			path, mode = filepath.Join(c.Out, name+".zip"), 0o644
			if content, err = pack(binary); err != nil {
				return fmt.Errorf("couldn't pack %s: %w", name, err)
			}
		}
		if err := os.WriteFile(path, content, mode); err != nil {
			return fmt.Errorf("couldn't write %s: %w", name, err)
		}
		fmt.Printf("%s  %d bytes\n", path, len(content))
	}
	return nil
}

// flags leave out of the binary whatever differs between two machines: paths,
// the state of the repository, an ID of the build. lambda.norpc leaves out a
// runtime that is no more; -s and -w what debuggers read.
var flags = []string{"-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid="}

// compile builds one function for Lambda.
func compile(name, arch string) ([]byte, error) {
	folder, err := os.MkdirTemp("", "countersign-build-")
	if err != nil {
		return nil, fmt.Errorf("couldn't make a folder to build in: %w", err)
	}
	defer os.RemoveAll(folder)
	binary := filepath.Join(folder, "bootstrap")
	build := exec.Command("go", append(append([]string{"build"}, flags...), "-o", binary, "countersign/deploy/"+name)...)
	// What the user's own settings would change is set to what it is by default.
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "GOARM64=v8.0", "GOAMD64=v1", "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("couldn't build %s: %w", name, err)
	}
	return os.ReadFile(binary)
}

// epoch is the time of every file in a zip: the earliest that a zip can say.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// pack makes the zip that Lambda takes: one file, bootstrap, that may be run.
func pack(binary []byte) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: epoch}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
