// Package files keeps the contents of attachments and recordings: each in a file that is named by its SHA-256, and
// uploads, and contents from other nodes, that may be interrupted and go on where they stopped.
//
// Invariants:
//   - What Append has answered for is on disk: data first, then the offset, each synced.
//   - A content file is whole: it appears by a rename of a synced file, and its directory is synced before anybody is told.
//   - What a power cut has made of a part of a content does not matter: it is held against the hash before it counts.
//   - A content has the hash and the length that its uploader promised, or it is refused and gone.
//   - Nothing is written that would take the disk below the reserve (Config.Room).
//
// It owns its directory. cmd, cluster/shelf, clients/api (through interfaces of its own) and tests import it.
package files
