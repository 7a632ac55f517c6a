package story

import (
	"context"
	"os"

	"countersign/deploy/internal/localfn"
	"countersign/deploy/internal/sandbox"
)

// child is a process that runs the functions, and can be killed.
type child struct {
	config  localfn.ChildConfig
	process *localfn.Process
}

// start starts the functions in a process of their own.
func (c *child) start(ctx context.Context, w *sandbox.Sandbox) (err error) {
	c.config.ClockOffset = w.Clock.Offset()
	if c.process, err = localfn.Start(ctx, c.config); err != nil {
		return err
	}
	w.UseRemote(c.process.Bot, c.process.Invoke)
	return nil
}

// kill ends the process by SIGKILL, which it cannot notice.
func (c *child) kill() {
	if c.process != nil {
		c.process.Kill()
	}
}

// copyData copies the store's file, which the process holds.
func (c *child) copyData() (string, error) {
	b, err := os.ReadFile(c.config.Data)
	if err != nil {
		return "", err
	}
	path := c.config.Data + ".copy"
	return path, os.WriteFile(path, b, 0o600)
}
