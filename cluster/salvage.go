package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// Salvage is what the disk of a fenced node holds that its site may lack, since the site went on without it.
type Salvage struct {
	First, Last uint64 // entries of its log; 0: none
	Commands    int    // that were given, those of batches one by one
	Skipped     []command.Command
	Held        int // of Commands: what its outbox held
	// Lost are the entries that its log no longer holds, though its state has applied them: they cannot be proposed again. 0: none.
	LostFrom, LostTo uint64
}

// maxSkipped bounds what is remembered of definitions that are not proposed again.
const maxSkipped = 10_000

// lasting tells whether a command of a node that was fenced is proposed again: what only adds something, which is the same whenever it
// comes. Definitions and rights were made on a state that is no longer the site's: people are told of them.
func lasting(t command.Type) bool {
	switch t {
	case command.AlertAck, command.AlertClear, command.FileStored, command.ObjectKeep, command.AuditAdd:
		return true
	}
	return holdable(t)
}

// housekeeping names the commands that a site makes by itself, of which nobody needs to be told.
func housekeeping(t command.Type) bool {
	switch t {
	case command.Expire, command.EventsTrim, command.NodeSet, command.NodeWish, command.TokenAdd, command.TokenUse, command.SiteSet,
		command.SiteRecover, command.VersionRaise, command.AlertEscalate:
		return true
	}
	return false
}

// ReadSalvage reads the directory of a node that is fenced and not open, and gives, in their order, the commands that are to be proposed
// again: those behind the point at which its site went on, and then those that it held. When its log does not agree with the site's at that
// point, all that it holds are given: what the site has already is applied no second time.
func ReadSalvage(ctx context.Context, cfg Config, after Point, each func(command.Command) error) (Salvage, error) {
	var s Salvage
	n, closeAll, err := openStill(cfg)
	if err != nil {
		return s, fmt.Errorf("salvage: %w", err)
	}
	err = n.salvage(ctx, after, &s, each)
	if err := errors.Join(err, closeAll()); err != nil {
		return s, fmt.Errorf("salvage: %w", err)
	}
	if err := salvageOutbox(cfg, &s, each); err != nil {
		return s, fmt.Errorf("salvage the outbox: %w", err)
	}
	return s, nil
}

func (n *Node) salvage(ctx context.Context, after Point, s *Salvage, each func(command.Command) error) (err error) {
	if s.First, err = n.raftlog.FirstIndex(); err != nil {
		return err
	}
	if s.Last, err = n.raftlog.LastIndex(); err != nil {
		return err
	}
	from := s.First
	if n.agrees(after, s) {
		from = after.Index + 1
	}
	applied := n.fsm.Applied()
	if known := max(applied, s.Last); s.First > after.Index+1 || s.Last == 0 && known > after.Index {
		s.LostFrom, s.LostTo = after.Index+1, s.First-1
		if s.Last == 0 {
			s.LostTo = known
		}
	}
	for i := from; i != 0 && i <= s.Last; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		var entry raft.Log
		if err := n.raftlog.GetLog(i, &entry); err != nil {
			return fmt.Errorf("log entry %d: %w", i, err)
		}
		if entry.Type != raft.LogCommand {
			continue
		}
		cmd, err := command.Decode(entry.Data)
		if err != nil {
			return fmt.Errorf("log entry %d: %w", i, err)
		}
		if err := s.take(cmd, each); err != nil {
			return err
		}
	}
	return nil
}

// agrees tells whether the log holds the same entry at a point, and so all the same before it.
func (n *Node) agrees(at Point, s *Salvage) bool {
	if at.Index < s.First || at.Index > s.Last {
		return false
	}
	var entry raft.Log
	return n.raftlog.GetLog(at.Index, &entry) == nil && entry.Term == at.Term
}

func (s *Salvage) take(cmd command.Command, each func(command.Command) error) error {
	switch {
	case cmd.Type == command.Batch:
		var b state.BatchChange
		if err := command.Unmarshal(cmd.Payload, &b); err != nil {
			return fmt.Errorf("batch %s: %w", cmd.ID, err)
		}
		for _, inner := range b.Commands {
			if inner.Type == command.Batch {
				continue // never applied
			}
			if err := s.take(inner, each); err != nil {
				return err
			}
		}
		return nil
	case lasting(cmd.Type):
		s.Commands++
		return each(cmd)
	case !housekeeping(cmd.Type) && len(s.Skipped) < maxSkipped:
		cmd.Payload = nil
		s.Skipped = append(s.Skipped, cmd)
	}
	return nil
}

func salvageOutbox(cfg Config, s *Salvage, each func(command.Command) error) error {
	dir := filepath.Join(cfg.Dir, outboxDir)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	box, err := store.Open(store.Options{Dir: dir, Key: cfg.Key, SyncWrites: true, Logger: cfg.Logger})
	if err != nil {
		return err
	}
	err = box.View(func(tx *store.Tx) error {
		return tx.Scan(nil, nil, false, func(_, data []byte) (bool, error) {
			cmd, err := command.Decode(data)
			if err != nil {
				return false, err
			}
			s.Commands++
			s.Held++
			return true, each(cmd)
		})
	})
	return errors.Join(err, box.Close())
}
