package rival

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// natsConn is one connection by the NATS client protocol (docs.nats.io, "Client protocol"). Requests share it and do not wait for one another; what
// they write goes out together.
type natsConn struct {
	conn net.Conn
	in   *bufio.Reader
	out  chan []byte
	dead chan struct{}
	once sync.Once

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan []byte
}

// inbox is the subject under which answers come: inbox.NUMBER.
const inbox = "_INBOX.guantong"

const maxNATS = 1 << 20 // octets of a message, which is the server's own limit

func dialNATS(ctx context.Context, address string, tc *tls.Config) (*natsConn, error) {
	var d net.Dialer
	plain, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	// The server speaks first, in the clear; TLS begins after its line.
	if err := plain.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	hello, err := readPlain(plain)
	if err != nil || !strings.HasPrefix(hello, "INFO ") {
		return nil, errors.Join(fmt.Errorf("nats: the server said %q", hello), err, plain.Close())
	}
	tc = tc.Clone()
	tc.ServerName = "127.0.0.1"
	conn := tls.Client(plain, tc)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("nats: %w", err), plain.Close())
	}
	c := &natsConn{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), out: make(chan []byte, 1024), dead: make(chan struct{}), waiting: make(map[uint64]chan []byte)}
	if _, err := fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"headers\":true,\"no_responders\":true,\"lang\":\"go\",\"protocol\":1}\r\nSUB %s.* 1\r\nPING\r\n", inbox); err != nil {
		return nil, errors.Join(fmt.Errorf("nats: %w", err), conn.Close())
	}
	for line := ""; line != "PONG"; {
		if line, err = c.line(); err != nil || strings.HasPrefix(line, "-ERR") {
			return nil, errors.Join(fmt.Errorf("nats: %q", line), err, conn.Close())
		}
	}
	if err := plain.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	go c.write()
	go c.read()
	return c, nil
}

// readPlain reads a line octet by octet: what follows it belongs to TLS.
func readPlain(r io.Reader) (string, error) {
	var line []byte
	var b [1]byte
	for len(line) < 16<<10 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return string(line), err
		}
		if b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	return string(line), nil
}

func (c *natsConn) line() (string, error) {
	line, err := c.in.ReadSlice('\n')
	return strings.TrimRight(string(line), "\r\n"), err
}

func (c *natsConn) close() {
	c.once.Do(func() { close(c.dead) })
	_ = c.conn.Close() // its reader sees it
}

func (c *natsConn) write() {
	defer c.close()
	out := bufio.NewWriterSize(c.conn, 64<<10)
	for {
		select {
		case b := <-c.out:
			if _, err := out.Write(b); err != nil {
				return
			}
			if len(c.out) == 0 && out.Flush() != nil {
				return
			}
		case <-c.dead:
			return
		}
	}
}

func (c *natsConn) read() {
	defer c.close()
	for {
		line, err := c.line()
		if err != nil {
			return
		}
		switch verb, rest, _ := strings.Cut(line, " "); verb {
		case "PING":
			c.out <- []byte("PONG\r\n")
		case "MSG", "HMSG":
			if c.message(strings.Fields(rest)) != nil {
				return
			}
		case "-ERR":
			return
		}
	}
}

// message reads the body of MSG subject sid [reply] octets, or HMSG with the octets of its headers before those of all, and gives it to who waits.
func (c *natsConn) message(words []string) error {
	if len(words) < 3 {
		return errors.New("nats: a short MSG")
	}
	size, err := strconv.Atoi(words[len(words)-1])
	if err != nil || size < 0 || size > maxNATS {
		return fmt.Errorf("nats: MSG of %q octets", words[len(words)-1])
	}
	body := make([]byte, size+2)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return err
	}
	number, err := strconv.ParseUint(words[0][strings.LastIndexByte(words[0], '.')+1:], 36, 64)
	if err != nil {
		return nil // none of ours
	}
	c.mu.Lock()
	got := c.waiting[number]
	delete(c.waiting, number)
	c.mu.Unlock()
	if got != nil {
		got <- body[:size]
	}
	return nil
}

// request publishes with a subject to answer to, and waits for the answer.
func (c *natsConn) request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	got := make(chan []byte, 1)
	c.mu.Lock()
	c.next++
	number := c.next
	c.waiting[number] = got
	c.mu.Unlock()
	b := make([]byte, 0, len(body)+96)
	b = append(append(append(b, "PUB "...), subject...), " "+inbox+"."...)
	b = append(strconv.AppendUint(b, number, 36), ' ')
	b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	b = append(append(b, body...), "\r\n"...)
	select {
	case c.out <- b:
	case <-c.dead:
		return nil, errors.New("nats: the connection ended")
	}
	select {
	case raw := <-got:
		return raw, nil
	case <-c.dead:
		return nil, errors.New("nats: the connection ended")
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, number)
		c.mu.Unlock()
		return nil, fmt.Errorf("nats: %w", ctx.Err())
	}
}
