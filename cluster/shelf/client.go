package shelf

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Peer is another node of the site and where it is reached.
type Peer struct{ Node, Address string }

// Dial connects to the node of an ID at an address.
type Dial func(ctx context.Context, address, node string) (net.Conn, error)

const (
	askLimit = 2 * time.Second // for a node to be reached and to answer what costs it nothing
	spares   = 4               // idle connections that are kept for each node
)

// client asks other nodes. Safe for concurrent use.
type client struct {
	dial Dial
	pace *pace

	pushed, fetched atomic.Int64 // octets

	mu     sync.Mutex
	spare  map[Peer][]*link
	closed bool
}

// link is one connection; it carries one request at a time.
type link struct {
	net.Conn
	in *bufio.Reader
}

// borrow gives a connection to a node. fresh tells that it was made for this.
func (c *client) borrow(ctx context.Context, to Peer, anew bool) (l *link, fresh bool, err error) {
	c.mu.Lock()
	if n := len(c.spare[to]); n > 0 && !anew {
		l = c.spare[to][n-1]
		c.spare[to] = c.spare[to][:n-1]
	}
	c.mu.Unlock()
	if l != nil {
		return l, false, nil
	}
	conn, err := c.dial(ctx, to.Address, to.Node)
	if err != nil {
		return nil, true, fusion.E(fusion.CutOff, "node_unreachable", "%v", err)
	}
	return &link{Conn: conn, in: bufio.NewReader(conn)}, true, nil
}

// giveBack keeps a connection that is between two requests.
func (c *client) giveBack(to Peer, l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.spare[to]) >= spares || l.SetDeadline(time.Time{}) != nil {
		_ = l.Close()
		return
	}
	if c.spare == nil {
		c.spare = make(map[Peer][]*link)
	}
	c.spare[to] = append(c.spare[to], l)
}

// close ends all idle connections.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, links := range c.spare {
		for _, l := range links {
			_ = l.Close()
		}
	}
	c.spare = nil
}

// do carries one request over a connection. One that idled may have died meanwhile: then it is tried once more over a new one, which is safe, since all requests
// may be repeated. after reads what follows the answer.
func (c *client) do(ctx context.Context, to Peer, r request, after func(*link, answer) error) error {
	l, fresh, err := c.borrow(ctx, to, false)
	if err != nil {
		return err
	}
	err = c.exchange(ctx, to, l, r, after)
	if err == nil || fresh || ctx.Err() != nil || !errors.Is(err, errLink) {
		return err
	}
	if l, _, err = c.borrow(ctx, to, true); err != nil {
		return err
	}
	return c.exchange(ctx, to, l, r, after)
}

// errLink says that a connection broke before the answer came.
var errLink = &fusion.Error{Fault: fusion.CutOff, Reason: "node_silent"}

func (c *client) exchange(ctx context.Context, to Peer, l *link, r request, after func(*link, answer) error) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	a, err := l.ask(r)
	clean := err == nil
	if clean {
		if err = a.err(); err == nil && after != nil {
			err = after(l, a)
			clean = err == nil
		}
	}
	if stop() && clean {
		c.giveBack(to, l)
	} else {
		_ = l.Close()
	}
	if _, typed := errors.AsType[*fusion.Error](err); err != nil && !typed {
		err = fusion.E(fusion.CutOff, "node_broke_off", "node %s: %v", to.Node, err)
	}
	return err
}

func (l *link) ask(r request) (a answer, err error) {
	if err = l.SetDeadline(time.Now().Add(takeLimit)); err == nil {
		if err = writeFrame(l, r); err == nil {
			err = readFrame(l.in, &a)
		}
	}
	if err != nil {
		return a, fusion.E(errLink.Fault, errLink.Reason, "%v", err)
	}
	return a, nil
}

// have asks for the sizes of contents, -1 for what the node lacks.
func (c *client) have(ctx context.Context, to Peer, names []string, touch bool) (sizes []int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	err = c.do(ctx, to, request{Kind: askHave, Names: names, Touch: touch}, func(_ *link, a answer) error {
		if len(a.Sizes) != len(names) {
			return fmt.Errorf("%w: %d sizes of %d contents", ErrFrame, len(a.Sizes), len(names))
		}
		sizes = a.Sizes
		return nil
	})
	return sizes, err
}

// copies asks what a node has of bursts.
func (c *client) copies(ctx context.Context, to Peer, ids []fusion.ID) (copies []Copy, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	err = c.do(ctx, to, request{Kind: askCopies, Bursts: ids}, func(_ *link, a answer) error {
		if len(a.Copies) != len(ids) {
			return fmt.Errorf("%w: %d copies of %d bursts", ErrFrame, len(a.Copies), len(ids))
		}
		copies = a.Copies
		return nil
	})
	return copies, err
}

// ping tells whether a node answers.
func (c *client) ping(ctx context.Context, to Peer) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return c.do(ctx, to, request{Kind: askNothing}, nil)
}

// fetch writes a range of a content to w, at most MaxRange of it, and gives the size of the whole.
func (c *client) fetch(ctx context.Context, from Peer, name string, offset, length int64, background bool, w io.Writer) (size int64, err error) {
	length = min(length, MaxRange)
	r := request{Kind: askFetch, Names: []string{name}, Offset: offset, Length: length, Background: background}
	err = c.do(ctx, from, r, func(l *link, a answer) error {
		if a.Length < 0 || a.Length > length || a.Size < 0 || offset+a.Length > a.Size || a.Length == 0 && length > 0 && offset < a.Size {
			return fmt.Errorf("%w: %d octets at %d of %d", ErrFrame, a.Length, offset, a.Size)
		}
		size = a.Size
		err := take(l, l.in, w, a.Length)
		if err == nil {
			c.fetched.Add(a.Length)
		}
		return err
	})
	return size, err
}

// push brings a content to a node. Nil: it has it, synced.
func (c *client) push(ctx context.Context, to Peer, store Store, name string) error {
	f, size, err := open(store, name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return c.do(ctx, to, request{Kind: askPush, Names: []string{name}, Size: size}, func(l *link, a answer) error {
		if a.Offset == size {
			return nil
		}
		if a.Offset < 0 || a.Offset > size {
			return fmt.Errorf("%w: it has %d of %d octets", ErrFrame, a.Offset, size)
		}
		if _, err := f.Seek(a.Offset, io.SeekStart); err != nil {
			return err
		}
		if err := c.pace.send(ctx, l, f, size-a.Offset, false); err != nil {
			return l.why(err)
		}
		c.pushed.Add(size - a.Offset)
		if err := l.SetReadDeadline(time.Now().Add(syncLimit)); err != nil {
			return err
		}
		var end answer
		if err := readFrame(l.in, &end); err != nil {
			return err
		}
		return end.err()
	})
}

// syncLimit is how long a node may take to bring the end of a content to its disk.
const syncLimit = 15 * time.Second

// why reads the reason for which a node stopped taking a content, if it said one.
func (l *link) why(err error) error {
	var a answer
	if l.SetReadDeadline(time.Now().Add(time.Second)) == nil && readFrame(l.in, &a) == nil && a.err() != nil {
		return a.err()
	}
	return err
}
