package shelf

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

const (
	maxConns  = 64               // of other nodes at once
	idleLimit = time.Minute      // between two requests of a connection
	takeLimit = 10 * time.Second // for one frame to be sent
)

// Bursts tells what this node has of bursts that are not indexed. Package journal does.
type Bursts interface {
	Held(id fusion.ID) Copy
}

// Server answers other nodes.
type Server struct {
	store  Store
	bursts Bursts // may be nil
	pace   *pace
	log    *slog.Logger

	bad    atomic.Uint64
	served atomic.Int64
	taken  atomic.Int64
}

// Serve answers the connections of a listener until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	room := make(chan struct{}, maxConns)
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
		select {
		case room <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		conns.Go(func() {
			defer func() { <-room }()
			s.serve(ctx, conn)
		})
	}
}

func (s *Server) serve(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		if conn.SetReadDeadline(time.Now().Add(idleLimit)) != nil {
			return
		}
		var r request
		err := readFrame(in, &r)
		if err == nil {
			err = r.check()
		}
		if err == nil {
			err = s.answer(ctx, conn, in, r)
		}
		if errors.Is(err, ErrFrame) {
			s.bad.Add(1)
			s.log.Warn("a node sent what cannot be read", "from", conn.RemoteAddr().String(), "error", err)
		}
		if err != nil {
			return
		}
	}
}

// answer carries one request out. Its error ends the connection.
func (s *Server) answer(ctx context.Context, conn net.Conn, in io.Reader, r request) error {
	switch r.Kind {
	case askNothing:
		return reply(conn, answer{})
	case askHave:
		return reply(conn, s.have(r))
	case askFetch:
		return s.fetch(ctx, conn, r)
	case askPush:
		return s.push(conn, in, r)
	case askCopies:
		return reply(conn, s.copies(r))
	}
	return reply(conn, refusal(fusion.E(fusion.BadRequest, "unknown_request", "this version knows no request %d", r.Kind)))
}

func reply(conn net.Conn, a answer) error {
	if err := conn.SetWriteDeadline(time.Now().Add(takeLimit)); err != nil {
		return err
	}
	return writeFrame(conn, a)
}

func (s *Server) have(r request) answer {
	look := s.store.Has
	if r.Touch {
		look = s.store.Touch
	}
	a := answer{Sizes: make([]int64, len(r.Names))}
	for i, name := range r.Names {
		size, ok := look(name)
		if !ok {
			size = -1
		}
		a.Sizes[i] = size
	}
	return a
}

func (s *Server) copies(r request) answer {
	a := answer{Copies: make([]Copy, len(r.Bursts))}
	for i, id := range r.Bursts {
		a.Copies[i] = Copy{None: true}
		if s.bursts != nil {
			a.Copies[i] = s.bursts.Held(id)
		}
	}
	return a
}

// fetch sends a range of a content, as much of it as there is.
func (s *Server) fetch(ctx context.Context, conn net.Conn, r request) error {
	f, size, err := open(s.store, r.Names[0])
	if err == nil && r.Offset > size {
		err = errors.Join(fusion.E(fusion.BadRequest, "bad_range", "the content ends at %d", size), f.Close())
	}
	if err != nil {
		return reply(conn, refusal(err))
	}
	defer func() { _ = f.Close() }()
	n := min(r.Length, size-r.Offset, MaxRange)
	if _, err := f.Seek(r.Offset, io.SeekStart); err != nil {
		return reply(conn, refusal(err))
	}
	if err := reply(conn, answer{Size: size, Length: n}); err != nil {
		return err
	}
	s.served.Add(n)
	return s.pace.send(ctx, conn, f, n, r.Background)
}

func open(s Store, name string) (*os.File, int64, error) {
	f, err := s.OpenFile(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// push takes a content. It is synced when the last answer goes.
func (s *Server) push(conn net.Conn, in io.Reader, r request) error {
	name := r.Names[0]
	if size, here := s.store.Touch(name); here {
		return reply(conn, answer{Offset: size})
	}
	p, err := s.store.Receive(name, r.Size)
	if err != nil {
		return reply(conn, refusal(err))
	}
	defer func() { _ = p.Close() }()
	at := p.Offset()
	if at == r.Size { // all had come, and the end was not reached
		if err := p.Commit(); err != nil {
			return reply(conn, refusal(err))
		}
		return reply(conn, answer{Offset: r.Size})
	}
	if err := reply(conn, answer{Offset: at}); err != nil {
		return err
	}
	err = take(conn, in, p, r.Size-at)
	if err == nil {
		err = p.Commit()
	}
	if err == nil {
		s.taken.Add(r.Size - at)
		return reply(conn, answer{})
	}
	return errors.Join(err, reply(conn, refusal(err))) // what follows in the connection is no frame
}
