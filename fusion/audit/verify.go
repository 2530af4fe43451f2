package audit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/guantong-net/guantong/fusion/state"
)

// ErrBroken is what Verify wraps: the chain was tampered with or damaged.
var ErrBroken = errors.New("audit: the chain is broken")

// TrimAction is the action of the entry that says which older entries retention took away.
const TrimAction = "audit.trim"

// Head is a checkpoint: the last entry's place and hash at some moment.
type Head struct {
	Seq  uint64
	Hash []byte
}

// Verify checks a whole chain, the oldest entry first, and gives its head. The error names the first bad entry and what
// is wrong with it.
func Verify(entries iter.Seq2[state.Audit, error]) (Head, error) {
	v := verifier{}
	for a, err := range entries {
		if err != nil {
			return v.head, fmt.Errorf("audit: after entry %d: %w", v.head.Seq, err)
		}
		if err := v.next(a); err != nil {
			return v.head, fmt.Errorf("%w at entry %d: %w", ErrBroken, a.Seq, err)
		}
	}
	if v.owed.Seq != 0 {
		return v.head, fmt.Errorf("%w at entry %d: no entry says that the %d before it were taken by retention", ErrBroken, v.owed.Seq+1, v.owed.Seq)
	}
	return v.head, nil
}

// VerifyTo checks a chain as Verify does, and that it goes at least to a checkpoint and through it.
func VerifyTo(entries iter.Seq2[state.Audit, error], checkpoint Head) (Head, error) {
	passed := checkpoint.Seq == 0
	head, err := Verify(func(yield func(state.Audit, error) bool) {
		for a, err := range entries {
			if err == nil && a.Seq == checkpoint.Seq {
				passed = bytes.Equal(a.Hash, checkpoint.Hash)
			}
			if !yield(a, err) {
				return
			}
		}
	})
	if err == nil && !passed {
		err = fmt.Errorf("%w at entry %d: the checkpoint is not in it", ErrBroken, checkpoint.Seq)
	}
	return head, err
}

type verifier struct {
	begun bool
	head  Head
	owed  Head // the last entry that retention took, as the first one here says; settled by an entry of TrimAction
}

func (v *verifier) next(a state.Audit) error {
	if !v.begun {
		v.begun = true
		v.head = Head{Seq: a.Seq - 1, Hash: a.Prev}
		v.owed = v.head
	}
	switch {
	case a.Seq == 0 || a.Seq != v.head.Seq+1:
		return fmt.Errorf("it follows entry %d", v.head.Seq)
	case a.Seq == 1 && len(a.Prev) > 0:
		return errors.New("the first entry names one before it")
	case !bytes.Equal(a.Prev, v.head.Hash):
		return errors.New("it does not carry the hash of the entry before")
	case a.Alg != state.AuditAlg:
		return fmt.Errorf("unknown algorithm %q", a.Alg)
	}
	digest, err := a.Digest()
	if err != nil {
		return err
	}
	if !bytes.Equal(digest, a.Hash) {
		return errors.New("its content does not match its hash")
	}
	v.head = Head{Seq: a.Seq, Hash: a.Hash}
	if a.Action == TrimAction && a.Target == strconv.FormatUint(v.owed.Seq, 10) && a.Detail == hex.EncodeToString(v.owed.Hash) {
		v.owed = Head{}
	}
	return nil
}
