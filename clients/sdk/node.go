package sdk

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
)

// maxNodes is how many nodes a client remembers.
const maxNodes = 16

// place is a node that a client may ask. Its context ends when the client gives the node up, and with it what it is still asked.
type place struct {
	url  string
	lost context.Context
	lose context.CancelFunc
}

func newPlace(url string) *place {
	lost, lose := context.WithCancel(context.Background())
	return &place{url, lost, lose}
}

// know adds a node to the end of the list.
func (c *Client) know(url string) {
	url = strings.TrimSuffix(url, "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		if n.url == url {
			return
		}
	}
	if len(c.nodes) < maxNodes {
		c.nodes = append(c.nodes, newPlace(url))
	}
}

// learn takes in what a node says of the site's nodes. Those that it does not name stay, at the end: it may be cut off from them.
func (c *Client) learn(list []wire.NodeInfo) {
	for _, n := range list {
		if strings.HasPrefix(n.URL, "https://") {
			c.know(n.URL)
		}
	}
}

// Node is the URL of the node that is asked now.
func (c *Client) Node() string { return c.here().url }

// KnownNodes are the URLs of all nodes that the client knows, the one that is asked now first.
func (c *Client) KnownNodes() []string {
	var out []string
	for _, n := range c.places() {
		out = append(out, n.url)
	}
	return out
}

func (c *Client) here() *place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[0]
}

func (c *Client) places() []*place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*place(nil), c.nodes...)
}

// leave gives a node up that did not answer: the next one is asked from now on, and what is under way there ends. It does nothing when the
// client is elsewhere already, or knows no other.
func (c *Client) leave(n *place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.nodes) < 2 || c.nodes[0] != n {
		return
	}
	n.lose()
	c.nodes = append(c.nodes[1:], newPlace(n.url))
}

// settle asks a node from now on.
func (c *Client) settle(n *place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.nodes[0]
	if left == n || !slices.Contains(c.nodes, n) {
		return
	}
	left.lose()
	rest := slices.DeleteFunc(slices.Clone(c.nodes[1:]), func(x *place) bool { return x == n })
	c.nodes = append(append([]*place{n}, rest...), newPlace(left.url))
}

// send calls the site and gives the response when it is a good one; the caller closes its body. A node that does not answer is left, and the
// next one is asked, if it does no harm to ask twice: what changes something carries its request ID, and is done once.
func (c *Client) send(ctx context.Context, q request) (*http.Response, error) {
	for tries := len(c.places()); ; tries-- {
		node := c.here()
		res, err := c.try(ctx, node, q, tries > 1)
		if err == nil || ctx.Err() != nil || !unanswered(err) {
			return res, err
		}
		c.leave(node)
		if tries <= 1 || !q.again() && !neverSent(err) {
			return nil, err
		}
	}
}

// unanswered reports whether an error says that no answer came, or only a part.
func unanswered(err error) bool {
	reason := fusion.ReasonOf(err)
	return fusion.FaultOf(err) == fusion.CutOff && (reason == "unreachable" || reason == "broken_off")
}

// unsent wraps the error of a request that did not reach the node.
type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

func neverSent(err error) bool {
	var u unsent
	return errors.As(err, &u)
}

// dialFailed reports whether a call broke before anything was sent.
func dialFailed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// again reports whether a request may be sent a second time.
func (q request) again() bool {
	if _, stream := q.body.(io.Reader); stream {
		return false
	}
	return q.method == http.MethodGet || !q.key.IsZero() || q.path == v1+"/login"
}

// try calls one node, until it answers, is given up, or (limited) has had its time.
func (c *Client) try(ctx context.Context, node *place, q request, limited bool) (*http.Response, error) {
	inner, cancel := context.WithCancel(ctx)
	unlink := context.AfterFunc(node.lost, cancel)
	end := func() { unlink(); cancel() }
	if limited {
		// The time for an answer, not for its body.
		slow, stop := context.WithTimeout(inner, c.patience)
		unwatch := context.AfterFunc(slow, func() {
			if slow.Err() == context.DeadlineExceeded {
				cancel()
			}
		})
		defer func() { unwatch(); stop() }()
	}
	res, err := c.at(inner, node, q)
	if err != nil {
		if ctx.Err() == nil && inner.Err() != nil {
			err = fusion.E(fusion.CutOff, "unreachable", "%s %s: the node did not answer", q.method, q.path)
		}
		end()
		return nil, err
	}
	res.Body = &body{res.Body, end}
	return res, nil
}

// body frees what a call holds when its answer is read.
type body struct {
	io.ReadCloser
	end func()
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}
