package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/guantong-net/guantong/clients/webrtc"
	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/live"
	"github.com/guantong-net/guantong/cluster/shelf"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/files"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/journal"
	"github.com/guantong-net/guantong/fusion/presence"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/trust"
	"github.com/guantong-net/guantong/fusion/voice"
	"github.com/guantong-net/guantong/transports/power"
	"github.com/guantong-net/guantong/transports/telephone"
)

// server is one node with all its parts.
type server struct {
	cfg     config
	log     *slog.Logger
	began   time.Time
	out     io.Writer // where the passwords of a site that this start sets up are shown
	invited string    // TOKEN@host:port of the site to join
	mending bool      // it is no server, but a command that mends the data directory

	lock      *os.File
	authority *trust.Authority
	cert      tls.Certificate
	port      *nodePort      // nil: no other nodes
	power     *power.Monitor // nil: no UPS is named
	node      *cluster.Node
	files     *files.Store
	shelf     *shelf.Keeper
	recorder  *journal.Recorder
	floorLog  *journal.FloorLog
	hasher    *identity.Hasher
	presence  *presence.Board
	directory *directory
	voice     *voice.Switch
	talks     *talk.Exchange
	link      *live.Link // nil: no other nodes
	told      *siteBoard
	talkTopic *live.Topic
	board     *desk.Switchboard
	phones    *telephone.Server
	media     *webrtc.Server
	api       *console
	profiles  *profiler
	control   *control
	strangers strangers
}

// newServer builds the parts in the order in which they need one another. Nothing is served yet.
func newServer(ctx context.Context, c config, invited string, log *slog.Logger, out io.Writer) (*server, error) {
	s := &server{cfg: c, log: log, out: out, began: time.Now(), invited: invited}
	for _, step := range []struct {
		name string
		make func(context.Context) error
	}{
		{"data directory", s.openData},
		{"invitation", s.joinSite},
		{"keys", s.openKeys},
		{"node port", s.openNodePort},
		{"power", s.openPower},
		{"record", s.openRecord},
		{"site", s.openSite},
		{"files", s.openFiles},
		{"journal", s.openJournal},
		{"voice", s.openVoice},
		{"link", s.openLive},
		{"board", s.openBoard},
		{"telephone", s.openTelephone},
		{"media", s.openMedia},
		{"console", s.openConsole},
		{"profiles", s.openProfiles},
		{"control socket", s.openControl},
	} {
		if err := step.make(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open %s: %w", step.name, err), s.abandon(), s.close())
		}
	}
	return s, nil
}

// openData makes the data directory and keeps other servers out of it.
func (s *server) openData(context.Context) error {
	if err := os.MkdirAll(s.cfg.Data, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.cfg.Data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("%s is in use by another guantong", s.cfg.Data), f.Close())
	}
	s.lock = f
	if s.mending {
		return nil
	}
	return s.cfg.refuseMending()
}

func (s *server) openKeys(context.Context) (err error) {
	if s.authority, err = authority(filepath.Join(s.cfg.Data, "keys"), s.cfg.Site.Name); err != nil {
		return err
	}
	if _, err = s.cfg.incarnation(); err != nil {
		return err
	}
	s.cert, err = certificate(s.cfg, s.authority)
	return err
}

func (s *server) openRecord(ctx context.Context) (err error) {
	keep := s.cfg.Retention
	c := cluster.Config{
		Dir: filepath.Join(s.cfg.Data, "record"), NodeID: s.cfg.Node, Logger: s.log, Reserve: uint64(s.cfg.Disk.Reserve), Files: siteFiles{s}, Low: s.lowPower,
		Retention: cluster.Retention{
			Messages: time.Duration(keep.Messages), Recordings: time.Duration(keep.Recordings), Audit: time.Duration(keep.Audit),
		},
	}
	if s.port != nil {
		s.port.fill(&c, s.cfg.Nodes)
	} else {
		c.WriteDeadline = aloneDeadline
	}
	if s.node, err = cluster.Open(ctx, c); err == nil && s.port != nil {
		s.port.node.Store(s.node)
	}
	return err
}

// aloneDeadline is how long the disk of a node without others may stand still before its log counts as failed. Nobody waits to take over, and
// the cards of small machines pause for seconds.
const aloneDeadline = 10 * time.Second

// openSite sets a trial site up when there is none, and sees that the configuration means the site that is there.
func (s *server) openSite(ctx context.Context) (err error) {
	if s.hasher, err = identity.NewHasher(identity.DefaultParams(), rand.Reader); err != nil {
		return err
	}
	site, err := siteOf(s.node)
	if err != nil {
		return err
	}
	if site.Number == 0 && s.port != nil && s.port.joined {
		if site, err = s.awaitSite(ctx); err != nil {
			return err
		}
	}
	if site.Number == 0 {
		return found(ctx, s.node, s.hasher, s.cfg, true, s.out)
	}
	if site.Number != s.cfg.Site.Number || site.Realm != s.cfg.Site.Realm {
		return fmt.Errorf("the data is of site %d (realm %s), the configuration names site %d (realm %s)", site.Number, site.Realm, s.cfg.Site.Number, s.cfg.Site.Realm)
	}
	return nil
}

// siteOf reads the site; its number is 0 when there is none yet.
func siteOf(r records) (site state.Site, err error) {
	err = r.View(func(v *state.View) (err error) {
		site, err = v.Site()
		return err
	})
	if fusion.FaultOf(err) == fusion.NotFound {
		err = nil
	}
	return site, err
}

func (s *server) openFiles(context.Context) (err error) {
	s.files, err = files.Open(files.Config{
		Dir: filepath.Join(s.cfg.Data, "files"), Now: time.Now, Rand: rand.Reader,
		Room: func(octets int64) error { return s.node.Guard().Check(int(octets)) },
	})
	if err == nil {
		s.shelf = s.newShelf()
	}
	return err
}

func (s *server) openJournal(context.Context) (err error) {
	dir := filepath.Join(s.cfg.Data, "journal")
	c := journal.Config{Dir: dir, Files: recordings{s.library()}, Log: s.log, Index: s.indexBurst,
		Room: func(octets int64) error { return s.node.Guard().Check(int(octets)) }}
	if s.port != nil {
		c.Node, c.Site, c.Entry, c.IndexCopy = s.cfg.Node, otherRecorders{s.shelf}, s.burstEntry, s.indexCopy
	}
	s.recorder, err = journal.Open(c)
	if err != nil {
		return err
	}
	s.floorLog = journal.NewFloorLog(dir)
	return nil
}

func (s *server) indexBurst(ctx context.Context, b state.Burst) error {
	return s.propose(ctx, command.BurstIndex, b.ID, b)
}

// propose commits a command of the server itself.
func (s *server) propose(ctx context.Context, t command.Type, id fusion.ID, payload any) error {
	cmd, err := s.node.Command(t, id, "system", payload)
	if err != nil {
		return err
	}
	res, err := s.node.Propose(ctx, cmd)
	if err != nil {
		return err
	}
	return res.Err()
}

func (s *server) openVoice(context.Context) error {
	s.presence = presence.New(time.Now)
	s.directory = &directory{records: s.node, cfg: s.cfg, online: func(n fusion.Number) bool { return s.presence.Here(n, "console") }}
	if err := s.directory.refresh(); err != nil {
		return err
	}
	s.voice = voice.New(voice.Config{}, voice.Deps{Log: s.log})
	d := talk.Deps{
		Switch: s.voice, Recorder: s.recorder, Groups: s.directory.group, Exercise: s.directory.exercise, NewID: newID,
		Note: s.floorLog.Note, Epoch: s.node.Epoch(), Self: s.cfg.Node, Log: s.log,
	}
	if s.port != nil {
		d.Nodes = talkNodes{s}
	}
	s.talks = talk.New(d)
	s.board = desk.New(desk.Config{
		Unanswered: time.Duration(s.cfg.Desk.Unanswered), DutyAfter: time.Duration(s.cfg.Desk.DutyAfter), Overflow: time.Duration(s.cfg.Desk.Overflow),
	}, desk.Deps{
		Talks: s.talks, Dialler: dialler{s}, Directory: s.directory, Log: s.log, NewID: newID, Record: s.logCall,
	})
	return nil
}

// dialler reaches the telephones, which are made after the switchboard.
type dialler struct{ s *server }

func (d dialler) Dial(ctx context.Context, to desk.Target) (desk.Line, error) {
	return d.s.phones.Dial(ctx, to)
}
func (d dialler) Registered(unit fusion.Number) bool { return d.s.phones.Registered(unit) }

// newID draws a request ID. The system's source of randomness does not fail (crypto/rand).
func newID() (id fusion.ID) {
	_, _ = rand.Read(id[:])
	return id
}

func (s *server) openTelephone(context.Context) (err error) {
	p := s.cfg.Telephone
	c := telephone.Config{
		UDP: p.UDP, TCP: p.TCP, TLS: p.TLS, Realm: s.cfg.Site.Realm, RTPLow: p.RTPLow, RTPHigh: p.RTPHigh, Site: s.cfg.Site.Number,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12}, DutyUnits: s.directory.duty(),
	}
	if p.Advertise != "" {
		if c.Advertise, err = netip.ParseAddr(p.Advertise); err != nil {
			return err
		}
	}
	for _, t := range p.Trunks {
		trunk, err := t.trunk()
		if err != nil {
			return err
		}
		c.Trunks = append(c.Trunks, trunk)
	}
	s.phones, err = telephone.New(c, telephone.Deps{
		Accounts: accounts{s.directory}, Incoming: s.board, Events: s.board, Log: s.log, Rand: rand.Reader, Told: s.told.registered, Elsewhere: s.told.elsewhere,
	})
	return err
}

func (t trunkConfig) trunk() (telephone.Trunk, error) {
	out := telephone.Trunk{
		Name: t.Name, Hosts: t.Hosts, Transport: t.Transport, Register: t.Register, User: t.User, Domain: t.Domain, Headers: t.Headers, MaxCalls: t.MaxCalls,
	}
	for _, p := range t.Peers {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return out, err
		}
		out.Peers = append(out.Peers, prefix)
	}
	if t.PasswordFile != "" {
		b, err := os.ReadFile(t.PasswordFile)
		if err != nil {
			return out, fmt.Errorf("trunk %s: %w", t.Name, err)
		}
		out.Password = strings.TrimSpace(string(b))
	}
	return out, nil
}

func (s *server) openMedia(context.Context) (err error) {
	c := webrtc.Config{Listen: s.cfg.Media.Listen, Log: s.log}
	for _, a := range s.cfg.Media.Announce {
		addr, err := netip.ParseAddrPort(a)
		if err != nil {
			ip, bad := netip.ParseAddr(a)
			if bad != nil {
				return fmt.Errorf("media.announce: %q: %w", a, err)
			}
			addr = netip.AddrPortFrom(ip, 0)
		}
		c.Announce = append(c.Announce, addr)
	}
	s.media, err = webrtc.New(c)
	return err
}

// run serves until ctx ends, then stops in order: people first, then calls and conversations, whose bursts end and go to the journal,
// and the record last, since the journal's entries go there.
func (s *server) run(ctx context.Context) error {
	type parts = map[string]func(context.Context) error
	record := parts{"record": s.node.Run, "shelf": s.shelf.Run, "files": s.followFiles}
	if s.power != nil {
		record["power"] = s.power.Run
	}
	if s.port != nil {
		record["forward"], record["join"], record["share files"] = s.serveNodes, s.serveNewcomers, s.serveFiles
	}
	speech := parts{"telephone": s.phones.Run, "media": s.media.Run}
	if s.link != nil {
		speech["link"] = s.link.Run
	}
	speech["board"] = s.told.Run
	if s.cfg.Nodes.Floating != "" {
		speech["floating address"] = s.float
	}
	return runStages(ctx,
		stage{parts: parts{"console": s.api.Run, "follow": s.follow, "profiles": s.profiles.Run, "control": s.control.Run}, after: s.hangUp},
		stage{parts: speech},
		stage{parts: parts{"journal": s.recorder.Run, "floor log": s.floorLog.Run, "prune": s.prune}},
		stage{parts: record},
	)
}

// hangUp ends all calls and conversations, and with them every recording.
func (s *server) hangUp() {
	s.board.Close()
	s.talks.Close()
	s.voice.Close()
}

// abandon gives back the sockets of a server that was never run, so that it can be built again: a part closes its own when it stops.
func (s *server) abandon() error {
	over, stop := context.WithCancel(context.Background())
	stop()
	var errs []error
	if s.phones != nil {
		errs = append(errs, s.phones.Run(over))
	}
	if s.media != nil {
		errs = append(errs, s.media.Run(over))
	}
	var listeners []net.Listener
	if s.api != nil {
		listeners = append(listeners, s.api.listener)
	}
	if s.profiles != nil {
		listeners = append(listeners, s.profiles.listener)
	}
	if s.control != nil {
		listeners = append(listeners, s.control.listener)
	}
	for _, l := range listeners {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// close gives back what newServer has taken.
func (s *server) close() error {
	if s.board != nil {
		s.board.Close()
	}
	if s.talks != nil {
		s.talks.Close()
	}
	if s.voice != nil {
		s.voice.Close()
	}
	var errs []error
	if s.node != nil {
		errs = append(errs, s.node.Close())
	}
	if s.port != nil {
		errs = append(errs, s.port.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

func serveCommand(ctx context.Context, args []string, out, errOut io.Writer) error {
	var invited string
	c, rest, err := options("serve", args, func(fs *flag.FlagSet) { fs.StringVar(&invited, "join", "", "TOKEN@HOST:PORT") })
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("serve: %q: %w", rest[0], errUsage)
	}
	log, err := logger(errOut, c.Log)
	if err != nil {
		return err
	}
	return serveAgain(ctx, log, func(ctx context.Context, first bool) (bool, error) {
		return serveOnce(ctx, c, invited, log, out, first)
	})
}

// restartAfter is how long a server waits before it starts over.
const restartAfter = time.Second

// serveAgain starts a server over that failed while it served: a disk that hung for a moment must not leave a site without its voice until
// somebody comes. One that could not be started the first time is the operator's to mend.
func serveAgain(ctx context.Context, log *slog.Logger, serve func(ctx context.Context, first bool) (served bool, err error)) error {
	for first := true; ; first = false {
		served, err := serve(ctx, first)
		if ctx.Err() != nil || err == nil || first && !served {
			return err
		}
		log.Error("the server starts over", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(restartAfter):
		}
	}
}

// serveOnce builds a server and serves until ctx ends or a part of it fails.
func serveOnce(ctx context.Context, c config, invited string, log *slog.Logger, out io.Writer, first bool) (served bool, err error) {
	s, err := newServer(ctx, c, invited, log, out)
	if err != nil {
		return false, err
	}
	if first {
		if _, err := fmt.Fprintf(out, "Guantong 贯通 %s: site %d %s\n  console %s\n  site CA certificate %s (SHA-256 %s)\n",
			version, c.Site.Number, c.Site.Name, s.api.URL(), filepath.Join(c.Data, "keys", "ca.pem"), s.authority.Fingerprint()); err != nil {
			return false, errors.Join(err, s.close())
		}
	}
	return true, errors.Join(s.run(ctx), s.close())
}
