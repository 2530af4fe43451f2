package apitest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/guantong-net/guantong/clients/api"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/files"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/presence"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
)

// Password is that of every user that House makes.
const Password = "correct-horse-42"

// Record is a record plane in memory.
type Record struct {
	mu      sync.Mutex // exclusive: state.Memory sorts its keys when it is read
	mem     *state.Memory
	m       *state.Machine
	index   uint64
	changed chan struct{}
	last    uint64
	Refuse  error // what Propose answers instead of applying
	Hold    bool  // without a quorum: what may be held is
}

// NewRecord makes an empty one.
func NewRecord() *Record {
	return &Record{mem: state.NewMemory(), m: state.New(), changed: make(chan struct{})}
}

// ProposeOrHold applies a command, or only says that it is held.
func (r *Record) ProposeOrHold(ctx context.Context, c command.Command) (state.Result, bool, error) {
	if r.Hold {
		return state.Result{}, true, nil
	}
	res, err := r.Propose(ctx, c)
	return res, false, err
}

// Propose applies a command.
func (r *Record) Propose(_ context.Context, c command.Command) (state.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Refuse != nil {
		return state.Result{}, r.Refuse
	}
	r.index++
	res, events, err := r.m.Apply(r.mem, c, r.index)
	if err == nil && len(events) > 0 {
		r.last = events[len(events)-1].Seq
		close(r.changed)
		r.changed = make(chan struct{})
	}
	return res, err
}

// View runs a query.
func (r *Record) View(f func(*state.View) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return f(state.NewView(r.mem))
}

// Wait waits for an event after the given one.
func (r *Record) Wait(ctx context.Context, after uint64) error {
	for {
		r.mu.Lock()
		last, changed := r.last, r.changed
		r.mu.Unlock()
		if last > after {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// House is a server with a site: groups 11001 and 11002, units and users who act as them.
type House struct {
	T      testing.TB
	Record *Record
	API    *api.Server
	Talks  *talk.Exchange
	Files  *files.Store
	URL    string // of the server
	Client *http.Client

	Sessions *identity.Sessions
	Presence *presence.Board
	name     string
	site     *site
	net      *network
	stop     func()
	clock    sync.Mutex
	at       int64
}

// Options change what House does.
type Options struct {
	Config api.Config
	Media  api.Media
	Now    func() time.Time
	Beside *House // be another node of the same site
}

// New starts a server. It ends with the test.
func New(t testing.TB, opt Options) *House {
	t.Helper()
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Media == nil {
		opt.Media = NoMedia{}
	}
	h := &House{T: t, Record: NewRecord(), at: time.Now().UnixMilli(), site: &site{}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	if h.Files, err = files.Open(files.Config{Dir: t.TempDir(), Now: opt.Now, Rand: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	hasher, err := identity.NewHasher(identity.Params{Memory: 64, Time: 1, Threads: 1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h.Sessions = identity.NewSessions(identity.SessionConfig{Now: opt.Now, Rand: rand.Reader})
	h.Presence = presence.New(opt.Now)
	if opt.Beside == nil {
		h.Talks = talk.New(talk.Deps{Switch: voice.New(voice.Config{}, voice.Deps{}), Recorder: noRecorder{}, Groups: h.group, Exercise: func() string { return "" },
			NewID: NewID, Note: func(talk.FloorEvent) {}, Epoch: 1, Log: log})
		h.furnish(hasher)
	} else {
		h.Record, h.Talks, h.site = opt.Beside.Record, opt.Beside.Talks, opt.Beside.site
	}
	cfg := opt.Config
	if h.name = h.site.add(h); cfg.Node == "" {
		cfg.Node, cfg.Version = h.name, "test"
	}
	h.API, err = api.New(cfg, api.Deps{Record: h.Record, Talks: h.Talks, Media: opt.Media, Files: h.Files, Hasher: hasher,
		Sessions: h.Sessions, Nodes: func() []wire.NodeState { return h.site.nodes(h) }, Throttle: identity.NewThrottle(identity.ThrottleConfig{Now: opt.Now}),
		Presence: h.Presence, Stamp: h.stamp, Status: func() wire.Status { return wire.Status{Leader: true, Quorum: true} }, Ready: func() error { return nil },
		Metrics: prometheus.NewRegistry(), NewID: NewID, Rand: rand.Reader, Now: opt.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	h.serve()
	return h
}

func (h *House) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- h.API.Run(ctx) }()
	srv := httptest.NewUnstartedServer(h.API.Handler())
	h.net = &network{Listener: srv.Listener, conns: make(map[*line]bool)}
	srv.Listener = h.net
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	srv.StartTLS()
	h.URL, h.Client = srv.URL, srv.Client()
	h.stop = sync.OnceFunc(func() {
		h.net.kill()
		cancel()
		if err := <-over; err != nil {
			h.T.Error(err)
		}
		srv.CloseClientConnections()
		srv.Close()
	})
	h.T.Cleanup(h.stop)
	h.site.joined()
}

// NewID makes a random ID.
func NewID() fusion.ID {
	var id fusion.ID
	_, _ = rand.Read(id[:]) // crypto/rand does not fail
	return id
}

func (h *House) stamp() (hlc uint64, at int64) {
	h.clock.Lock()
	defer h.clock.Unlock()
	h.at++
	return uint64(h.at) << 16, h.at
}

func (h *House) group(n fusion.Number) (talk.GroupConfig, bool) {
	var c talk.GroupConfig
	err := h.Record.View(func(v *state.View) error {
		g, err := v.Group(n)
		c = talk.GroupConfig{Name: g.Name, Broadcast: g.Kind == state.BroadcastGroup, Priority: g.Priority, Prec: g.Precedence}
		return err
	})
	return c, err == nil
}

// Do applies a command that must succeed.
func (h *House) Do(t command.Type, payload any) fusion.ID {
	h.T.Helper()
	hlc, at := h.stamp()
	cmd, err := command.New(t, NewID(), hlc, at, "setup", payload)
	if err != nil {
		h.T.Fatal(err)
	}
	res, err := h.Record.Propose(context.Background(), cmd)
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		h.T.Fatalf("command %d: %v", t, err)
	}
	return cmd.ID
}

// furnish makes the site. Group 11001 has alice and bob, group 11002 only carol; dave administers, dora dispatches.
func (h *House) furnish(hasher *identity.Hasher) {
	phc, err := hasher.Hash(context.Background(), Password, true)
	if err != nil {
		h.T.Fatal(err)
	}
	h.Do(command.SiteSet, state.Site{Number: 1, Name: "测试站", Realm: "test", Incarnation: 1, Trial: true})
	for i, name := range []string{"一组", "二组"} {
		h.Do(command.GroupSet, state.Group{Number: fusion.Number(11001 + i), Name: name, Kind: state.TalkGroup, Precedence: fusion.Routine})
	}
	for i, u := range []struct {
		name  string
		group fusion.Number
		roles []fusion.Role
	}{
		{"alice", 11001, []fusion.Role{fusion.UnitRole}},
		{"bob", 11001, []fusion.Role{fusion.UnitRole}},
		{"carol", 11002, []fusion.Role{fusion.UnitRole}},
		{"dora", 0, []fusion.Role{fusion.Dispatcher}},
		{"dave", 0, []fusion.Role{fusion.SystemAdmin, fusion.SecurityAdmin, fusion.AuditAdmin}},
	} {
		n := fusion.Number(12001 + i)
		h.Do(command.UnitSet, state.Unit{Number: n, Name: u.name, Kind: state.PersonUnit})
		h.Do(command.UserSet, state.UserChange{User: state.User{Name: u.name, Unit: n, Roles: u.roles}, Secret: &state.UserSecret{Name: u.name, Password: phc}})
		if u.group != 0 {
			h.Do(command.MemberSet, state.Member{Group: u.group, Unit: n, Talk: true})
		}
	}
	h.Do(command.PositionSet, state.Position{Number: 18001, Name: "值班席"})
}

type noRecorder struct{}

func (noRecorder) Begin(talk.BurstInfo) talk.Recording { return noRecording{} }

type noRecording struct{}

func (noRecording) Packet(*voice.Packet)  {}
func (noRecording) End(string, time.Time) {}

// NoMedia refuses every offer.
type NoMedia struct{}

// Open implements api.Media.
func (NoMedia) Open(context.Context, string, api.MediaEvents) (api.MediaSession, string, error) {
	return nil, "", fusion.E(fusion.BadRequest, "no_media", "this server has no media")
}
