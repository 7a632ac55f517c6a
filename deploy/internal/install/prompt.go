package install

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// prompt writes to the person at the terminal and reads their answers.
type prompt struct {
	io.Writer
	silent bool // asks nothing
	input  *os.File
	lines  *bufio.Reader
}

func newPrompt(w io.Writer, silent bool) *prompt {
	p := &prompt{Writer: w, silent: silent}
	p.readFrom(os.Stdin)
	return p
}

func (p *prompt) readFrom(f *os.File) { p.input, p.lines = f, bufio.NewReader(f) }

var errNoAnswer = errors.New("the input ended before the question was answered: run the command again, it continues here")

// ask asks until check accepts the answer. An empty answer stands for fallback.
func (p *prompt) ask(ctx context.Context, question, fallback string, check func(string) error) (string, error) {
	if fallback != "" {
		question += " [" + fallback + "]"
	}
	return p.until(ctx, question, p.line, func(s string) (string, error) {
		if s == "" {
			s = fallback
		}
		return s, check(s)
	})
}

// askHidden asks for a secret, which the terminal does not show.
func (p *prompt) askHidden(ctx context.Context, question string, check func(string) error) (string, error) {
	return p.until(ctx, question, p.hidden, func(s string) (string, error) { return s, check(s) })
}

func (p *prompt) until(ctx context.Context, question string, read func() (string, error), accept func(string) (string, error)) (string, error) {
	for {
		fmt.Fprintf(p, "%s: ", question)
		answer, err := interruptible(ctx, p.input, read)
		if err != nil {
			fmt.Fprintln(p)
			return "", err
		}
		answer, err = accept(strings.TrimSpace(answer))
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		fmt.Fprintf(p, "  %v\n", err)
	}
}

// confirm asks a question that is answered with y or, by default, n.
func (p *prompt) confirm(ctx context.Context, question string) (bool, error) {
	answer, err := p.ask(ctx, question+" (y/n)", "n", func(s string) error {
		if s != "y" && s != "n" {
			return errors.New("answer y or n")
		}
		return nil
	})
	return answer == "y", err
}

// interruptible runs read until ctx is done. The terminal then shows input again.
func interruptible(ctx context.Context, terminal *os.File, read func() (string, error)) (string, error) {
	state, _ := term.GetState(int(terminal.Fd())) // nil if it is not a terminal
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		if state != nil {
			_ = term.Restore(int(terminal.Fd()), state)
		}
		return "", ctx.Err()
	}
}

func (p *prompt) line() (string, error) {
	text, err := p.lines.ReadString('\n')
	if err != nil && text == "" {
		return "", errNoAnswer
	}
	return text, nil
}

// hidden reads a line without echoing it, if input is a terminal.
func (p *prompt) hidden() (string, error) {
	if !term.IsTerminal(int(p.input.Fd())) {
		return p.line()
	}
	b, err := term.ReadPassword(int(p.input.Fd()))
	fmt.Fprintln(p)
	if err != nil {
		return "", errNoAnswer
	}
	return string(b), nil
}
