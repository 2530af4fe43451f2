// Package command is the envelope of a replicated command and its codec.
//
// A command carries all that its application needs: time, IDs, random numbers. Its ID is the request ID under which it
// is applied once, and becomes the ID of the object that it makes. The encoding is deterministic CBOR (RFC 8949 §4.2.1).
//
// Pure; the payloads are declared beside their application in package state.
package command
