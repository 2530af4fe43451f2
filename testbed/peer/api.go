package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
)

// API speaks clients/wire/PROTOCOL.md over HTTPS. It is written from the protocol's text and shares no code with the server or with clients/sdk, so that a drill also
// tells when these two agree on something that the text does not say.
type API struct {
	base  string // https://127.0.0.1:port
	http  *http.Client
	tls   *tls.Config
	token string
	dial  func(ctx context.Context, network, address string) (net.Conn, error) // of the WebSocket; nil is the usual way
}

// NewAPI talks to the server whose certificate is the one given.
func NewAPI(address string, trust *x509.Certificate) *API {
	c := Pinned(trust)
	return &API{base: "https://" + address, tls: c, http: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: c, MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: false},
	}}
}

// Pinned accepts one certificate only, whoever has signed it.
func Pinned(trust *x509.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // replaced by the stricter rule below
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || trust == nil || !s.PeerCertificates[0].Equal(trust) {
				return errors.New("peer: the server shows another certificate")
			}
			return nil
		},
	}
}

// Certificate asks a server on loopback for its certificate.
func Certificate(ctx context.Context, address string) (*x509.Certificate, error) {
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} // asking is all that is done with it
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("peer: certificate: %w", err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// With gives another session on the same server: its own token, its own connections' pool shared.
func (a *API) With(token string) *API {
	out := *a
	out.token = token
	return &out
}

// Token is the session's, for other clients that go on with it.
func (a *API) Token() string { return a.token }

// From gives a client that connects from an address of its own in 127/8, as another machine would: the server limits what one address may ask.
func (a *API) From(local netip.Addr) *API {
	out := *a
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: local.AsSlice()}}
	out.http = &http.Client{Timeout: a.http.Timeout, Transport: &http.Transport{TLSClientConfig: a.tls, MaxIdleConnsPerHost: 64, DialContext: dialer.DialContext}}
	out.dial = dialer.DialContext
	return &out
}

// Login logs in and gives the session.
func (a *API) Login(ctx context.Context, user, password string) (*API, wire.LoginReply, error) {
	var reply wire.LoginReply
	if err := a.Call(ctx, http.MethodPost, "/login", wire.LoginRequest{User: user, Password: password}, &reply); err != nil {
		return nil, reply, err
	}
	if reply.Token == "" {
		return nil, reply, fmt.Errorf("peer: log-in of %s gave no token (second factor %v)", user, reply.NeedsTOTP)
	}
	return a.With(reply.Token), reply, nil
}

// Call makes a request under /api/v1 and reads the answer into out, which may be nil.
func (a *API) Call(ctx context.Context, method, path string, body, out any) error {
	return a.CallAs(ctx, fusion.ID{}, method, path, body, out)
}

// CallAs makes it under a request ID (Idempotency-Key).
func (a *API) CallAs(ctx context.Context, request fusion.ID, method, path string, body, out any) error {
	var in io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		in, kind = bytes.NewReader(b), "application/octet-stream"
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return fmt.Errorf("peer: %s %s: %w", method, path, err)
		}
		in = bytes.NewReader(raw)
	}
	header := http.Header{"Content-Type": {kind}}
	if !request.IsZero() {
		header.Set("Idempotency-Key", request.String())
	}
	raw, err := a.Raw(ctx, method, "/api/v1"+path, header, in)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("peer: %s %s: %w: %.200s", method, path, err, raw)
	}
	return nil
}

// Refusal is an error that the server answered.
type Refusal struct {
	Status int
	Fault  string
	Reason string
	Detail string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%d %s: %s: %s", r.Status, r.Fault, r.Reason, r.Detail)
}

// maxAnswer bounds what is read of an answer: an upload's 50 MB and something.
const maxAnswer = 64 << 20

// Raw makes any request and gives the body of a 2xx answer; any other is a *Refusal. A question that came too soon (429) is asked again when the server says, as
// a good client does; what changes something is left to the caller.
func (a *API) Raw(ctx context.Context, method, path string, header http.Header, body io.Reader) ([]byte, error) {
	for tries := 0; ; tries++ {
		raw, after, err := a.once(ctx, method, path, header, body)
		if after == 0 || tries == maxTries || (method != http.MethodGet && method != http.MethodHead) {
			return raw, err
		}
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

const maxTries = 20

// once makes a request once; after is how long to wait where the server was busy.
func (a *API) once(ctx context.Context, method, path string, header http.Header, body io.Reader) (raw []byte, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return nil, 0, fmt.Errorf("peer: %s %s: %w", method, path, err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	res, err := a.http.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("peer: %s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	raw, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, 0, fmt.Errorf("peer: %s %s: %w", method, path, err)
	}
	if res.StatusCode/100 == 2 {
		return raw, 0, nil
	}
	var said struct {
		Error struct{ Fault, Reason, Detail string }
	}
	_ = json.Unmarshal(raw, &said) // an answer that is no JSON has its status only
	if res.StatusCode == http.StatusTooManyRequests {
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // none is none
		after = max(200*time.Millisecond, time.Duration(min(seconds, 5))*time.Second)
	}
	return nil, after, fmt.Errorf("peer: %s %s: %w", method, path, &Refusal{res.StatusCode, said.Error.Fault, said.Error.Reason, said.Error.Detail})
}

// List reads all pages of a list.
func List[T any](ctx context.Context, a *API, path string) ([]T, error) {
	var out []T
	sep := "?"
	if bytes.ContainsRune([]byte(path), '?') {
		sep = "&"
	}
	for cursor := ""; ; {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		at := path
		if cursor != "" {
			at += sep + "before=" + cursor
		}
		if err := a.Call(ctx, http.MethodGet, at, nil, &page); err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.Next == "" || page.Next == cursor || len(page.Items) == 0 {
			return out, nil
		}
		cursor = page.Next
	}
}

// FreePorts finds n ports of loopback that nobody uses now, by binding both UDP and TCP.
func FreePorts(n int) ([]int, error) {
	var out []int
	var held []io.Closer
	defer func() {
		for _, c := range held {
			_ = c.Close()
		}
	}()
	for tries := 0; len(out) < n; tries++ {
		if tries > 20*n {
			return nil, errors.New("peer: no free ports on loopback")
		}
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, fmt.Errorf("peer: free port: %w", err)
		}
		held = append(held, l)
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue
		}
		held = append(held, u)
		out = append(out, port)
	}
	return out, nil
}
