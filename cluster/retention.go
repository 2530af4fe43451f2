package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

// trust is how far the wall clock may be ahead of the last event for retention to believe it at once. Beyond that the node
// may have been off for long, or its clock may be wrong, which would take everything away: it waits a day for
// somebody to notice.
const trust = 7 * day

var errClockJump = errors.New("cluster: the clock is far ahead of the last event; retention waits a day")

// retain proposes what lifetimes and retention ask for, when this node leads.
func (n *Node) retain(ctx context.Context) error {
	if !n.Leads() {
		return nil
	}
	now := n.cfg.Now()
	if err := n.trustClock(now); err != nil {
		return err
	}
	change := state.ExpireChange{
		Now:        state.Millis(now.UnixMilli()),
		Messages:   state.Millis(now.Add(-n.cfg.Retention.Messages).UnixMilli()),
		Recordings: state.Millis(now.Add(-n.cfg.Retention.Recordings).UnixMilli()),
		Audit:      state.Millis(now.Add(-n.cfg.Retention.Audit).UnixMilli()),
	}
	var due bool
	var trim uint64
	err := n.View(func(v *state.View) error {
		var err error
		if due, err = v.ExpireDue(change); err != nil {
			return err
		}
		trim, err = n.trimTo(v)
		return err
	})
	if err != nil {
		return err
	}
	if due {
		err = n.proposeOwn(ctx, command.Expire, change)
	}
	if err == nil && trim > 0 {
		err = n.proposeOwn(ctx, command.EventsTrim, state.SeqKey{Seq: trim})
	}
	return err
}

func (n *Node) trustClock(now time.Time) error {
	var last state.Millis
	err := n.View(func(v *state.View) error {
		seq, err := v.LastEvent()
		if err == nil {
			last, err = v.EventTime(seq)
		}
		return err
	})
	if err != nil || last == 0 {
		return err
	}
	if now.UnixMilli()-int64(last) > trust.Milliseconds() && now.Sub(n.started) < day {
		return errClockJump
	}
	return nil
}

// trimTo tells up to which event to forget, 0 for none. It waits until a tenth more than what stays has gathered.
func (n *Node) trimTo(v *state.View) (uint64, error) {
	last, err := v.LastEvent()
	if err != nil {
		return 0, err
	}
	trimmed, err := v.Trimmed()
	keep := uint64(n.cfg.Retention.Events)
	if err != nil || last-trimmed <= keep+keep/10 {
		return 0, err
	}
	return last - keep, nil
}

func (n *Node) proposeOwn(ctx context.Context, t command.Type, payload any) error {
	cmd, err := n.Command(t, fusion.ID{}, "system", payload)
	if err != nil {
		return err
	}
	res, err := n.Propose(ctx, cmd)
	if err != nil {
		return err
	}
	return res.Err()
}
