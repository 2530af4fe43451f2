// Package sealed writes and reads streams that are useless without their key: snapshots and backups at rest.
//
// A sealed stream names its algorithm in its first line; a salt of 32 octets follows, from which, the key and the purpose the
// stream's own key is derived (HKDF-SHA256, RFC 5869). Then come chunks of 64 KiB, each AES-256-GCM with its number in the nonce,
// and in the last one's that it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway, Vizár, 2015).
//
// Invariants: nothing is given out that was not authentic; a chunk altered, moved, repeated or taken from another stream, and a
// stream that is cut, are errors. Any package may import it.
package sealed
