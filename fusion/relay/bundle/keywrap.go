package bundle

import (
	"bytes"
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// wrapIV is the initial value of AES key wrap (RFC 3394 §2.2.3.1).
const wrapIV = "\xa6\xa6\xa6\xa6\xa6\xa6\xa6\xa6"

// maxWrapped bounds the keys that are wrapped or unwrapped, in octets.
const maxWrapped = 64

// WrapKey wraps a key of 16 to 64 octets, a multiple of 8, with a key-encryption key of 16, 24 or 32 (RFC 3394 §2.2.1).
func WrapKey(kek, key []byte) ([]byte, error) {
	c, err := aes.NewCipher(kek)
	if err != nil || len(key) < 16 || len(key)%8 != 0 || len(key) > maxWrapped {
		return nil, refuse(ErrKey, "wrap %d octets with %d", len(key), len(kek))
	}
	out := append([]byte(wrapIV), key...)
	n := len(key) / 8
	var b [16]byte
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(b[:8], out[:8])
			copy(b[8:], out[8*i:8*i+8])
			c.Encrypt(b[:], b[:])
			binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(b[:])^uint64(n*j+i))
			copy(out[8*i:], b[8:])
		}
	}
	return out, nil
}

// UnwrapKey undoes WrapKey (RFC 3394 §2.2.2). ErrForged: it was not wrapped with this key-encryption key.
func UnwrapKey(kek, wrapped []byte) ([]byte, error) {
	c, err := aes.NewCipher(kek)
	if err != nil {
		return nil, refuse(ErrKey, "unwrap with %d octets", len(kek))
	}
	if len(wrapped) < 24 || len(wrapped)%8 != 0 || len(wrapped) > maxWrapped+8 {
		return nil, refuse(ErrSecurity, "a wrapped key of %d octets", len(wrapped))
	}
	out := bytes.Clone(wrapped)
	n := len(out)/8 - 1
	var b [16]byte
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(out)^uint64(n*j+i))
			copy(b[8:], out[8*i:8*i+8])
			c.Decrypt(b[:], b[:])
			copy(out[:8], b[:8])
			copy(out[8*i:], b[8:])
		}
	}
	if subtle.ConstantTimeCompare(out[:8], []byte(wrapIV)) != 1 {
		return nil, refuse(ErrForged, "a wrapped key")
	}
	return out[8:], nil
}
