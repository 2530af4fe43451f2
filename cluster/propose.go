package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// enqueueTimeout is how long a proposal waits to get into Raft's queue.
const enqueueTimeout = 5 * time.Second

// NewID makes a request ID.
func (n *Node) NewID() (fusion.ID, error) {
	var id fusion.ID
	if _, err := io.ReadFull(n.cfg.Rand, id[:]); err != nil {
		return id, fmt.Errorf("make an ID: %w", err)
	}
	return id, nil
}

// Command makes a command stamped by this node's clock, under a new request ID when id is zero. Who retries keeps the command.
func (n *Node) Command(t command.Type, id fusion.ID, by string, payload any) (command.Command, error) {
	var err error
	if id.IsZero() {
		if id, err = n.NewID(); err != nil {
			return command.Command{}, err
		}
	}
	stamp, at := n.Stamp()
	return command.New(t, id, uint64(stamp), at, by, payload)
}

// Propose brings a command through the log into the state and waits for both. The result may be a refusal: see
// Result.Err. A command without stamp gets this node's. Errors are typed: CutOff no_leader (not proposed), CutOff
// outcome_unknown (it may yet apply: propose the same command again, it is applied once), Full disk_reserve, Busy,
// BadRequest, or Broken when the node cannot serve. When ctx ends first its error is returned and the outcome is unknown.
//
// With several nodes it goes to the leader, wherever that is, and waits Config.Hold for one. The files that it names are brought to a majority of the voters
// first: CutOff files_not_spread when that cannot be, and then it was not proposed.
func (n *Node) Propose(ctx context.Context, cmd command.Command) (state.Result, error) {
	data, err := n.prepare(&cmd)
	if err != nil {
		return state.Result{}, err
	}
	if err := n.spread(ctx, cmd); err != nil {
		return state.Result{}, err
	}
	if n.cfg.Peers == nil {
		return n.apply(ctx, data)
	}
	return n.route(ctx, data, n.cfg.Hold)
}

// ProposeHere proposes if this node leads: it is what other nodes ask.
func (n *Node) ProposeHere(ctx context.Context, cmd command.Command) (state.Result, error) {
	data, err := n.prepare(&cmd)
	if err != nil {
		return state.Result{}, err
	}
	return n.apply(ctx, data)
}

// apply brings an encoded command through this node's Raft.
func (n *Node) apply(ctx context.Context, data []byte) (state.Result, error) {
	select {
	case n.pending <- struct{}{}:
	default:
		return state.Result{}, fusion.E(fusion.Busy, "too_many_pending", "%d proposals are under way", cap(n.pending))
	}
	future := n.raft.Apply(data, enqueueTimeout)
	settled := make(chan struct{})
	go func() {
		defer func() { <-n.pending }()
		defer close(settled)
		_ = future.Error() // read again below
	}()
	select {
	case <-settled:
	case <-ctx.Done():
		return state.Result{}, fmt.Errorf("propose: %w", ctx.Err())
	}
	if err := future.Error(); err != nil {
		return state.Result{}, n.fault(err)
	}
	switch r := future.Response().(type) {
	case state.Result:
		return r, nil
	case error:
		return state.Result{}, fusion.E(fusion.Broken, "state_stopped", "%v", r)
	}
	return state.Result{}, fusion.E(fusion.Broken, "no_result", "the state gave no result")
}

// prepare checks what can be checked before the log and encodes the command.
func (n *Node) prepare(cmd *command.Command) ([]byte, error) {
	if err := n.serving(); err != nil {
		return nil, err
	}
	return n.encode(cmd)
}

// encode checks a command and gives it what it lacks.
func (n *Node) encode(cmd *command.Command) ([]byte, error) {
	if cmd.Version == 0 {
		cmd.Version = command.Version
	}
	if cmd.HLC == 0 || cmd.At == 0 {
		stamp, at := n.Stamp()
		def(&cmd.HLC, uint64(stamp))
		def(&cmd.At, at)
	}
	if err := n.machine.Check(*cmd); err != nil {
		if errors.Is(err, state.ErrUnknownCommand) {
			err = fusion.E(fusion.BadRequest, "unknown_field", "%v", err)
		}
		return nil, err
	}
	if since, is := n.machine.Since(*cmd), n.fsm.version.Load(); since > is {
		return nil, fusion.E(fusion.Busy, "not_all_upgraded", "it needs cluster version %d, the site is at %d: not every node knows it yet", since, is)
	}
	data, err := command.Encode(*cmd)
	if err != nil {
		return nil, fusion.E(fusion.BadRequest, "bad_command", "%v", err)
	}
	return data, n.guard.Check(2 * len(data))
}

// serving is nil while the node can take proposals.
func (n *Node) serving() error {
	select {
	case <-n.done:
		return fusion.E(fusion.Broken, "closed", "%v", ErrClosed)
	default:
	}
	if err := n.raftlog.Err(); err != nil {
		return fusion.E(fusion.Broken, "log_failed", "%v", err)
	}
	if n.fsm.outdated() {
		return fusion.E(fusion.CutOff, "outdated", "this node's program is older than its site: it has to be upgraded, until then it is an island: %v", n.fsm.failed())
	}
	if err := n.fsm.failed(); err != nil {
		return fusion.E(fusion.Broken, "state_stopped", "%v", err)
	}
	return nil
}

// fault sorts Raft's errors by who is at fault.
func (n *Node) fault(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fusion.E(fusion.CutOff, "no_leader", "this node does not lead: %v", err)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fusion.E(fusion.Busy, "log_busy", "%v", err)
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrAbortedByRestore):
		return fusion.E(fusion.CutOff, "outcome_unknown", "%v", err)
	case errors.Is(err, raft.ErrRaftShutdown):
		return fusion.E(fusion.Broken, "closed", "%v", err)
	}
	return fusion.E(fusion.Broken, "log_failed", "%v", err)
}
