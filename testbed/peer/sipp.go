package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Sipp runs scenarios of SIP messages against a server.
type Sipp struct {
	Target    string // host:port
	Transport string // "u1" (UDP, default), "t1" (TCP)
	Rate      int    // calls per second; default 10
	Calls     int    // how many; default 1
	User      string // [service] in the scenario
	AuthUser  string
	Password  string
}

// ErrNoSipp says what to install.
var ErrNoSipp = errors.New("peer: sipp is missing: install the Debian package sip-tester")

// Start starts a scenario (the text of its XML file) with its files in dir. The process's exit code is 0 when every call went
// as the scenario says, 1 when one did not.
func (s Sipp) Start(ctx context.Context, dir, scenario string) (*Process, error) {
	if _, err := exec.LookPath("sipp"); err != nil {
		return nil, ErrNoSipp
	}
	file := filepath.Join(dir, "scenario.xml")
	if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
		return nil, fmt.Errorf("peer: sipp: %w", err)
	}
	transport, rate, calls := s.Transport, max(s.Rate, 1), max(s.Calls, 1)
	if transport == "" {
		transport = "u1"
	}
	args := []string{
		"-sf", file, "-t", transport, "-i", "127.0.0.1", "-r", strconv.Itoa(rate), "-m", strconv.Itoa(calls),
		"-l", strconv.Itoa(calls), "-nostdin",
	}
	if s.User != "" {
		args = append(args, "-s", s.User)
	}
	if s.AuthUser != "" {
		args = append(args, "-au", s.AuthUser, "-ap", s.Password)
	}
	return StartProcess(ctx, dir, []string{"TERM=dumb"}, "sipp", append(args, s.Target)...)
}

// Err is how the process ended; it waits for that.
func (p *Process) Err() error {
	<-p.done
	return p.err
}
