package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

const (
	holdAfter  = 2 * time.Second // without a leader: then a message is held
	drainEvery = 200 * time.Millisecond
	maxHeld    = 100_000
	outboxDir  = "outbox"
)

// outbox keeps what was accepted here without a quorum, on the disk, in the order of the clock.
type outbox struct {
	store   *store.Store
	held    atomic.Int64
	refused atomic.Uint64
}

// holdable names the commands that are accepted without a quorum: those that only add something, which is the same whenever
// it comes. Definitions and rights are not.
func holdable(t command.Type) bool {
	switch t {
	case command.MessagePost, command.ReceiptAdd, command.AlertRaise, command.BurstIndex, command.CallLog, command.FileStored:
		return true
	}
	return false
}

// openOutbox opens what an earlier run may have left.
func (n *Node) openOutbox() error {
	s, err := store.Open(store.Options{Dir: filepath.Join(n.cfg.Dir, outboxDir), Key: n.cfg.Key, SyncWrites: true, Guard: n.guard, Logger: n.log})
	if err != nil {
		return fmt.Errorf("open outbox: %w", err)
	}
	n.outbox = &outbox{store: s}
	return s.View(func(tx *store.Tx) error {
		return tx.Scan(nil, nil, false, func(_, _ []byte) (bool, error) {
			n.outbox.held.Add(1)
			return true, nil
		})
	})
}

// hasOutbox tells whether the node may hold, or still holds from when it had others.
func (n *Node) hasOutbox() bool {
	_, err := os.Stat(filepath.Join(n.cfg.Dir, outboxDir))
	return n.cfg.Peers != nil || err == nil
}

// ProposeOrHold proposes like Propose. Without a quorum it keeps what only adds something (messages, receipts, alerts, bursts, calls, files)
// in this node's outbox, on its disk, and reports held: accepted here, not yet replicated. It is proposed by itself when
// there is a leader again, under the same request ID, and so applied once.
func (n *Node) ProposeOrHold(ctx context.Context, cmd command.Command) (res state.Result, held bool, err error) {
	if n.outbox == nil || !holdable(cmd.Type) {
		res, err = n.Propose(ctx, cmd)
		return res, false, err
	}
	if n.fsm.outdated() {
		return res, true, n.holdOutdated(cmd)
	}
	data, err := n.prepare(&cmd)
	if err != nil {
		return res, false, err
	}
	if err = n.spread(ctx, cmd); err == nil {
		res, err = n.route(ctx, data, holdAfter)
	}
	if fusion.FaultOf(err) != fusion.CutOff || err == nil {
		return res, false, err
	}
	if err := n.local(cmd); err != nil {
		return state.Result{}, false, err
	}
	if err := n.hold(cmd, data); err != nil {
		return state.Result{}, false, err
	}
	return state.Result{}, true, nil
}

// holdOutdated holds a command that the site would take, of a node that cannot follow it until it is upgraded.
func (n *Node) holdOutdated(cmd command.Command) error {
	data, err := n.encode(&cmd)
	if err != nil {
		return err
	}
	if err := n.local(cmd); err != nil {
		return err
	}
	return n.hold(cmd, data)
}

func outboxKey(cmd command.Command) []byte {
	return append(binary.BigEndian.AppendUint64(nil, cmd.HLC), cmd.ID[:]...)
}

func (n *Node) hold(cmd command.Command, data []byte) error {
	if n.outbox.held.Load() >= maxHeld {
		return fusion.E(fusion.Full, "outbox_full", "%d commands are held already", maxHeld)
	}
	key, fresh := outboxKey(cmd), false
	err := n.outbox.store.Update(func(tx *store.Tx) error {
		old, err := tx.Get(key)
		fresh = old == nil
		return errors.Join(err, tx.Set(key, data))
	})
	if err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	if fresh {
		n.outbox.held.Add(1)
	}
	return nil
}

// Held counts what is in this node's outbox.
func (n *Node) Held() int {
	if n.outbox == nil {
		return 0
	}
	return int(n.outbox.held.Load())
}

// drainOutbox proposes what is held, in the order of the clock, whenever there is a leader.
func (n *Node) drainOutbox(ctx context.Context) {
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.done:
			return
		case <-ticker.C:
		}
		if n.Held() == 0 || n.Leader() == "" || n.fsm.outdated() {
			continue
		}
		if err := n.drainOnce(ctx); err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "the outbox waits", "held", n.Held(), "error", err)
		}
	}
}

// drainOnce goes through what is held. What waits for its files, because too few disks are to be had for them, does not hold up the rest: everything that is held
// only adds something.
func (n *Node) drainOnce(ctx context.Context) error {
	var after []byte
	var waits error
	for {
		key, data, err := n.outbox.next(after)
		if err != nil || key == nil {
			return errors.Join(err, waits)
		}
		if err := n.deliver(ctx, data); errors.Is(err, errFilesWait) {
			after, waits = append(key, 0), err
			continue
		} else if err != nil {
			return err
		}
		if err := n.outbox.store.Update(func(tx *store.Tx) error { return tx.Delete(key) }); err != nil {
			return err
		}
		n.outbox.held.Add(-1)
	}
}

// next gives the oldest that is held from a key on, nil when there is none.
func (o *outbox) next(from []byte) (key, data []byte, err error) {
	err = o.store.View(func(tx *store.Tx) error {
		return tx.Scan(nil, from, false, func(k, v []byte) (bool, error) {
			key, data = append([]byte(nil), k...), append([]byte(nil), v...)
			return false, nil
		})
	})
	return key, data, err
}

// errFilesWait says that the files of a command are not on enough disks yet.
var errFilesWait = errors.New("cluster: its files are not on enough disks")

// ProposeSaved proposes what was accepted once, by an outbox or before a recovery: its files, when they are on no disk any more, do not keep it back. It is worth more
// than nothing.
func (n *Node) ProposeSaved(ctx context.Context, cmd command.Command) (state.Result, error) {
	data, err := n.prepare(&cmd)
	if err != nil {
		return state.Result{}, err
	}
	if err := n.spreadSaved(ctx, cmd); err != nil {
		return state.Result{}, err
	}
	if n.cfg.Peers == nil {
		return n.apply(ctx, data)
	}
	return n.route(ctx, data, n.cfg.Hold)
}

func (n *Node) spreadSaved(ctx context.Context, cmd command.Command) error {
	err := n.spread(ctx, cmd)
	if err != nil && fusion.FaultOf(err) == fusion.NotFound {
		n.log.ErrorContext(ctx, "what was accepted before names a file that is on no disk any more", "id", cmd.ID.String(), "error", err)
		return nil
	}
	return err
}

// deliverFiles brings the files of a held command to a majority.
func (n *Node) deliverFiles(ctx context.Context, data []byte) error {
	cmd, err := command.Decode(data)
	if err != nil {
		return nil // deliver says so
	}
	if err := n.spreadSaved(ctx, cmd); err != nil {
		return fmt.Errorf("%w: %w", errFilesWait, err)
	}
	return nil
}

// deliver proposes one command. The state's refusal is its answer: it is audited, so that nothing that was accepted ends unseen.
func (n *Node) deliver(ctx context.Context, data []byte) error {
	if err := n.deliverFiles(ctx, data); err != nil {
		return err
	}
	res, err := n.route(ctx, data, n.cfg.Hold)
	if f := fusion.FaultOf(err); err != nil && f != fusion.BadRequest && f != fusion.NotAllowed && f != fusion.Conflict {
		return err
	}
	if err == nil {
		err = res.Err()
	}
	if err == nil {
		return nil
	}
	n.outbox.refused.Add(1)
	cmd, bad := command.Decode(data)
	n.log.ErrorContext(ctx, "what was held here was refused by the site", "id", cmd.ID.String(), "by", cmd.By, "error", errors.Join(err, bad))
	return n.proposeOwn(ctx, command.AuditAdd, state.Audit{
		By: cmd.By, Action: "outbox.refused", Target: cmd.ID.String(), Result: fusion.ReasonOf(err), From: n.cfg.NodeID, Detail: fmt.Sprintf("type %d", cmd.Type),
	})
}
