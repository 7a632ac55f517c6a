// Command build builds the zips of both functions. The same sources and the same
// version of Go give the same bytes, in any folder.
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
	Arch string   `enum:"arm64,amd64" default:"arm64" help:"Architecture: ${enum}. Set the template's Architecture to the same (x86_64 for amd64)."`
	Out  string   `default:"dist" placeholder:"FOLDER" help:"Folder for the zips."`
	Bare bool     `help:"Write the binary, named bootstrap, instead of a zip, for sam build. Needs --only."`
	Only []string `enum:"bot,notifier" default:"bot,notifier" help:"Which functions to build: ${enum}."`
}

func main() {
	var c command
	kong.Parse(&c, kong.Name("build"), kong.Description("Builds the Lambda functions reproducibly."), kong.UsageOnError())
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// run builds the functions of the module in the current directory.
func (c command) run() error {
	if c.Bare && len(c.Only) != 1 {
		return fmt.Errorf("--bare needs --only bot or --only notifier")
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return fmt.Errorf("couldn't create the output folder: %w", err)
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

// flags leave out of the binary what differs between machines: paths, the state of
// the repository and the build ID. lambda.norpc leaves out the code for the retired
// go1.x runtime; -s and -w leave out debugging data.
var flags = []string{"-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid="}

// compile builds one function for Lambda.
func compile(name, arch string) ([]byte, error) {
	folder, err := os.MkdirTemp("", "countersign-build-")
	if err != nil {
		return nil, fmt.Errorf("couldn't create a build folder: %w", err)
	}
	defer os.RemoveAll(folder)
	binary := filepath.Join(folder, "bootstrap")
	build := exec.Command("go", append(append([]string{"build"}, flags...), "-o", binary, "countersign/deploy/"+name)...)
	// Override the user's settings with Go's defaults.
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "GOARM64=v8.0", "GOAMD64=v1", "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("couldn't build %s: %w", name, err)
	}
	return os.ReadFile(binary)
}

// epoch is the modification time of every file in a zip: the earliest that the format
// allows.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// pack returns the zip that Lambda takes, with the executable file bootstrap.
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
