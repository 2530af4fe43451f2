package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/live"
	"github.com/guantong-net/guantong/cluster/mux"
	"github.com/guantong-net/guantong/cluster/shelf"
	"github.com/guantong-net/guantong/fusion/journal"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/voice"
)

// controlSocket lies in the data directory, which only its owner can enter.
const controlSocket = "control.sock"

// nodeStatus is what guantong status shows.
type nodeStatus struct {
	Node    wire.Status     `json:"node"`
	Record  cluster.Status  `json:"record"`
	Journal journal.Stats   `json:"journal"`
	Voice   voice.Stats     `json:"voice"`
	Trunks  map[string]bool `json:"trunks,omitempty"` // registered
	Port    *mux.Stats      `json:"port,omitempty"`   // where nodes meet
	Files   shelf.Stats     `json:"files"`
	Link    *linkStatus     `json:"link,omitempty"` // floor and speech between nodes
}

// linkStatus is how floor and speech go to the other nodes.
type linkStatus struct {
	Arbiter live.Arbiter      `json:"arbiter"`
	Peers   []live.PeerStatus `json:"peers"`
	Strayed uint64            `json:"strayed"` // frames that could not be read, or not be brought on
}

// control answers operator commands on this machine.
type control struct {
	s        *server
	listener net.Listener
}

func (s *server) openControl(ctx context.Context) error {
	path := filepath.Join(s.cfg.Data, controlSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // left by a crash; the lock says that nobody else serves it
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return err
	}
	s.control = &control{s: s, listener: l}
	return os.Chmod(path, 0o600)
}

// Run answers until ctx ends: each connection says one line, and gets one answer.
func (c *control) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = c.listener.Close() })
	defer stop()
	for {
		conn, err := c.listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go c.answer(ctx, conn)
	}
}

// controlLimit is how long an operator's command may take: another node may have to be elected meanwhile.
const controlLimit = 30 * time.Second

// maxLine is the most octets of what an operator says.
const maxLine = 16 << 10

func (c *control) answer(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if conn.SetDeadline(time.Now().Add(controlLimit)) != nil {
		return
	}
	line, err := bufio.NewReader(io.LimitReader(conn, maxLine)).ReadString('\n')
	if err != nil {
		return
	}
	var answer any
	words := strings.Fields(line)
	if len(words) > 0 && words[0] == "backup" {
		if err := c.backup(ctx, conn, words); err != nil {
			c.s.log.InfoContext(ctx, "who asked for a backup has gone", "error", err)
		}
		return
	}
	if len(words) == 1 && words[0] == "status" {
		answer = c.status()
	} else {
		ctx, cancel := context.WithTimeout(ctx, controlLimit)
		defer cancel()
		answer = c.carryOut(ctx, words)
	}
	_ = json.NewEncoder(conn).Encode(answer) // an operator who has gone needs no answer
}

func (c *control) status() nodeStatus {
	s := c.s
	st := nodeStatus{Node: s.status(), Record: s.node.Status(), Journal: s.recorder.Stats(), Voice: s.voice.Stats(), Files: s.shelf.Stats()}
	for _, t := range s.cfg.Telephone.Trunks {
		if st.Trunks == nil {
			st.Trunks = make(map[string]bool)
		}
		st.Trunks[t.Name] = !t.Register || s.phones.TrunkRegistered(t.Name)
	}
	if s.port != nil {
		port := s.port.mux.Stats()
		st.Port = &port
		st.Link = &linkStatus{Arbiter: s.link.Arbiter(), Peers: s.link.Peers(), Strayed: s.link.Strayed()}
		if port.Newer != 0 {
			st.Record.Fault = fmt.Sprintf("fenced: the site went on without this node, as incarnation %s: guantong rejoin", state.IncarnationText(port.Newer))
		}
	}
	return st
}
