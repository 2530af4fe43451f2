package cluster

import (
	"io"

	"github.com/guantong-net/guantong/cluster/store"
	"github.com/guantong-net/guantong/fusion/state"
)

// Reading is the node's whole state as of one moment, and what its outbox holds. To hold it costs no lock.
type Reading struct {
	at      Point
	reading *store.Reading
	outbox  *store.Reading // nil: the node has none
}

// Reading begins one. The caller closes it.
func (n *Node) Reading() (*Reading, error) {
	r := &Reading{}
	if n.outbox != nil {
		r.outbox = n.outbox.store.Snapshot() // first: what is delivered meanwhile is in both, and applied once
	}
	r.reading = n.store.Snapshot()
	err := r.reading.View(func(tx *store.Tx) (err error) {
		r.at.Index, err = tx.MetaUint(metaApplied)
		return err
	})
	r.at.Term = n.raft.CurrentTerm() // not below the term of any entry that is applied
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close ends the Reading.
func (r *Reading) Close() {
	r.reading.Close()
	if r.outbox != nil {
		r.outbox.Close()
	}
}

// Point is the log's entry up to which the state holds everything.
func (r *Reading) Point() (index, term uint64) { return r.at.Index, r.at.Term }

// View answers queries.
func (r *Reading) View(f func(*state.View) error) error {
	return r.reading.View(func(tx *store.Tx) error { return f(state.NewView(tx)) })
}

// HeldFiles tells which files are named by what the outbox holds.
func (r *Reading) HeldFiles() (map[string]bool, error) {
	if r.outbox == nil {
		return map[string]bool{}, nil
	}
	return heldFiles(r.outbox.View)
}

// Hash is over every record: nodes that applied the same log up to the same Point have the same.
func (r *Reading) Hash() (sum []byte, err error) {
	err = r.reading.View(func(tx *store.Tx) error {
		sum, err = state.Hash(tx)
		return err
	})
	return sum, err
}

// Save writes the state, for Seed.
func (r *Reading) Save(w io.Writer) error { return r.reading.Save(w) }

// SaveOutbox writes the outbox, for SeedOutbox, and reports whether there is anything in it.
func (r *Reading) SaveOutbox(w io.Writer) (held bool, err error) {
	if r.outbox == nil {
		return false, nil
	}
	err = r.outbox.View(func(tx *store.Tx) error {
		return tx.Scan(nil, nil, false, func(_, _ []byte) (bool, error) {
			held = true
			return false, nil
		})
	})
	if err != nil || !held {
		return false, err
	}
	return true, r.outbox.Save(w)
}
