// Package ogg writes and reads Ogg Opus (RFC 3533, RFC 7845), as far as speech recordings need it: one logical
// stream, mono, pages of about a second, losses kept as empty frames so that time stays true.
//
// The reader is for our own recordings after a crash and for files from outside: it trusts nothing, and a page whose
// checksum does not fit ends the stream. Package journal uses it; tests and the drill do too.
package ogg
