package main

import (
	"context"
	"crypto/sha256"
	"io"
	"net"
	"time"

	"github.com/guantong-net/guantong/cluster/mux"
	"github.com/guantong-net/guantong/cluster/shelf"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/files"
	"github.com/guantong-net/guantong/fusion/journal"
	"github.com/guantong-net/guantong/fusion/state"
)

// newShelf makes this node's part of the site's files.
func (s *server) newShelf() *shelf.Keeper {
	c := shelf.Config{
		Node: s.cfg.Node, Store: s.files, Bursts: ownBursts{s}, Record: catalogue{s.node}, Peers: s.node.OtherNodes, Rate: int(s.cfg.Nodes.FilesRate), Now: time.Now, Log: s.log,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, fusion.E(fusion.CutOff, "no_node_port", "this node has no port for others")
		},
	}
	if s.port != nil {
		c.Dial = func(ctx context.Context, address, node string) (net.Conn, error) {
			return s.port.mux.Dial(ctx, address, node, mux.Files)
		}
	}
	return shelf.New(c)
}

func (s *server) serveFiles(ctx context.Context) error { return s.shelf.Serve(ctx, s.port.files) }

// catalogue is what the record says of files.
type catalogue struct{ records }

// EachFile implements shelf.Catalogue.
func (c catalogue) EachFile(visit func(string) error) error {
	return c.View(func(v *state.View) error { return v.EachFile(visit) })
}

// Worth implements shelf.Catalogue.
func (c catalogue) Worth(name string) (w shelf.Worth, there bool, err error) {
	err = c.View(func(v *state.View) error {
		keep, at, ok, err := v.FileWorth(name)
		w, there = shelf.Worth{Keep: keep, At: int64(at)}, ok
		return err
	})
	return w, there, err
}

// siteFiles gives the record the files, which are opened after it.
type siteFiles struct{ s *server }

// Spread implements cluster.Files.
func (f siteFiles) Spread(ctx context.Context, names []string, voters []shelf.Peer) error {
	if f.s.shelf == nil {
		return fusion.E(fusion.CutOff, "files_not_spread", "this node is starting")
	}
	return f.s.shelf.Spread(ctx, names, voters)
}

// Has implements cluster.Files.
func (f siteFiles) Has(name string) bool {
	if f.s.files == nil {
		return false
	}
	_, here := f.s.files.Has(name)
	return here
}

// library is every file of the site: on this node's disk, or read from another one that has it.
type library struct {
	*files.Store
	shelf *shelf.Keeper
}

func (s *server) library() library { return library{s.files, s.shelf} }

// Open implements api.Files.
func (l library) Open(ctx context.Context, name string) (io.ReadSeekCloser, error) {
	return l.shelf.Open(ctx, name)
}

// recordings gives the journal the library.
type recordings struct{ library }

// Open implements journal.Files.
func (r recordings) Open(name string) (journal.File, error) {
	return r.library.Open(context.Background(), name)
}

// followFiles has what the record comes to name fetched, if it is not here.
func (s *server) followFiles(ctx context.Context) error {
	for {
		last, ok := look(s.node, (*state.View).LastEvent)
		if !ok {
			last = 0
		}
		s.shelf.Survey()
		w := s.node.Watch(last)
		for {
			events, err := w.Next(ctx)
			if fusion.FaultOf(err) == fusion.Conflict && err != nil {
				break // some were not seen: what they name is found by comparing
			}
			if err != nil {
				return err
			}
			for _, e := range events {
				s.followFile(e)
			}
		}
	}
}

func (s *server) followFile(e state.Event) {
	switch x := e.Data.(type) {
	case state.Message:
		for _, a := range x.Attachments {
			s.shelf.Want(a.Hash, shelf.Worth{Keep: x.Keep, At: int64(x.At)})
		}
	case state.Burst:
		s.shelf.Want(x.File, shelf.Worth{Keep: x.Keep, At: int64(x.Start)})
	}
}

// ownBursts gives the shelf the recorder, which is opened after it.
type ownBursts struct{ s *server }

// Held implements shelf.Bursts.
func (o ownBursts) Held(id fusion.ID) shelf.Copy { return shelf.Copy(o.s.recorder.Held(id)) }

// otherRecorders gives the journal the other nodes.
type otherRecorders struct{ *shelf.Keeper }

// Copies implements journal.Site.
func (o otherRecorders) Copies(ctx context.Context, burst fusion.ID) map[string]journal.Held {
	out := make(map[string]journal.Held)
	for node, c := range o.Keeper.Copies(ctx, burst) {
		out[node] = journal.Held(c)
	}
	return out
}

// indexCopy commits the entry of another node's burst, of which this one has kept what it heard.
func (s *server) indexCopy(ctx context.Context, b state.Burst) error {
	sum := sha256.Sum256(append(b.ID[:], b.File...))
	return s.propose(ctx, command.BurstIndex, fusion.ID(sum[:16]), b)
}

func (s *server) burstEntry(id fusion.ID) (b state.Burst, there bool, err error) {
	err = s.node.View(func(v *state.View) (err error) {
		b, err = v.Burst(id)
		return err
	})
	if fusion.FaultOf(err) == fusion.NotFound && err != nil {
		return b, false, nil
	}
	return b, err == nil, err
}
