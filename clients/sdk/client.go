package sdk

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
)

// Options say how to reach a site.
type Options struct {
	TLS      *tls.Config   // the CA of the site, usually; nil: the system's
	HTTP     *http.Client  // instead of one made from TLS
	Nodes    []string      // further nodes of the site; a node that answers names the others too
	Patience time.Duration // with a node that does not answer a request, when there are others [20 s]
}

// Client talks to a site, by one of its nodes: when that does not answer, by the next one. Its methods are for any goroutine.
type Client struct {
	http     *http.Client
	tls      *tls.Config
	patience time.Duration

	mu          sync.Mutex
	token       string
	incarnation uint64   // of the site, as it was welcomed last
	nodes       []*place // the one that is asked comes first
}

// New makes a client that begins at the node at base ("https://host:8443"). Nothing is sent yet.
func New(base string, opt Options) *Client {
	hc := opt.HTTP
	if hc == nil {
		hc = &http.Client{Transport: &http.Transport{TLSClientConfig: opt.TLS, MaxIdleConnsPerHost: 32, Proxy: http.ProxyFromEnvironment}}
	}
	tc := opt.TLS
	if t, ok := hc.Transport.(*http.Transport); ok && tc == nil {
		tc = t.TLSClientConfig
	}
	c := &Client{http: hc, tls: tc, patience: opt.Patience}
	if c.patience <= 0 {
		c.patience = 20 * time.Second
	}
	for _, url := range append([]string{base}, opt.Nodes...) {
		c.know(url)
	}
	return c
}

// NewID makes a random request ID.
func NewID() fusion.ID {
	var id fusion.ID
	_, _ = rand.Read(id[:]) // it never fails
	return id
}

// Token is the session's, empty before Login.
func (c *Client) Token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token
}

// SetToken goes on with a session that another client has begun.
func (c *Client) SetToken(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = token
}

// request is one call.
type request struct {
	method, path string
	query        url.Values
	body         any // JSON, or an io.Reader
	kind         string
	key          fusion.ID // Idempotency-Key; zero: none
	header       http.Header
}

// do calls and decodes the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, q request, out any) error {
	res, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if out == nil || res.StatusCode == http.StatusNoContent {
		_, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		return err
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fusion.E(fusion.CutOff, "broken_off", "%s %s: the answer cannot be read: %v", q.method, q.path, err)
	}
	return nil
}

// at calls one node and gives the response when it is a good one; the caller closes its body.
func (c *Client) at(ctx context.Context, node *place, q request) (*http.Response, error) {
	body, err := q.reader()
	if err != nil {
		return nil, err
	}
	address := node.url + q.path
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, q.method, address, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", q.method, q.path, err)
	}
	for k, v := range q.header {
		r.Header[k] = v
	}
	if q.kind != "" {
		r.Header.Set("Content-Type", q.kind)
	} else if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if !q.key.IsZero() {
		r.Header.Set("Idempotency-Key", q.key.String())
	}
	if t := c.Token(); t != "" {
		r.Header.Set("Authorization", "Bearer "+t)
	}
	res, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s %s: %w", q.method, q.path, ctx.Err())
		}
		cut := fusion.E(fusion.CutOff, "unreachable", "%s %s: %v", q.method, q.path, err)
		if dialFailed(err) {
			return nil, unsent{cut}
		}
		return nil, cut
	}
	if res.StatusCode >= 400 {
		defer func() { _ = res.Body.Close() }()
		return nil, refusal(res)
	}
	return res, nil
}

func (q request) reader() (io.Reader, error) {
	switch b := q.body.(type) {
	case nil:
		return nil, nil
	case io.Reader:
		return b, nil
	}
	data, err := json.Marshal(q.body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", q.method, q.path, err)
	}
	return bytes.NewReader(data), nil
}

// refusal makes the server's error of a response.
func refusal(res *http.Response) error {
	var body struct {
		Error wireError `json:"error"`
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err == nil && json.Unmarshal(data, &body) == nil && body.Error.Fault != "" {
		return body.Error.err()
	}
	return fusion.E(fusion.Broken, "http", "the server answered %s", res.Status)
}

// wireError is an error as it is sent.
type wireError struct {
	Fault  string `json:"fault"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

func (e wireError) err() error {
	fault := fusion.Broken
	for f := fusion.Broken; f <= fusion.Full; f++ {
		if f.String() == e.Fault {
			fault = f
		}
	}
	return &fusion.Error{Fault: fault, Reason: e.Reason, Detail: e.Detail}
}

const v1 = "/api/v1"

// Login begins a session. NeedsTOTP in the reply asks for the code of the second factor; Login again with it.
func (c *Client) Login(ctx context.Context, user, password, code string) (wire.LoginReply, error) {
	var out wire.LoginReply
	err := c.do(ctx, request{method: "POST", path: v1 + "/login", body: wire.LoginRequest{User: user, Password: password, TOTP: code}}, &out)
	if err == nil && out.Token != "" {
		c.SetToken(out.Token)
	}
	c.learn(out.Nodes)
	return out, err
}

// Logout ends the session.
func (c *Client) Logout(ctx context.Context) error {
	return c.do(ctx, request{method: "POST", path: v1 + "/logout"}, nil)
}

// Me tells who is logged in.
func (c *Client) Me(ctx context.Context) (wire.Me, error) {
	return get[wire.Me](ctx, c, "/me", nil)
}

// ChangePassword changes one's own.
func (c *Client) ChangePassword(ctx context.Context, old, fresh string) error {
	return c.do(ctx, request{method: "POST", path: v1 + "/me/password", body: map[string]string{"old": old, "new": fresh}}, nil)
}

// get reads one object.
func get[T any](ctx context.Context, c *Client, path string, q url.Values) (T, error) {
	var out T
	err := c.do(ctx, request{method: "GET", path: v1 + path, query: q}, &out)
	return out, err
}

// Page is a part of a list; Next is the cursor of the part that follows, or empty.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// list reads a whole list, part by part, up to limit entries (0: all).
func list[T any](ctx context.Context, c *Client, path string, q url.Values, limit int) ([]T, error) {
	if q == nil {
		q = url.Values{}
	}
	var out []T
	for {
		p, err := get[Page[T]](ctx, c, path, q)
		if err != nil {
			return out, err
		}
		out = append(out, p.Items...)
		if limit > 0 && len(out) >= limit {
			return out[:limit], nil
		}
		if p.Next == "" {
			return out, nil
		}
		q.Set("cursor", p.Next)
	}
}

// put makes or changes an object and gives it as it is then.
func put[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	var out T
	err := c.do(ctx, request{method: "PUT", path: v1 + path, body: body, key: NewID()}, &out)
	return out, err
}

// post does something under a request ID.
func post[T any](ctx context.Context, c *Client, path string, id fusion.ID, body any) (T, error) {
	var out T
	err := c.do(ctx, request{method: "POST", path: v1 + path, body: body, key: id}, &out)
	return out, err
}
