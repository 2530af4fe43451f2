package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/guantong-net/guantong/testbed/site"
)

// options are the flags of all scenarios; each reads the ones that it knows.
type options struct {
	seed       uint64
	json       string
	server     string // binary; empty: built from this module
	keep       string // folder in which everything is left; empty: a temporary one that is removed
	rounds     int
	diskRounds int
	legs       string
	listeners  int
	seconds    int
	profile    string
	flood      int
	nodes      int
	writers    string
	etcd, nats string // programs
	minutes    float64
	messages   int
}

// scenario is one thing that the drill can do.
type scenario struct {
	kind, name, what string
	run              func(ctx context.Context, d *drill) error
}

func scenarios() []scenario {
	return []scenario{
		{"run", "one-site", "two browser consoles and two telephones in a group and in a patch: everybody hears everybody, and nobody else does", oneSite},
		{"run", "power-cut", "kill -9 and power cuts under a load of messages, uploads and bursts: nothing acknowledged is lost", powerCut},
		{"bench", "voice", "one talker to many listeners: CPU and memory of the server, by -legs browser or phone", benchVoice},
		{"run", "dead-server", "servers die, stop, lose a link and a disk while people talk and write: what they notice of it", deadServer},
		{"bench", "start", "a node that has nothing, and one with many messages: memory while idle, time to start", benchStart},
		{"bench", "bundle", "bundles of 100 octets: what is around them, CPU time and allocations to write and read them", benchBundle},
		{"run", "chaos", "random faults on a site of three nodes, whose clients' histories must be linearizable", runChaos},
		{"run", "rolling", "three nodes restarted one by one under load, then recovered from a lost quorum: nothing is lost", rolling},
		{"bench", "record", "messages through the client API of three nodes, beside etcd-server and nats-server where they are installed", benchRecord},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	passed, err := command(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "guantong-drill:", err)
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: guantong-drill list | run NAME | bench NAME [flags]; see guantong-drill run NAME -h")

func command(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) (passed bool, err error) {
	if len(args) == 0 {
		return false, errUsage
	}
	switch args[0] {
	case "list":
		for _, s := range scenarios() {
			if _, err := fmt.Fprintf(out, "%-5s %-10s %s\n", s.kind, s.name, s.what); err != nil {
				return false, err
			}
		}
		return true, nil
	case "legs":
		return true, legsCommand(ctx, in, out)
	case "bare":
		return true, bareCommand(ctx, in, out)
	case "run", "bench":
		if len(args) < 2 {
			return false, errUsage
		}
		for _, s := range scenarios() {
			if s.kind == args[0] && s.name == args[1] {
				return runScenario(ctx, s, args[2:], out, errOut)
			}
		}
	}
	return false, fmt.Errorf("no %q: %w", strings.Join(args[:min(2, len(args))], " "), errUsage)
}

func runScenario(ctx context.Context, s scenario, args []string, out, errOut io.Writer) (bool, error) {
	o, err := parse(s, args, errOut)
	if err != nil {
		return false, err
	}
	if os.Geteuid() == 0 && s.ownMounts(o) && os.Getenv(ownMounts) == "" || os.Geteuid() == 0 && s.ownPlace() && !site.Unshared() {
		return rerun(ctx, s.ownPlace(), out, errOut)
	}
	fmt.Fprintln(errOut, machine())
	d, err := newDrill(ctx, s, o, errOut)
	if err != nil {
		return false, err
	}
	defer d.close()
	failed := s.run(ctx, d)
	if failed != nil {
		d.check("the drill ran to its end", "no error", failed.Error(), false)
	}
	if err := d.report.write(o.json, out); err != nil {
		return false, err
	}
	d.report.summary(errOut)
	return d.report.Passed, nil
}

// ownMounts tells whether a scenario mounts file systems when it may.
func (s scenario) ownMounts(o options) bool {
	return s.name == "power-cut" && o.diskRounds > 0
}

// ownPlace tells whether a scenario makes networks and file systems when it may.
func (s scenario) ownPlace() bool {
	return s.name == "chaos" || s.name == "rolling" || s.name == "dead-server"
}

// ownMounts marks a drill that runs in a mount namespace of its own.
const ownMounts = "GUANTONG_DRILL_OWN_MOUNTS"

// rerun runs this same command in a mount namespace of its own, so that whatever it mounts is gone with it, even after kill -9; and, if it is to, in a
// network namespace of its own.
func rerun(ctx context.Context, network bool, out, errOut io.Writer) (bool, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env = out, errOut, append(os.Environ(), ownMounts+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	if network {
		site.Unshare(cmd)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false, nil // it has said why
	}
	return err == nil, err
}

func parse(s scenario, args []string, errOut io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("guantong-drill "+s.kind+" "+s.name, flag.ContinueOnError)
	fs.SetOutput(errOut)
	fs.Uint64Var(&o.seed, "seed", 1, "of everything random")
	fs.StringVar(&o.json, "json", "", "where the report goes: a file, or - for standard output")
	fs.StringVar(&o.server, "server", "", "guantong binary; default: built from this module")
	fs.StringVar(&o.keep, "keep", "", "folder to leave recordings, logs and data in")
	switch s.name {
	case "one-site":
		fs.IntVar(&o.rounds, "rounds", 5, "presses for each of the timing figures")
		fs.IntVar(&o.flood, "flood", 2000, "SIP requests per second while an emergency call is made")
	case "power-cut":
		fs.IntVar(&o.rounds, "rounds", 100, "kill -9 at random moments")
		fs.IntVar(&o.diskRounds, "disk-rounds", 20, "power cuts of an ext4 (root only)")
	case "bundle":
		fs.IntVar(&o.rounds, "rounds", 9, "of which the median is taken")
	case "voice":
		fs.StringVar(&o.legs, "legs", "browser", "browser or phone")
		fs.IntVar(&o.listeners, "listeners", 200, "how many listen")
		fs.IntVar(&o.seconds, "seconds", 20, "of silence, and of talk")
		fs.StringVar(&o.profile, "profile", "", "file for a CPU profile of the server while it forwards (costs some CPU itself)")
	case "chaos":
		fs.IntVar(&o.nodes, "nodes", 3, "of the site")
		fs.Float64Var(&o.minutes, "minutes", 3, "of faults")
	case "dead-server":
		fs.IntVar(&o.nodes, "nodes", 3, "of the site")
		fs.IntVar(&o.rounds, "rounds", 3, "of all deaths")
	case "start":
		fs.IntVar(&o.messages, "messages", 1_000_000, "that the node has")
	case "rolling":
		fs.IntVar(&o.nodes, "nodes", 3, "of the site")
		fs.IntVar(&o.rounds, "rounds", 2, "of restarts of all nodes")
	case "record":
		fs.IntVar(&o.nodes, "nodes", 3, "of the site, and of each other program")
		fs.StringVar(&o.writers, "writers", "1,16,128", "how many write at once, one measurement after the other")
		fs.IntVar(&o.seconds, "seconds", 5, "of each measurement")
		fs.IntVar(&o.rounds, "rounds", 3, "of all measurements in turns; the medians count")
		fs.StringVar(&o.profile, "profile", "", "beginning of file names for CPU profiles of our nodes at the most writers (costs some CPU itself)")
		fs.StringVar(&o.etcd, "etcd", "etcd", "program to compare with")
		fs.StringVar(&o.nats, "nats", "nats-server", "program to compare with")
	}
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("what is %q? %w", fs.Arg(0), errUsage)
	}
	return o, nil
}

// machine says what we run on, for figures mean nothing without it.
func machine() string {
	cpu := "unknown CPU"
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				cpu = strings.TrimSpace(v)
				break
			}
		}
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("unknown")
	}
	return fmt.Sprintf("on %s, %d cores; Linux %s; %s %s; load %s; %s", cpu, runtime.NumCPU(), strings.TrimSpace(string(kernel)), runtime.Version(), runtime.GOARCH,
		strings.TrimSpace(string(load)), time.Now().UTC().Format(time.RFC3339))
}
