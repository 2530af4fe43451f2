package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/files"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/journal"
	"github.com/guantong-net/guantong/fusion/presence"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
)

// Record is the record plane, as a node of the site offers it.
type Record interface {
	// Propose has a command committed. A refusal by the state is in the Result; an error says that it is not known to be committed.
	Propose(ctx context.Context, c command.Command) (state.Result, error)
	// ProposeOrHold does the same for what only adds something (messages, receipts, alerts, files). Without a quorum it is held: on this node's
	// disk, to be committed by itself under the same ID when there is one.
	ProposeOrHold(ctx context.Context, c command.Command) (res state.Result, held bool, err error)
	// View runs a query on one consistent state. What it hands out is not used after f returns.
	View(f func(*state.View) error) error
	// Wait returns when an event after the given one exists, or with ctx's error.
	Wait(ctx context.Context, after uint64) error
}

// Talks is the live plane.
type Talks interface {
	Join(ctx context.Context, t fusion.Talk, leg talk.Leg, opt talk.JoinOptions) (talk.Seat, error)
	State(t fusion.Talk) (talk.State, bool)
	Subscribe(f func(talk.State)) (cancel func())
	ForceClear(t fusion.Talk, by string) error
	EndEmergency(t fusion.Talk, unit fusion.Number, by string) error // unit 0: everybody's
	Talking() int
}

// Actor is on whose behalf the switchboard acts.
type Actor struct {
	User     string
	Unit     fusion.Number
	Position fusion.Number // the desk where it sits, or 0
}

// Placing is a call to be placed: to a unit (单呼) or position, or digits by a trunk.
type Placing struct {
	To     fusion.Number `json:"to,omitempty"`
	Digits string        `json:"digits,omitempty"`
	Trunk  string        `json:"trunk,omitempty"`
	Group  fusion.Number `json:"group,omitempty"` // put it into this group when it is answered
	Floor  bool          `json:"floor,omitempty"` // half-duplex, under a floor; else both are heard at once
}

// Desk is the switchboard. Who may call what is checked before.
type Desk interface {
	Place(ctx context.Context, id fusion.ID, by Actor, p Placing) (wire.CallInfo, error)
	Answer(ctx context.Context, id fusion.ID, by Actor) error
	Hang(ctx context.Context, id fusion.ID, by Actor) error
	Hold(ctx context.Context, id fusion.ID, by Actor) error
	Resume(ctx context.Context, id fusion.ID, by Actor) error
	PickUp(ctx context.Context, id fusion.ID, by Actor) error
	Transfer(ctx context.Context, id fusion.ID, by Actor, to fusion.Number) error
	Admit(ctx context.Context, id fusion.ID, by Actor, group fusion.Number) error
	Dismiss(ctx context.Context, id fusion.ID, by Actor) error
	Call(id fusion.ID) (wire.CallInfo, bool)
	Calls() []wire.CallInfo
	// Subscribe calls f with every change of a call; f does not block.
	Subscribe(f func(wire.CallInfo)) (cancel func())
}

// Media takes a browser's offer.
type Media interface {
	Open(ctx context.Context, offer string, events MediaEvents) (s MediaSession, answer string, err error)
}

// MediaEvents is what happens to a media session. The methods do not block.
type MediaEvents interface {
	Connected()
	Packet(p *voice.Packet)
	Slot(slot int, info *voice.Info)
	Closed(reason string)
}

// MediaSession is one browser's media.
type MediaSession interface {
	Sink(name string) voice.Sink
	Close()
}

// Files is the content store.
type Files interface {
	Begin(id fusion.ID, owner string, p files.Promise) (files.Upload, error)
	Append(ctx context.Context, id fusion.ID, owner string, offset int64, r io.Reader) (files.Upload, error)
	State(id fusion.ID, owner string) (files.Upload, error)
	// Open opens a content, wherever in the site it is.
	Open(ctx context.Context, hash string) (io.ReadSeekCloser, error)
}

// Journal replays and exports.
type Journal interface {
	Audio(b state.Burst, raw bool) (journal.File, string, error)
	Export(ctx context.Context, w io.Writer, set journal.ExportSet) error
}

// Deps are what a Server needs. Members that may be nil say so: their calls are then refused as not available.
type Deps struct {
	Record   Record
	Talks    Talks
	Desk     Desk // may be nil
	Media    Media
	Files    Files
	Journal  Journal           // may be nil
	FloorLog *journal.FloorLog // may be nil: exports are without floor events
	Hasher   *identity.Hasher
	Sessions *identity.Sessions
	Throttle *identity.Throttle
	Presence *presence.Board
	// Stamp gives the node's hybrid logical clock and wall clock (milliseconds UTC) for a command.
	Stamp func() (hlc uint64, at int64)
	// Status tells what the node knows of itself; consoles, calls and talkers are filled in here.
	Status func() wire.Status
	// Nodes tells how the nodes of the site are; may be nil: there is this one only.
	Nodes   func() []wire.NodeState
	Ready   func() error // nil when the node can serve
	Console http.Handler // the pages; may be nil
	Metrics *prometheus.Registry
	NewID   func() fusion.ID
	Rand    io.Reader
	Now     func() time.Time
	Log     *slog.Logger
}

// Config says how clients are served. Zero members mean the default in brackets.
type Config struct {
	Node          string
	Version       string
	Nodes         []string // further URLs to re-home to, besides those that the site's nodes say
	Origins       []string // further origins than the host that was asked ("https://console.example")
	Trunks        []string
	MetricsToken  string        // lets others than loopback read /metrics
	RatePerSource float64       // requests a second [500]
	Burst         int           // [2000]
	SocketsSource int           // WebSockets of one address [512]
	SocketsUser   int           // of one user [16]
	Sockets       int           // in all [2000]
	ConnsSource   int           // TCP connections of one address [1024]
	Conns         int           // in all [8192]
	Heartbeat     time.Duration // [250 ms]
	Patience      time.Duration // with a client from which nothing comes [5 s]
	LoginWait     time.Duration // for a place among the password checks [5 s]
}

func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&c.Burst, 2000)
	def(&c.SocketsSource, 512)
	def(&c.SocketsUser, 16)
	def(&c.Sockets, 2000)
	def(&c.ConnsSource, 1024)
	def(&c.Conns, 8192)
	if c.RatePerSource <= 0 {
		c.RatePerSource = 500
	}
	if c.Heartbeat <= 0 {
		c.Heartbeat = 250 * time.Millisecond
	}
	if c.Patience <= 0 {
		c.Patience = 5 * time.Second
	}
	if c.LoginWait <= 0 {
		c.LoginWait = 5 * time.Second
	}
	return c
}
