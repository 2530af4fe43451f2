package forward

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// Node is what other nodes may ask of this one.
type Node interface {
	// ProposeHere proposes a command if this node leads.
	ProposeHere(ctx context.Context, cmd command.Command) (state.Result, error)
	// Index tells, if this node leads, up to which index a state is current.
	Index(ctx context.Context) (uint64, error)
	Progress() Progress
	// Propose brings a command to the leader, wherever it is.
	Propose(ctx context.Context, cmd command.Command) (state.Result, error)
}

const (
	atOnce     = 1024 // requests of one connection that are under way; the next one waits
	serveLimit = 10 * time.Second
)

// Server answers other nodes.
type Server struct {
	node Node
	log  *slog.Logger
	bad  atomic.Uint64
}

// NewServer makes a Server of a node.
func NewServer(node Node, log *slog.Logger) *Server { return &Server{node: node, log: log} }

// Malformed counts connections that ended because a frame could not be read.
func (s *Server) Malformed() uint64 { return s.bad.Load() }

// Serve answers the connections of a listener until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept nodes: %w", err)
		}
		conns.Go(func() { s.serve(ctx, conn) })
	}
}

func (s *Server) serve(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	out := make(chan []byte, queued)
	var busy sync.WaitGroup
	busy.Go(func() { defer cancel(); pump(ctx, conn, out) })
	room := make(chan struct{}, atOnce)
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		var r request
		if err := readFrame(in, &r); err != nil {
			if errors.Is(err, ErrFrame) {
				s.bad.Add(1)
				s.log.Warn("a node sent what cannot be read", "from", conn.RemoteAddr().String(), "error", err)
			}
			break
		}
		room <- struct{}{}
		busy.Go(func() {
			defer func() { <-room }()
			s.reply(ctx, r, out)
		})
	}
	cancel()
	busy.Wait()
}

func (s *Server) reply(ctx context.Context, r request, out chan<- []byte) {
	call, cancel := context.WithTimeout(ctx, serveLimit)
	defer cancel()
	frame, err := appendFrame(s.answer(call, r))
	if err != nil {
		s.log.Error("answer to a node", "error", err)
		return
	}
	select {
	case out <- frame:
	case <-ctx.Done():
	}
}

func (s *Server) answer(ctx context.Context, r request) answer {
	v, err := s.carryOut(ctx, r)
	if err != nil {
		return refusal(r.Seq, err)
	}
	body, err := command.Marshal(v)
	if err != nil {
		return refusal(r.Seq, err)
	}
	return answer{Seq: r.Seq, Body: body}
}

func (s *Server) carryOut(ctx context.Context, r request) (any, error) {
	switch r.Kind {
	case askPropose, askRoute:
		cmd, err := command.Decode(r.Body)
		if err != nil {
			return nil, fusion.E(fusion.BadRequest, "bad_command", "%v", err)
		}
		if r.Kind == askRoute {
			return s.node.Propose(ctx, cmd)
		}
		return s.node.ProposeHere(ctx, cmd)
	case askIndex:
		return s.node.Index(ctx)
	case askProgress:
		return s.node.Progress(), nil
	}
	return nil, fusion.E(fusion.BadRequest, "unknown_request", "this version knows no request %d", r.Kind)
}
