package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/guantong-net/guantong/testbed/load"
)

// order is one line from the drill to its child; answer is the line back.
type order struct {
	Do      string  `json:"do"` // prepare, join, talker, talk, reset, count
	Seconds float64 `json:"seconds,omitempty"`
}

type answer struct {
	Error string     `json:"error,omitempty"`
	Sent  int        `json:"sent,omitempty"`
	Heard load.Heard `json:"heard"`
}

// legsCommand is the child process in which the listeners and the talker live. Its first line is the load.LegsConfig.
func legsCommand(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 4<<20)
	if !lines.Scan() {
		return errors.Join(errors.New("legs: no configuration"), lines.Err())
	}
	var c load.LegsConfig
	if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
		return fmt.Errorf("legs: %w", err)
	}
	var legs *load.Legs
	defer func() {
		if legs != nil {
			legs.Close()
		}
	}()
	reply := json.NewEncoder(out)
	for lines.Scan() {
		var o order
		err := json.Unmarshal(lines.Bytes(), &o)
		var a answer
		if err == nil && o.Do == "prepare" {
			legs, err = load.NewLegs(ctx, c)
		} else if err == nil && legs != nil {
			a, err = obey(ctx, legs, o)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := reply.Encode(a); err != nil {
			return fmt.Errorf("legs: %w", err)
		}
	}
	return lines.Err()
}

func obey(ctx context.Context, legs *load.Legs, o order) (a answer, err error) {
	switch o.Do {
	case "join":
		err = legs.Join(ctx)
	case "talker":
		err = legs.JoinTalker(ctx)
	case "talk":
		a.Sent, err = legs.Talk(ctx, o.Seconds)
	case "reset":
		legs.Reset()
	case "count":
		a.Heard = legs.Count()
	default:
		err = fmt.Errorf("legs: no order %q", o.Do)
	}
	return a, err
}

// child is such a process, seen from the drill.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// spawn starts a hidden command of this binary.
func spawn(ctx context.Context, name string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("child: %w", err)
	}
	c := &child{cmd: exec.CommandContext(ctx, self, name)}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.cmd.Stderr = os.Stderr
	c.cmd.WaitDelay = 2 * time.Second
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("child: %w", err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("child: %w", err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("child: %w", err)
	}
	return c, nil
}

// tell writes one line of JSON.
func (c *child) tell(v any) error {
	if err := json.NewEncoder(c.in).Encode(v); err != nil {
		return fmt.Errorf("child: %w", err)
	}
	return nil
}

// do gives an order and waits for the answer.
func (c *child) do(o order) (answer, error) {
	var a answer
	if err := c.tell(o); err != nil {
		return a, err
	}
	if !c.out.Scan() {
		return a, errors.Join(fmt.Errorf("child: ended at %q", o.Do), c.out.Err())
	}
	if err := json.Unmarshal(c.out.Bytes(), &a); err != nil {
		return a, fmt.Errorf("child: %w", err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %.2000s", o.Do, a.Error)
	}
	return a, nil
}

// close ends the child.
func (c *child) close() {
	_ = c.in.Close() // it ends at the end of its input
	_ = c.cmd.Wait() // how it ends no longer matters
}
