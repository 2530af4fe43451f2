package site

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// ownPlace marks a process that Unshare has put into namespaces of its own.
const ownPlace = "GUANTONG_DRILL_OWN_PLACE"

// Unshared reports whether this process is in namespaces of its own, made by Unshare.
func Unshared() bool { return os.Getenv(ownPlace) != "" }

// Unshare prepares a command to run in network and mount namespaces of its own; its mounts are private. It needs root.
func Unshare(cmd *exec.Cmd) {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, ownPlace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
}

// network is a namespace for each node, around this process's own.
type network struct{ nodes int }

// namesDir is where iproute2 keeps the names of namespaces. In our own mount namespace it is a file system of its own.
const namesDir = "/run/netns"

func newNetwork(ctx context.Context, nodes int) (*network, error) {
	if !Unshared() {
		return nil, errors.New("links can only be cut in namespaces of our own")
	}
	if err := os.MkdirAll(namesDir, 0o755); err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	if err := syscall.Mount("names", namesDir, "tmpfs", 0, "mode=755"); err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	w := &network{nodes: nodes}
	if err := w.ip(ctx, "link set lo up"); err != nil {
		return nil, err
	}
	for i := range nodes {
		if err := w.wire(ctx, i); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	return w, nil
}

// wire makes a node's namespace and its link to us.
func (w *network) wire(ctx context.Context, i int) error {
	for _, line := range []string{
		fmt.Sprintf("netns add %s", w.name(i)),
		fmt.Sprintf("link add %s type veth peer name eth0 netns %s", w.link(i), w.name(i)),
		fmt.Sprintf("address add 10.77.%d.1/24 dev %s", i+1, w.link(i)),
		fmt.Sprintf("link set %s up", w.link(i)),
		fmt.Sprintf("-n %s address add %s/24 dev eth0", w.name(i), w.address(i)),
		fmt.Sprintf("-n %s link set lo up", w.name(i)),
		fmt.Sprintf("-n %s link set eth0 up", w.name(i)),
		fmt.Sprintf("-n %s route add default via 10.77.%d.1", w.name(i), i+1),
	} {
		if err := w.ip(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

func (w *network) name(i int) string    { return fmt.Sprintf("node%d", i+1) }
func (w *network) link(i int) string    { return fmt.Sprintf("to-node%d", i+1) }
func (w *network) address(i int) string { return fmt.Sprintf("10.77.%d.2", i+1) }

// Outside is the caller's own address on a node's cable, by which that node sees it.
func Outside(node netip.Addr) netip.Addr {
	a := node.As4()
	a[3] = 1
	return netip.AddrFrom4(a)
}

// within is the command that runs another one in a node's namespace. It replaces itself by it, so that the process ID stays.
func (w *network) within(i int) []string {
	return []string{"nsenter", "--net=" + namesDir + "/" + w.name(i), "--"}
}

func (w *network) ip(ctx context.Context, line string) error {
	out, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", line, err, out)
	}
	return nil
}

// cut drops what goes from one node to another, without a word to anybody; heal lets it pass again.
func (w *network) cut(ctx context.Context, deed string, a, b int) error {
	return errors.Join(
		w.ip(ctx, fmt.Sprintf("rule %s from %s to %s blackhole priority 100", deed, w.address(a), w.address(b))),
		w.ip(ctx, fmt.Sprintf("rule %s from %s to %s blackhole priority 100", deed, w.address(b), w.address(a))),
	)
}

var errOneNetwork = errors.New("site: the nodes are not apart")

// Cut cuts the link between two nodes in both directions, in silence. Clients reach both all the same.
func (s *Site) Cut(ctx context.Context, a, b *Node) error {
	if s.net == nil {
		return errOneNetwork
	}
	return s.net.cut(ctx, "add", a.index, b.index)
}

// Heal mends a link that was cut.
func (s *Site) Heal(ctx context.Context, a, b *Node) error {
	if s.net == nil {
		return errOneNetwork
	}
	return s.net.cut(ctx, "del", a.index, b.index)
}

// Unplug takes a node's only cable away: from the others and from all clients. Plug puts it back.
func (s *Site) Unplug(ctx context.Context, n *Node) error { return s.plug(ctx, n, "down") }

// Plug is the opposite of Unplug.
func (s *Site) Plug(ctx context.Context, n *Node) error { return s.plug(ctx, n, "up") }

func (s *Site) plug(ctx context.Context, n *Node, state string) error {
	if s.net == nil {
		return errOneNetwork
	}
	return s.net.ip(ctx, fmt.Sprintf("link set %s %s", s.net.link(n.index), state))
}

// Rerun runs this same program, with its arguments, in namespaces of its own when root may make some and it is not there yet; done reports that it has, and
// the status is what to exit with. It is for the TestMain of tests that need a place of their own.
func Rerun() (status int, done bool) {
	if os.Geteuid() != 0 || Unshared() {
		return 0, false
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	Unshare(cmd)
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode(), true
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}
