package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion/sealed"
)

// snapshots stands before the files in which Raft keeps its snapshots. It seals them, if there is a key; what goes to another
// node is opened before, as that one has a key of its own and the line is encrypted. And it lets no snapshot in or out that is
// not whole: what another node sends is checked to its end before it counts, what lies on the disk before it replaces the state.
type snapshots struct {
	raft.SnapshotStore
	key    []byte
	random io.Reader
}

// sealedSnapshot is the purpose of the sealed streams.
const sealedSnapshot = "raft snapshot"

// Create implements raft.SnapshotStore.
func (s snapshots) Create(version raft.SnapshotVersion, index, term uint64, conf raft.Configuration, confIndex uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	inner, err := s.SnapshotStore.Create(version, index, term, conf, confIndex, trans)
	if err != nil {
		return nil, err
	}
	sink := &snapSink{SnapshotSink: inner, out: inner}
	if len(s.key) > 0 {
		if sink.seal, err = sealed.NewWriter(inner, s.key, sealedSnapshot, s.random); err != nil {
			return nil, errors.Join(err, inner.Cancel())
		}
		sink.out = sink.seal
	}
	return sink, nil
}

// Open implements raft.SnapshotStore. The size that it tells is that of what is read.
func (s snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, body, err := s.open(id)
	if err != nil {
		return nil, nil, fmt.Errorf("snapshot %s: %w", id, err)
	}
	err = checkSnapshot(body, true)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, nil, fmt.Errorf("snapshot %s: %w", id, err)
	}
	return s.reopen(meta, id)
}

func (s snapshots) reopen(meta *raft.SnapshotMeta, id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	_, body, err := s.open(id)
	if err != nil {
		return nil, nil, fmt.Errorf("snapshot %s: %w", id, err)
	}
	return meta, body, nil
}

func (s snapshots) open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, body, err := s.SnapshotStore.Open(id)
	if err != nil || len(s.key) == 0 {
		return meta, body, err
	}
	plain := *meta
	r, err := sealed.NewReader(body, s.key, sealedSnapshot)
	if err == nil {
		plain.Size, err = sealed.PlainSize(meta.Size)
	}
	if err != nil {
		return nil, nil, errors.Join(err, body.Close())
	}
	return &plain, opened{r, body}, nil
}

// opened reads what is inside and closes what is outside.
type opened struct {
	io.Reader
	io.Closer
}

// snapSink seals what is written, and, when it comes from another node, checks it on its way.
type snapSink struct {
	raft.SnapshotSink
	out   io.Writer
	seal  *sealed.Writer
	own   bool // made here
	check *io.PipeWriter
	whole chan error
}

// Write implements io.Writer.
func (s *snapSink) Write(p []byte) (int, error) {
	if !s.own && s.check == nil {
		r, w := io.Pipe()
		s.check, s.whole = w, make(chan error, 1)
		go func() {
			err := checkSnapshot(r, false)
			_ = r.CloseWithError(err) // a writer is told why nothing more is taken
			s.whole <- err
		}()
	}
	if s.check != nil {
		if n, err := s.check.Write(p); err != nil {
			return n, err
		}
	}
	return s.out.Write(p)
}

// Close implements raft.SnapshotSink: the snapshot counts from here on, if it is whole.
func (s *snapSink) Close() error {
	var err error
	if s.check != nil {
		err = errors.Join(s.check.Close(), <-s.whole)
	} else if !s.own {
		err = errNoState
	}
	if s.seal != nil {
		err = errors.Join(err, s.seal.Close())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("snapshot %s is not taken: %w", s.ID(), err), s.SnapshotSink.Cancel())
	}
	return s.SnapshotSink.Close()
}

// Cancel implements raft.SnapshotSink.
func (s *snapSink) Cancel() error {
	if s.check != nil {
		_ = s.check.CloseWithError(io.ErrUnexpectedEOF)
		<-s.whole
		s.check = nil
	}
	return s.SnapshotSink.Cancel()
}

var errNoState = fmt.Errorf("%w: the snapshot holds no state", store.ErrDamaged)

// checkSnapshot reads a snapshot to its end. A mark, which holds no state, is good for the node that made it only.
func checkSnapshot(r io.Reader, own bool) error {
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.ReadString('\n')
	switch {
	case head == wholeState:
		err = store.Check(in)
	case head == markOnly && own:
		return nil
	case err == nil || errors.Is(err, io.EOF):
		err = errNoState
	}
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	return nil
}
