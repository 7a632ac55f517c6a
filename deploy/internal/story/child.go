package story

import (
	"context"
	"os"

	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
)

// child is a process that runs the functions and can be killed.
type child struct {
	config  localfn.ChildConfig
	process *localfn.Process
}

// start starts the process and connects the sandbox to it.
func (c *child) start(ctx context.Context, w *sandbox.Sandbox) (err error) {
	c.config.ClockOffset = w.Clock.Offset()
	if c.process, err = localfn.Start(ctx, c.config); err != nil {
		return err
	}
	w.UseRemote(c.process.Bot, c.process.Invoke)
	return nil
}

// kill kills the process with SIGKILL.
func (c *child) kill() {
	if c.process != nil {
		c.process.Kill()
	}
}

// copyData copies the data file, which the process has locked, and returns the path of the copy.
func (c *child) copyData() (string, error) {
	b, err := os.ReadFile(c.config.Data)
	if err != nil {
		return "", err
	}
	path := c.config.Data + ".copy"
	return path, os.WriteFile(path, b, 0o600)
}
