package peer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// NUT is a real upsd with one UPS, named "rack", that says what it is told to.
type NUT struct {
	Address string // host:port
	dir     string
	driver  *Process
	upsd    *Process
}

// ErrNoNUT says what to install.
var ErrNoNUT = errors.New("peer: upsd is missing: install the Debian package nut-server")

const (
	upsdProgram  = "/lib/nut/upsd"
	dummyProgram = "/lib/nut/dummy-ups"
)

// StartNUT starts upsd and its driver with their files in dir, away from the machine's own, until ctx ends.
func StartNUT(ctx context.Context, dir, status string) (*NUT, error) {
	for _, p := range []string{upsdProgram, dummyProgram} {
		if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
			return nil, ErrNoNUT
		}
	}
	ports, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	n := &NUT{Address: fmt.Sprintf("127.0.0.1:%d", ports[0]), dir: dir}
	if err := n.Say(status, 100, time.Hour); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"ups.conf":  "pollinterval = 1\n[rack]\n  driver = dummy-ups\n  port = rack.dev\n  mode = dummy-once\n",
		"upsd.conf": fmt.Sprintf("LISTEN 127.0.0.1 %d\nMAXAGE 10\n", ports[0]), "upsd.users": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("peer: nut: %w", err)
		}
	}
	if n.driver, err = n.start(ctx, dummyProgram, "-a", "rack", "-F"); err != nil {
		return nil, err
	}
	if err := await(ctx, "the UPS driver's socket", func() bool { _, err := os.Stat(filepath.Join(dir, "dummy-ups-rack")); return err == nil }); err != nil {
		return nil, fmt.Errorf("%w: %s", err, n.driver.Log().Tail(400))
	}
	if n.upsd, err = n.start(ctx, upsdProgram, "-F"); err != nil {
		return nil, err
	}
	return n, await(ctx, "upsd", func() bool {
		c, err := net.Dial("tcp", n.Address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// start starts one of its programs, as who we are: as root it would go over to a user that cannot read dir.
func (n *NUT) start(ctx context.Context, program string, args ...string) (*Process, error) {
	if os.Getuid() == 0 {
		args = append(args, "-u", "root")
	}
	env := []string{"NUT_CONFPATH=" + n.dir, "NUT_STATEPATH=" + n.dir, "NUT_ALTPIDPATH=" + n.dir}
	return StartProcess(ctx, n.dir, env, program, args...)
}

// Say makes the UPS say something: a status (OL, "OB DISCHRG", "OB LB"), the charge in %, and how long it lasts. It is heard within about two seconds.
func (n *NUT) Say(status string, charge int, lasts time.Duration) error {
	text := fmt.Sprintf("ups.status: %s\nbattery.charge: %d\nbattery.runtime: %d\n", status, charge, int(lasts.Seconds()))
	tmp := filepath.Join(n.dir, "rack.new")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return fmt.Errorf("peer: nut: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(n.dir, "rack.dev")); err != nil {
		return fmt.Errorf("peer: nut: %w", err)
	}
	return nil
}

// UPS is its name for a configuration.
func (n *NUT) UPS() string { return "rack@" + n.Address }

// Server is upsd itself, to be stopped or made silent.
func (n *NUT) Server() *Process { return n.upsd }

// Driver is what speaks with the UPS: without it upsd says that its data is stale.
func (n *NUT) Driver() *Process { return n.driver }

// Log is what its programs have printed.
func (n *NUT) Log() string {
	return strings.TrimSpace(n.driver.Log().Tail(400) + "\n" + n.upsd.Log().Tail(400))
}

// Stop ends both.
func (n *NUT) Stop() {
	n.upsd.Kill()
	n.driver.Kill()
}
