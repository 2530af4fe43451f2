package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"
)

// sumAlg names how an entry that is not sealed is checked; another algorithm takes another number.
const sumAlg = 2 // CRC-32C of index, term, type and data

const sumSize = 1 + 4

// ErrAltered reports an entry that is not what was written. The write-ahead log checks its last batch only, when it is opened: what
// rots further up it would give as if nothing were the matter.
var ErrAltered = errors.New("raftlog: entry altered on the disk")

// summed puts a checksum before the data of entries.
type summed struct{ raft.LogStore }

func checksum(l *raft.Log, data []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(bound(sumAlg, l), table), table, data)
}

// StoreLog implements raft.LogStore.
func (s summed) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore.
func (s summed) StoreLogs(logs []*raft.Log) error {
	out := make([]*raft.Log, len(logs))
	for i, l := range logs {
		copied := *l
		copied.Data = binary.BigEndian.AppendUint32(append(make([]byte, 0, sumSize+len(l.Data)), sumAlg), checksum(l, l.Data))
		copied.Data = append(copied.Data, l.Data...)
		out[i] = &copied
	}
	return s.LogStore.StoreLogs(out)
}

// GetLog implements raft.LogStore.
func (s summed) GetLog(index uint64, l *raft.Log) error {
	if err := s.LogStore.GetLog(index, l); err != nil {
		return err
	}
	if len(l.Data) > 0 && l.Data[0] == sealAlg {
		return ErrSealed
	}
	if l.Index != index || len(l.Data) < sumSize || l.Data[0] != sumAlg || binary.BigEndian.Uint32(l.Data[1:]) != checksum(l, l.Data[sumSize:]) {
		return fmt.Errorf("%w: %d", ErrAltered, index)
	}
	l.Data = l.Data[sumSize:]
	return nil
}

// IsMonotonic implements raft.MonotonicLogStore.
func (s summed) IsMonotonic() bool {
	m, ok := s.LogStore.(raft.MonotonicLogStore)
	return ok && m.IsMonotonic()
}
