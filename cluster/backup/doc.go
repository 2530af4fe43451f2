// Package backup writes a site's record and files into a directory while the site serves, and reads them back.
//
// A backup is a directory of objects, each named by the hash of what it holds, and a manifest that lists them. The manifest is
// written last and put in place by a rename, so a directory holds a whole backup or none: the one before. Objects that are there
// already are not written again, so an interrupted backup goes on where it stopped, and the next one to the same directory takes
// what is new only.
//
// Invariants: every object is synced before the manifest names it; every octet is held against its hash before it is given to
// whoever restores, and what does not fit is named; with a key all is sealed, the manifest and the names too.
//
// It knows no Raft: what is saved and where it goes are interfaces. Imported by cmd.
package backup
