// Package console carries the dispatcher's page (built by npm from the sources in this folder) inside the binary.
//
// Invariants: the package builds without Node, because dist/README is always there; Files reports whether the page was
// built, so that nobody is served an empty one. It holds no state and does no I/O outside the embedded files.
//
// It may be imported by clients/api and cmd; it imports the standard library only.
package console
