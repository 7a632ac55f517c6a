// Command countersign installs Countersign, runs it on this machine, checks a deployment, lists
// who approved what, and writes gates in product templates.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // the doctor checks the time zone, on any system

	"github.com/alecthomas/kong"

	"countersign/deploy/internal/audit"
	"countersign/deploy/internal/doctor"
	"countersign/deploy/internal/exit"
	"countersign/deploy/internal/gates"
	"countersign/deploy/internal/install"
	"countersign/deploy/internal/local"
	"countersign/deploy/internal/localfn"
)

type commandLine struct {
	Install   install.Install   `cmd:"" help:"Install Countersign in an AWS account and a Slack workspace."`
	Upgrade   install.Upgrade   `cmd:"" help:"Update a deployment to this release."`
	Uninstall install.Uninstall `cmd:"" help:"Delete a deployment, and say what stays."`
	Local     local.Command     `cmd:"" help:"Run Countersign on this machine with simulated AWS, Slack and mail."`
	Doctor    doctor.Command    `cmd:"" help:"Check a deployment and say how to fix what is wrong."`
	Audit     audit.Command     `cmd:"" help:"List requests: who asked, who decided, when and why."`
	Gate      gates.Command     `cmd:"" help:"Check and write the gates of product templates."`

	Version kong.VersionFlag `help:"Print the version."`
}

// Help implements kong.HelpProvider.
func (*commandLine) Help() string {
	return `Examples:

    countersign local
    countersign doctor --stack countersign --region eu-west-1
    countersign audit --since 7d
    countersign gate lint my-product.yaml`
}

const about = "Countersign puts approvals for AWS Service Catalog launches into Slack."

// version is the release's. The linker sets it; see .ci/release.
var version = "devel"

// statusUsage is the exit status for a command line that cannot be parsed.
const statusUsage = 2

func main() {
	if localfn.IsChild() {
		localfn.RunChild()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit status: 0 on success,
// statusUsage if args cannot be parsed, else what the command returned.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	helped := false
	parser, err := kong.New(&commandLine{}, kong.Name("countersign"), kong.Description(about),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100, Compact: true}),
		kong.Vars{"version": fmt.Sprintf("countersign %s, %s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)},
		kong.PostBuild(func(k *kong.Kong) error { k.Model.HelpFlag.Help = "Show this help."; return nil }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(stdout, (*io.Writer)(nil)))
	if err != nil {
		fmt.Fprintln(stderr, "countersign:", err)
		return statusUsage
	}
	if len(args) == 0 {
		fmt.Fprintf(stderr, "countersign: no command; commands: %s (countersign --help says more)\n", strings.Join(commands(parser.Model.Node), ", "))
		return statusUsage
	}
	parsed, err := parser.Parse(args)
	if helped { // kong prints help and version while it parses
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, usage(parser.Model.Node, err, args))
		return statusUsage
	}
	return status(parsed.Selected().FullPath(), parsed.Run(), stderr)
}

// status maps a command's error to the exit status, and prints the error unless
// the command has printed all there is to say.
func status(command string, err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	code, said := 1, false
	var failed *exit.Error
	if errors.As(err, &failed) {
		code, said = failed.Status, failed.Err == nil
	}
	if !said {
		fmt.Fprintf(stderr, "%s: %v\n", command, err)
	}
	return code
}

// usage describes a command line that cannot be parsed in one line, with the
// commands or flags that exist.
func usage(root *kong.Node, err error, args []string) string {
	node := root
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context.Selected() != nil {
		node = parse.Context.Selected()
	}
	text := node.FullPath() + ": " + strings.Join(strings.Fields(err.Error()), " ")
	switch {
	case len(commands(node)) > 0:
		names := commands(node)
		above := len(strings.Fields(node.FullPath())) - 1 // commands that were found
		if rest := args[min(above, len(args)):]; len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && !slices.Contains(names, rest[0]) {
			text = fmt.Sprintf("%s: unknown command %q", node.FullPath(), rest[0])
		}
		return text + "; commands: " + strings.Join(names, ", ")
	case hasUnknownFlag(node, args):
		return text + "; flags: " + strings.Join(flags(node), ", ")
	}
	return text
}

// commands are the names of the commands of a node; none if it is a command itself.
func commands(node *kong.Node) []string {
	var names []string
	for _, n := range node.Children {
		if n.Type == kong.CommandNode && !n.Hidden {
			names = append(names, n.Name)
		}
	}
	return names
}

func flags(node *kong.Node) []string {
	var names []string
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			if f.Short != 0 {
				names = append(names, "-"+string(f.Short))
			}
			names = append(names, "--"+f.Name)
		}
	}
	return names
}

// hasUnknownFlag reports whether args name a flag that node does not have.
func hasUnknownFlag(node *kong.Node, args []string) bool {
	known := flags(node)
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		if name == "--" {
			return false
		}
		if strings.HasPrefix(name, "-") && !slices.Contains(known, name) {
			return true
		}
	}
	return false
}
