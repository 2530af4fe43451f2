package raftlog

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// sealAlg names how an entry is sealed; another algorithm (SM4-GCM) takes another number.
const sealAlg = 1 // AES-GCM, 12-octet random nonce

// ErrSealed reports an entry that cannot be opened: another key, or altered.
var ErrSealed = errors.New("raftlog: entry sealed by another key, or altered")

// sealed seals the data of entries on their way to the disk. What is bound in as well (index, term, type) cannot be
// exchanged between entries.
type sealed struct {
	raft.LogStore
	aead cipher.AEAD
}

// Seal puts a key (16, 24 or 32 octets of AES) before a LogStore.
func Seal(log raft.LogStore, key []byte) (raft.LogStore, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal log: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal log: %w", err)
	}
	return &sealed{LogStore: log, aead: aead}, nil
}

func bound(alg byte, l *raft.Log) []byte {
	out := []byte{alg, byte(l.Type)}
	out = binary.BigEndian.AppendUint64(out, l.Index)
	return binary.BigEndian.AppendUint64(out, l.Term)
}

func (s *sealed) seal(l *raft.Log) (*raft.Log, error) {
	copied := *l
	box := make([]byte, 1+s.aead.NonceSize(), 1+s.aead.NonceSize()+len(l.Data)+s.aead.Overhead())
	box[0] = sealAlg
	if _, err := rand.Read(box[1:]); err != nil {
		return nil, fmt.Errorf("seal entry: %w", err)
	}
	copied.Data = s.aead.Seal(box, box[1:], l.Data, bound(sealAlg, l))
	return &copied, nil
}

// StoreLog implements raft.LogStore.
func (s *sealed) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore.
func (s *sealed) StoreLogs(logs []*raft.Log) error {
	boxes := make([]*raft.Log, len(logs))
	for i, l := range logs {
		var err error
		if boxes[i], err = s.seal(l); err != nil {
			return err
		}
	}
	return s.LogStore.StoreLogs(boxes)
}

// GetLog implements raft.LogStore.
func (s *sealed) GetLog(index uint64, l *raft.Log) error {
	if err := s.LogStore.GetLog(index, l); err != nil {
		return err
	}
	nonce := s.aead.NonceSize()
	if l.Index != index || len(l.Data) < 1+nonce || l.Data[0] != sealAlg { // a damaged frame makes the write-ahead log count wrong
		return ErrSealed
	}
	data, err := s.aead.Open(nil, l.Data[1:1+nonce], l.Data[1+nonce:], bound(sealAlg, l))
	if err != nil {
		return ErrSealed
	}
	l.Data = data
	return nil
}

// IsMonotonic implements raft.MonotonicLogStore.
func (s *sealed) IsMonotonic() bool {
	m, ok := s.LogStore.(raft.MonotonicLogStore)
	return ok && m.IsMonotonic()
}
