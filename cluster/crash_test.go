package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// The test binary runs again as a child that can be killed, or that has a small disk of its own.
const (
	childRole = "GUANTONG_TEST_CHILD"
	childDir  = "GUANTONG_TEST_DIR"
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(childRole) {
	case "":
		os.Exit(m.Run())
	case "write":
		err = childWrites(os.Getenv(childDir))
	case "full":
		err = childFillsDisk(os.Getenv(childDir))
	default:
		err = fmt.Errorf("no role %q", os.Getenv(childRole))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// furnishAgain makes what the messages need, or finds it there.
func furnishAgain(n *cluster.Node) error {
	for i, p := range []struct {
		t command.Type
		v any
	}{
		{command.SiteSet, state.Site{Number: 1, Name: "s", Realm: "r", Incarnation: 1}},
		{command.UnitSet, state.Unit{Number: 10001, Name: "a", Kind: state.PersonUnit}},
		{command.UnitSet, state.Unit{Number: 10002, Name: "b", Kind: state.PersonUnit}},
		{command.GroupSet, state.Group{Number: 10100, Name: "g", Kind: state.TalkGroup}},
	} {
		cmd, err := n.Command(p.t, fusion.ID{0xfe, byte(i)}, "system", p.v)
		if err != nil {
			return err
		}
		res, err := n.Propose(context.Background(), cmd)
		if err == nil {
			err = res.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// childWrites proposes messages from many writers until it is killed, every fourth one twice at once, and prints the ID of
// each that was acknowledged.
func childWrites(dir string) error {
	n, err := cluster.Open(context.Background(), cluster.Config{Dir: dir, Reserve: 1 << 20})
	if err != nil {
		return err
	}
	if err := furnishAgain(n); err != nil {
		return err
	}
	errs := make(chan error, 16)
	for range 16 {
		go func() {
			for i := 0; ; i++ {
				if err := writeOne(n, i); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

func writeOne(n *cluster.Node, i int) error {
	cmd, err := n.Command(command.MessagePost, fusion.ID{}, "zhang", message(fmt.Sprint("消息", i)))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	if i%4 == 0 {
		wg.Go(func() { _, _ = n.Propose(context.Background(), cmd) })
	}
	res, err := n.Propose(context.Background(), cmd)
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		return err
	}
	_, err = fmt.Println(cmd.ID)
	wg.Wait()
	return err
}

func TestAnAcknowledgedMessageSurvivesKill9AndIsThereOnce(t *testing.T) {
	dir := t.TempDir()
	acked := make(map[fusion.ID]bool)
	for round := range 6 {
		cmd := child(t, "write", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := len(acked)
		killAfter(t, cmd.Process, out, 1+rand.IntN(600), acked)
		_ = cmd.Wait() // killed: an error by intention
		if len(acked) == before {
			t.Fatalf("round %d: nothing acknowledged", round)
		}
		checkAcked(t, dir, acked)
	}
	t.Logf("%d acknowledged messages over 6 kills", len(acked))
}

// killAfter kills the child some time after so many acknowledgements, and reads those that it still printed.
func killAfter(t *testing.T, p *os.Process, out io.Reader, count int, acked map[fusion.ID]bool) {
	t.Helper()
	watchdog := time.AfterFunc(30*time.Second, func() { _ = p.Kill() })
	defer watchdog.Stop()
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); seen++ {
		if len(lines.Text()) != 32 {
			continue // torn by the kill: nobody was told
		}
		id, err := fusion.ParseID(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		acked[id] = true
		if seen == count {
			if err := p.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func checkAcked(t *testing.T, dir string, acked map[fusion.ID]bool) {
	t.Helper()
	begun := time.Now()
	n, err := cluster.Open(t.Context(), cluster.Config{Dir: dir, Reserve: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	t.Logf("start took %v", time.Since(begun))
	times := make(map[fusion.ID]int)
	for after := uint64(0); ; {
		var events []state.Event
		err := n.View(func(v *state.View) (err error) {
			events, err = v.Events(after, state.MaxLimit)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if e.Seq != after+1 {
				t.Fatalf("event %d follows %d", e.Seq, after)
			}
			after = e.Seq
			if m, ok := e.Data.(state.Message); ok {
				times[m.ID]++
			}
		}
	}
	for id := range acked {
		if times[id] != 1 {
			t.Errorf("acknowledged message %s is there %d times", id, times[id])
		}
	}
	for id, count := range times {
		if count != 1 {
			t.Errorf("message %s is there %d times", id, count)
		}
	}
}

// TestAFullDiskKillsNothing runs a child in a mount namespace of its own, with a small tmpfs that it fills.
func TestAFullDiskKillsNothing(t *testing.T) {
	cmd := child(t, "full", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// childFillsDisk writes until it is refused, fills the rest of the disk but a little by other means, and then must find
// everything that was acknowledged, also after a start on the full disk; and write again once there is room.
func childFillsDisk(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=384m"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	cfg := cluster.Config{Dir: dir + "/node", Reserve: 192 << 20}
	n, err := cluster.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	if err := furnishAgain(n); err != nil {
		return err
	}
	acked, err := writeUntilFull(n)
	if err != nil {
		return err
	}
	ballast := dir + "/ballast"
	if err := os.WriteFile(ballast, make([]byte, 60<<20), 0o600); err != nil {
		return err
	}
	if err := n.Close(); err != nil {
		return err
	}
	if n, err = cluster.Open(context.Background(), cfg); err != nil {
		return fmt.Errorf("start on a full disk: %w", err)
	}
	if err := present(n, acked); err != nil {
		return err
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	return n.Close()
}

func writeUntilFull(n *cluster.Node) ([]fusion.ID, error) {
	var acked []fusion.ID
	text := fmt.Sprintf("%08000d", 7)
	for {
		cmd, err := n.Command(command.MessagePost, fusion.ID{}, "zhang", message(text))
		if err != nil {
			return nil, err
		}
		_, err = n.Propose(context.Background(), cmd)
		if fusion.FaultOf(err) == fusion.Full {
			return acked, nil
		}
		if err != nil {
			return nil, err
		}
		acked = append(acked, cmd.ID)
	}
}

func present(n *cluster.Node, acked []fusion.ID) error {
	return n.View(func(v *state.View) error {
		for _, id := range acked {
			if _, err := v.Message(id); err != nil {
				return fmt.Errorf("acknowledged message %s: %w", id, err)
			}
		}
		return nil
	})
}
