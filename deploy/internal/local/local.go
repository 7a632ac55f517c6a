// Command local is Countersign on one machine: the real bot and notifier with
// the bolt store, in a made world of CloudFormation, Slack and mail, with a
// page to watch and press its buttons. Nothing leaves this machine.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"countersign/deploy"
	"countersign/deploy/gate"
	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/story"
)

// options are the command line.
type options struct {
	Addr      string            `help:"Address of the page; loopback only." default:"127.0.0.1:8080"`
	Data      string            `help:"File that keeps the requests. By default they are forgotten at the end." type:"path" placeholder:"FILE"`
	Template  string            `help:"Product template to launch, YAML or JSON. By default the sample product." type:"path" placeholder:"FILE"`
	Parameter map[string]string `help:"Parameter of the template, for stories: NAME=VALUE." placeholder:"NAME=VALUE"`
	Story     string            `help:"Play a story without a browser and exit: ${stories}, or all." placeholder:"NAME"`
	Verbose   bool              `help:"Log what the functions log." short:"v"`
}

const about = `Countersign on one machine: launch a gated product, approve it in a made Slack,
and watch the CloudFormation stack go on. Nothing leaves this machine.`

func main() {
	if localfn.IsChild() {
		localfn.RunChild()
		return
	}
	var o options
	kong.Parse(&o, kong.Name("local"), kong.Description(about), kong.UsageOnError(),
		kong.Vars{"stories": strings.Join(story.Names(), ", ")})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context) error {
	template, err := o.template()
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if o.Verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if o.Story != "" {
		return story.Run(ctx, os.Stdout, o.Story, story.Config{Template: template, Parameters: o.Parameter, Log: log})
	}
	return o.serve(ctx, template, log)
}

// template reads the template of the product.
func (o options) template() (*gate.Template, error) {
	name, src := "the sample product", deploy.Product
	if o.Template != "" {
		b, err := os.ReadFile(o.Template)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no file %s", o.Template)
		}
		if err != nil {
			return nil, err
		}
		name, src = filepath.Base(o.Template), b
	}
	t, err := gate.Parse(src)
	if err != nil {
		return nil, fmt.Errorf("couldn't load %s: %w", name, err)
	}
	return t, nil
}
