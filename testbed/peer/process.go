package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program that we started.
type Process struct {
	cmd  *exec.Cmd
	log  *Log
	done chan struct{}
	err  error
}

// StartProcess starts a program in a process group of its own; what it prints goes to its log. It ends when ctx does.
func StartProcess(ctx context.Context, dir string, env []string, name string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(name, args...), log: &Log{}, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("peer: start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	go func() {
		select {
		case <-ctx.Done():
			p.Kill()
		case <-p.done:
		}
	}()
	return p, nil
}

// PID is the process's id, which is also its group's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is what the process has printed.
func (p *Process) Log() *Log { return p.log }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends the whole group as a power cut would end its processes: kill -9. It waits until the process is gone.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // gone already is what we want
	<-p.done
}

// Stop asks the process to end, and kills it after the grace.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
		p.Kill()
		return fmt.Errorf("peer: %s (%d) did not end within %v of SIGTERM", p.cmd.Path, p.PID(), grace)
	}
}

// Signal sends a signal to the process alone: SIGSTOP makes it silent, SIGCONT lets it go on. A process that is gone is no error.
func (p *Process) Signal(s syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("peer: signal %v to %d: %w", s, p.PID(), err)
	}
	return nil
}

// Usage is what a process has used up to a moment.
type Usage struct {
	CPU time.Duration // user and system, all threads; 10 ms resolution
	RSS int64         // octets
}

// clockTick is USER_HZ, which is 100 on every Linux architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// Usage reads /proc (proc(5): utime and stime are fields 14 and 15 of stat, resident pages field 2 of statm).
func (p *Process) Usage() (Usage, error) { return UsageOf(p.PID()) }

// UsageOf reads the usage of any process.
func UsageOf(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("peer: usage: %w", err)
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	m := strings.Fields(string(statm))
	if err != nil || len(f) < 13 || len(m) < 2 {
		return Usage{}, fmt.Errorf("peer: usage of %d: /proc is not as expected: %w", pid, err)
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	pages, err3 := strconv.ParseInt(m[1], 10, 64)
	return Usage{time.Duration(user+system) * clockTick, pages * int64(os.Getpagesize())}, errors.Join(err1, err2, err3)
}

// Log keeps what a process prints: the last 4 MiB.
type Log struct {
	mu   sync.Mutex
	text []byte
	more chan struct{}
}

const maxLog = 4 << 20

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	if over := len(l.text) - maxLog; over > 0 {
		l.text = l.text[over:]
	}
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return len(b), nil
}

// String gives the log.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// Tail gives the last n octets.
func (l *Log) Tail(n int) string {
	s := l.String()
	return s[max(0, len(s)-n):]
}

// Wait waits until found says that it has what it looks for.
func (l *Log) Wait(ctx context.Context, found func(text string) bool) error {
	for {
		l.mu.Lock()
		if l.more == nil {
			l.more = make(chan struct{})
		}
		text, more := string(l.text), l.more
		l.mu.Unlock()
		if found(text) {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("peer: not in the log: %w; it ends: %q", ctx.Err(), l.Tail(400))
		}
	}
}

// await asks again every few milliseconds until ok, which must not block for long.
func await(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("peer: waiting for %s: %w", what, ctx.Err())
		}
	}
	return nil
}
