package forward_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/cluster/forward"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// leader answers with the stamp of what it is asked, or as it is told.
type leader struct {
	err  error
	hang chan struct{}
}

func (l leader) ProposeHere(ctx context.Context, cmd command.Command) (state.Result, error) {
	if l.hang != nil {
		select {
		case <-l.hang:
		case <-ctx.Done():
		}
	}
	return state.Result{Seq: cmd.HLC}, l.err
}

func (l leader) Propose(ctx context.Context, cmd command.Command) (state.Result, error) {
	res, err := l.ProposeHere(ctx, cmd)
	res.Seq += 1000
	return res, err
}

func (l leader) Index(context.Context) (uint64, error) { return 42, l.err }

func (l leader) Progress() forward.Progress { return forward.Progress{Applied: 1, Last: 2, Term: 3} }

// serve gives the address of a server, and a client.
func serve(t testing.TB, l leader) (*forward.Server, *forward.Client, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := forward.NewServer(l, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Serve(ctx, listener) })
	c := forward.NewClient(func(ctx context.Context, address, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	})
	t.Cleanup(func() {
		_ = c.Close()
		cancel()
		running.Wait()
	})
	return s, c, listener.Addr().String()
}

func encoded(t testing.TB, hlc uint64) []byte {
	t.Helper()
	cmd, err := command.New(command.MessagePost, fusion.ID{1}, hlc, 1, "zhang", state.Message{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := command.Encode(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestManyRequestsShareAConnectionAndGetTheirOwnAnswers(t *testing.T) {
	_, c, at := serve(t, leader{})
	var asking sync.WaitGroup
	for i := range uint64(500) {
		asking.Go(func() {
			res, err := c.Propose(t.Context(), "node-1", at, encoded(t, i+1))
			if err != nil || res.Seq != i+1 {
				t.Errorf("%d: %+v %v", i, res, err)
			}
		})
	}
	asking.Wait()
	if res, err := c.Route(t.Context(), "", at, encoded(t, 5)); err != nil || res.Seq != 1005 {
		t.Error(res, err)
	}
	if index, err := c.Index(t.Context(), "node-1", at); err != nil || index != 42 {
		t.Error(index, err)
	}
	if p, err := c.Progress(t.Context(), "node-1", at); err != nil || p.Last != 2 {
		t.Error(p, err)
	}
}

func TestARefusalKeepsItsFaultAndReason(t *testing.T) {
	_, c, at := serve(t, leader{err: fusion.E(fusion.Full, "disk_reserve", "12 octets free")})
	_, err := c.Propose(t.Context(), "node-1", at, encoded(t, 1))
	if !errors.Is(err, &fusion.Error{Fault: fusion.Full, Reason: "disk_reserve"}) {
		t.Error(err)
	}
}

func TestWhoeverCannotBeReachedWasCertainlyNotAsked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	_, c, _ := serve(t, leader{})
	if _, err := c.Propose(t.Context(), "node-1", at, encoded(t, 1)); fusion.ReasonOf(err) != "no_leader" {
		t.Error(err)
	}
}

func TestWhenTheAnswerDoesNotComeTheOutcomeIsUnknown(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	_, c, at := serve(t, leader{hang: hang})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Propose(ctx, "node-1", at, encoded(t, 1)); fusion.ReasonOf(err) != "outcome_unknown" {
		t.Error(err)
	}
}

func TestAPeerThatSendsNonsenseIsCutOffAndCounted(t *testing.T) {
	s, c, at := serve(t, leader{})
	for _, nonsense := range [][]byte{
		binary.BigEndian.AppendUint32(nil, 1<<31), {0, 0, 0, 0}, {0, 0, 0, 2, 0xff, 0xff}, {0, 0, 0, 1, 0xa0},
	} {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(nonsense)
		_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		_, _ = conn.Read(make([]byte, 256)) // closed, or told that there is no such request
		_ = conn.Close()
	}
	if got := s.Malformed(); got != 3 {
		t.Errorf("%d counted", got)
	}
	if _, err := c.Index(t.Context(), "node-1", at); err != nil {
		t.Error(err)
	}
}
