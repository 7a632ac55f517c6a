package story

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"countersign/deploy/local/functions"
	"countersign/deploy/local/world"
)

// child is a process that runs the functions, and can be killed.
type child struct {
	config functions.ChildConfig
	cmd    *exec.Cmd
}

// start starts the functions in a process of their own: this program again.
func (c *child) start(ctx context.Context, w *world.World) error {
	c.config.Skipped = w.Clock.Skipped()
	env, err := json.Marshal(c.config)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.cmd = exec.CommandContext(ctx, self)
	c.cmd.Env = append(os.Environ(), functions.ChildVariable+"="+string(env))
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("couldn't start the functions: %w", err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		c.kill()
		return errors.New("the functions ended at once")
	}
	var address functions.ChildAddress
	if err := json.Unmarshal(line, &address); err != nil {
		return err
	}
	w.Remote(address.Bot, address.Invoke)
	return nil
}

// kill ends the process by SIGKILL, which it cannot notice.
func (c *child) kill() {
	if c.cmd != nil && c.cmd.Process != nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
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
