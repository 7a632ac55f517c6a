// Command build builds the functions' zips, and releases. The same sources and
// the same version of Go give the same bytes, in any folder.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"
)

type commandLine struct {
	Functions functions `cmd:"" default:"withargs" help:"Build the zips of the functions."`
	Release   release   `cmd:"" help:"Build everything that a release consists of."`
}

func main() {
	parsed := kong.Parse(&commandLine{}, kong.Name("build"), kong.Description("Builds Countersign reproducibly."), kong.UsageOnError())
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

type functions struct {
	Arch string   `enum:"arm64,amd64" default:"arm64" help:"Architecture: ${enum}. Set the template's Architecture to the same (x86_64 for amd64)."`
	Out  string   `default:"dist" placeholder:"FOLDER" help:"Folder for the zips."`
	Bare bool     `help:"Write the binary, named bootstrap, instead of a zip, for sam build. Needs --only."`
	Only []string `enum:"bot,notifier,hook" default:"bot,notifier,hook" help:"Which functions to build: ${enum}."`
}

// Run builds the functions of the module in the current directory.
func (c *functions) Run() error {
	if c.Bare && len(c.Only) != 1 {
		return fmt.Errorf("--bare needs --only with one function")
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return fmt.Errorf("couldn't create the output folder: %w", err)
	}
	for _, name := range c.Only {
		binary, err := compile(function(name, c.Arch))
		if err != nil {
			return err
		}
		path, content, mode := filepath.Join(c.Out, "bootstrap"), binary, os.FileMode(0o755)
		if !c.Bare {
			path, mode = filepath.Join(c.Out, name+".zip"), 0o644
			if content, err = zipFunction(binary); err != nil {
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
