package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/sdk"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

// program is the server under test, built once by TestMain.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "guantong-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if program, err = peer.BuildServer(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.end()
	shared.dir = filepath.Join(dir, "shared")
	return m.Run()
}

// bench is a running server with its administrator and dispatcher logged in.
type bench struct {
	*peer.Server
	admin *peer.API // every role
	dir   string
	life  context.Context
	sip   map[string]string // "tls": address; "trunk": the trunk's own
	n     uint16            // local numbers given out
	mu    sync.Mutex
}

// shared is the server that most tests use.
var shared sharedBench

type sharedBench struct {
	once sync.Once
	dir  string
	b    *bench
	err  error
	stop context.CancelFunc
}

// server gives the shared server.
func server(t *testing.T) *bench {
	t.Helper()
	shared.once.Do(func() {
		life, stop := context.WithCancel(context.Background())
		shared.stop = stop
		shared.b, shared.err = open(life, shared.dir, filepath.Join(shared.dir, "data"))
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	b := shared.b
	t.Cleanup(func() {
		select {
		case <-b.Done():
			t.Errorf("the server has ended: %v\n%s", b.Err(), b.Log().Tail(4000))
		default:
		}
		if s := b.Log().String(); strings.Contains(s, "panic") || strings.Contains(s, "DATA RACE") {
			t.Errorf("the server panicked:\n%s", b.Log().Tail(4000))
		}
	})
	return b
}

func (s *sharedBench) end() {
	if s.b != nil {
		_ = s.b.Stop(10 * time.Second) // the tests have said what they had to
	}
	if s.stop != nil {
		s.stop()
	}
}

// ownServer starts a server for one test.
func ownServer(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	b, err := open(t.Context(), dir, filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	return b
}

// trunkAddress is the address of the exchange that the configuration names.
const trunkAddress = "127.0.77.1"

// open prepares, starts and opens a server whose configuration has TLS for telephones, a trunk and a class of service.
func open(life context.Context, dir, data string) (*bench, error) {
	s, err := peer.NewServer(program, dir, data)
	if err != nil {
		return nil, err
	}
	b := &bench{Server: s, dir: dir, life: life, n: 2000}
	if err := b.configure(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(life, 60*time.Second)
	defer cancel()
	if err := s.Start(ctx, life); err != nil {
		return nil, err
	}
	b.admin, err = s.FirstLogin(ctx)
	if err != nil {
		s.Kill()
		return nil, err
	}
	return b, nil
}

func (b *bench) configPath() string { return filepath.Join(b.dir, "guantong.yaml") }

// configure writes what is more than the drill's configuration.
func (b *bench) configure() error {
	ports, err := peer.FreePorts(2)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(b.configPath())
	if err != nil {
		return err
	}
	b.sip = map[string]string{"tls": fmt.Sprintf("127.0.0.1:%d", ports[0]), "trunk": fmt.Sprintf("%s:%d", trunkAddress, ports[1])}
	text := strings.Replace(string(raw), `tls: ""`, fmt.Sprintf(`tls: %q
  trunks:
    - name: pstn
      hosts: [%q]
      peers: ["127.0.77.0/24"]
      entry: 10901
  classes:
    - name: county
      prefixes: [{digits: "9", trunk: pstn, strip: 1}]
      minutes: 60
      calls: 4`, b.sip["tls"], b.sip["trunk"]), 1)
	return os.WriteFile(b.configPath(), []byte(text), 0o600)
}

// configured finds a value of the server's configuration by its key.
func (b *bench) configured(t *testing.T, section, key string) string {
	t.Helper()
	raw, err := os.ReadFile(b.configPath())
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\n"+section+":\n")
	_, rest, _ = strings.Cut(rest, "  "+key+": ")
	v, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(v, `"`)
}

// number gives a local number that no other test has.
func (b *bench) number() fusion.Number {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	return fusion.NewNumber(1, b.n)
}

// person is a unit with a user.
type person struct {
	name, password string
	unit           fusion.Number
}

const freshPassword = "kai-hu-zhan-tai-77"

// person makes a user with roles; it is past the change of its first password.
func (b *bench) person(t *testing.T, roles ...fusion.Role) person {
	t.Helper()
	n := b.number()
	p := person{name: fmt.Sprintf("u%d", n), password: freshPassword + "-" + n.String(), unit: n}
	first := "ye-yu-chuan-deng-" + n.String()
	b.must(t, http.MethodPut, "/units/"+n.String(), state.Unit{Number: n, Name: p.name, Kind: state.PersonUnit}, nil)
	b.must(t, http.MethodPut, "/users/"+p.name, map[string]any{"user": map[string]any{"name": p.name, "unit": n, "roles": roles, "revision": 0}, "password": first}, nil)
	s, _, err := b.API().Login(t.Context(), p.name, first)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Call(t.Context(), http.MethodPost, "/me/password", map[string]string{"old": first, "new": p.password}, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// login logs a person in.
func (b *bench) login(t *testing.T, p person) *peer.API {
	t.Helper()
	s, _, err := b.API().Login(t.Context(), p.name, p.password)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// must makes a request as the administrator.
func (b *bench) must(t *testing.T, method, path string, body, out any) {
	t.Helper()
	if err := b.admin.Call(t.Context(), method, path, body, out); err != nil {
		t.Fatal(err)
	}
}

// group makes a talk group; an open one takes every unit, a closed one its members.
func (b *bench) group(t *testing.T, open bool, members ...state.Member) fusion.Number {
	t.Helper()
	n := b.number()
	b.must(t, http.MethodPut, "/groups/"+n.String(), state.Group{Number: n, Name: "组" + n.String(), Kind: state.TalkGroup, Priority: 3, Precedence: fusion.Routine, Open: open}, nil)
	for _, m := range members {
		m.Group = n
		b.must(t, http.MethodPut, "/groups/"+n.String()+"/members/"+m.Unit.String(), m, nil)
	}
	return n
}

// sdk logs a person in with the Go client, which trusts the site's CA and nothing else.
func (b *bench) sdk(t *testing.T, p person) *sdk.Client {
	t.Helper()
	c := sdk.New("https://"+b.HTTP, sdk.Options{TLS: b.trusting(t)})
	if _, err := c.Login(t.Context(), p.name, p.password, ""); err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *bench) trusting(t *testing.T) *tls.Config {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(b.Data(), "keys", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		t.Fatal("the site's CA is no PEM")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
}

// from is an API client at an address of its own, so that a test's misdeeds are not held against the others.
func (b *bench) from(last byte) *peer.API {
	return b.API().From(netip.AddrFrom4([4]byte{127, 0, 9, last}))
}

// metric sums the samples of metrics whose name and labels begin so; a vector has none before it first counts.
func (b *bench) metric(t *testing.T, prefix string) float64 {
	t.Helper()
	raw, err := b.API().Raw(t.Context(), http.MethodGet, "/metrics", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for line := range strings.Lines(string(raw)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !strings.HasPrefix(name, prefix) || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("metric %q: %v", line, err)
		}
		sum += v
	}
	return sum
}

// grew waits until a metric is above what it was: what is counted may be counted a moment after the answer.
func (b *bench) grew(t *testing.T, prefix string, before float64) {
	t.Helper()
	eventually(t, "metric "+prefix+" grows", func() bool { return b.metric(t, prefix) > before })
}

// eventually looks again and again until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("in vain: %s", what)
		case <-t.Context().Done():
			t.Fatal(what, t.Context().Err())
		}
	}
}

// refused checks that an error is a refusal with a status and a reason ("" for any), and a fault.
func refused(t *testing.T, what string, err error, status int, reason string) {
	t.Helper()
	var r *peer.Refusal
	if !errors.As(err, &r) {
		t.Errorf("%s: %v, want a refusal with %d %s", what, err, status, reason)
		return
	}
	if r.Status != status || reason != "" && r.Reason != reason || r.Fault == "" || r.Reason == "" {
		t.Errorf("%s: %v, want %d %s", what, r, status, reason)
	}
}
