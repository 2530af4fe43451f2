package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/guantong-net/guantong/clients/api"
	webconsole "github.com/guantong-net/guantong/clients/console"
	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/alerting"
	"github.com/guantong-net/guantong/fusion/board"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/identity"
	"github.com/guantong-net/guantong/fusion/state"
)

// console serves people: the pages, the API and its WebSocket, and the alerts that become louder.
type console struct {
	s        *server
	api      *api.Server
	listener net.Listener
	ladder   *alerting.Watch
	duty     *dutyRinger
	sessions *sessionKeeper
}

func (s *server) openConsole(ctx context.Context) error {
	token, err := s.metricsToken()
	if err != nil {
		return err
	}
	c := &console{s: s}
	pages, err := pagesHandler()
	if err != nil {
		return err
	}
	cfg := api.Config{Node: s.cfg.Node, Version: version, Nodes: s.cfg.Console.Nodes, MetricsToken: token}
	for _, t := range s.cfg.Telephone.Trunks {
		cfg.Trunks = append(cfg.Trunks, t.Name)
	}
	sessions := identity.NewSessions(identity.SessionConfig{Now: time.Now, Rand: rand.Reader})
	c.sessions = &sessionKeeper{sessions: sessions, file: filepath.Join(s.cfg.Data, "keys", "sessions.json"), log: s.log}
	c.sessions.restore()
	board.ShareSessions(sessions, s.topics(), s.log)
	c.api, err = api.New(cfg, api.Deps{
		Record: recordPlane{s.node}, Talks: s.talks, Desk: deskCalls{s}, Media: browsers{s.media}, Files: s.library(), Journal: s.recorder, FloorLog: s.floorLog,
		Hasher: s.hasher, Sessions: sessions, Throttle: identity.NewThrottle(identity.ThrottleConfig{Now: time.Now}),
		Presence: s.presence, Stamp: s.stamp, Status: s.status, Nodes: s.told.nodes, Ready: s.ready, Console: pages, Metrics: s.metrics(), NewID: newID, Rand: rand.Reader, Now: time.Now, Log: s.log,
	})
	if err != nil {
		return err
	}
	c.duty = s.newDutyRinger()
	c.ladder = alerting.NewWatch(alerting.DefaultLadder(), alerting.Deeds{
		Open:  func() ([]state.Alert, error) { return openAlerts(s.node) },
		Leads: s.node.Leads, Escalate: s.escalate, RingDutyPhones: c.duty.ring, CallParent: s.callParent, Now: time.Now, Log: s.log,
	})
	var lc net.ListenConfig
	if c.listener, err = lc.Listen(ctx, "tcp", s.cfg.Console.Listen); err != nil {
		return err
	}
	s.api = c
	return nil
}

// URL is where a browser on this machine finds the console.
func (c *console) URL() string {
	_, port, err := net.SplitHostPort(c.listener.Addr().String())
	if err != nil {
		return "https://" + c.s.cfg.Console.Listen
	}
	return "https://localhost:" + port
}

// Run serves until ctx ends.
func (c *console) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.api.Run(ctx) })
	g.Go(func() error {
		return c.api.Serve(ctx, c.listener, &tls.Config{Certificates: []tls.Certificate{c.s.cert}, MinVersion: tls.VersionTLS13})
	})
	g.Go(func() error { return c.ladder.Run(ctx) })
	g.Go(func() error { return c.duty.Run(ctx) })
	g.Go(func() error { return c.sessions.Run(ctx) })
	g.Go(func() error { return c.alerts(ctx) })
	return g.Wait()
}

// alerts wakes the ladder at each change of an alert.
func (c *console) alerts(ctx context.Context) error {
	last, _ := look(c.s.node, (*state.View).LastEvent)
	for w := c.s.node.Watch(last); ; {
		events, err := w.Next(ctx)
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Type == "alert" {
				c.ladder.Changed()
				break
			}
		}
	}
}

func openAlerts(r records) (list []state.Alert, err error) {
	err = r.View(func(v *state.View) error {
		list, err = v.OpenAlerts()
		return err
	})
	return list, err
}

func (s *server) escalate(ctx context.Context, alert fusion.ID, stage uint8) error {
	return s.propose(ctx, command.AlertEscalate, newID(), state.AlertChange{ID: alert, Stage: stage})
}

// callParent tells the parent site. A site of this release has none: what is left is to say so loudly.
func (s *server) callParent(_ context.Context, a state.Alert) error {
	s.log.Error("an emergency alert has not been acknowledged by anybody", "alert", a.ID.String(), "unit", a.Unit.String())
	return nil
}

func (s *server) metricsToken() (string, error) {
	if s.cfg.Metrics.TokenFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(s.cfg.Metrics.TokenFile)
	return strings.TrimSpace(string(b)), err
}

func (s *server) stamp() (hlc uint64, at int64) {
	stamp, at := s.node.Stamp()
	return uint64(stamp), at
}

func (s *server) ready() error {
	if st := s.node.Status(); st.Fault != "" {
		return fusion.E(fusion.CutOff, "not_ready", "%s", st.Fault)
	}
	return nil
}

// status is what this node knows of itself; the API fills in what it serves.
func (s *server) status() wire.Status {
	st := s.node.Status()
	w := wire.Status{
		Node: s.cfg.Node, Version: version, Uptime: int64(time.Since(s.began) / time.Second), Time: state.Millis(time.Now().UnixMilli()),
		Leader: s.node.Leads(), Quorum: st.Leader != "", Degraded: []string{}, DiskFree: int64(st.DiskFree), DiskTotal: diskTotal(s.cfg.Data),
		Phones: s.phones.Registrations(), Calls: len(s.board.Calls()), Talking: s.talks.Talking(), RSS: residentMemory(),
	}
	for _, d := range []struct {
		when bool
		name string
	}{
		{st.DiskFree < st.Reserve, "disk_reserve"},
		{st.DiskFree >= st.Reserve && st.DiskFree < uint64(s.cfg.Disk.Warn), "disk_low"},
		{st.Leader == "", "no_quorum"},
		{st.ClockAhead > 0, "clock_untrusted"},
		{s.recorder.Stats().Broken, "recorder_failed"},
	} {
		if d.when {
			w.Degraded = append(w.Degraded, d.name)
		}
	}
	var degraded []string
	w.Power, degraded = s.powerStatus()
	w.Degraded, w.FilesLacking = append(w.Degraded, degraded...), s.shelf.Stats().Lacking
	return w
}

// recordPlane gives the API the record.
type recordPlane struct{ *cluster.Node }

// Wait implements api.Record.
func (r recordPlane) Wait(ctx context.Context, after uint64) error {
	_, err := r.Watch(after).Next(ctx)
	return err
}

// pagesHandler serves the console's files, or says how to build them.
func pagesHandler() (http.Handler, error) {
	files, built := webconsole.Files()
	if !built {
		return http.HandlerFunc(notBuilt), nil
	}
	return http.FileServerFS(files), nil
}

func notBuilt(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprint(w, `<!doctype html><html lang="zh"><meta charset="utf-8"><title>贯通</title>
<h1>控制台尚未构建</h1><p>服务器正在运行，接口可用。请在源码目录执行 <code>make build</code>（需要 Node 与 npm），然后重新启动。</p>
<p>The console is not built into this binary. Run <code>make build</code> (needs Node and npm) and start again.</p></html>`)
}
