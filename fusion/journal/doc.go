// Package journal keeps what was said: every burst is recorded as it came, indexed by group, talker and time, and can be
// replayed and exported.
//
// Opus is stored as Ogg Opus, other codecs in a framed container of ours that is converted on replay. A recording says by
// itself what it is (its header carries the burst's description), so that a node that lost its power in the middle of a burst
// finds it again: what was written is cut at the last sound page, marked as interrupted, and indexed.
//
// Bursts whose talker is at another node of the site are kept as copies, and indexed only when that node will not do it, or has less.
//
// Invariants: nothing here blocks the voice path, which only copies into memory; a file is synced before the command that
// names it is proposed; a finished recording stays in its own directory until its index entry is committed. When the disk is too
// slow, packets are dropped from the recording, counted, and the recording says so; speech is never held up.
//
// Package talk hands bursts in; clients read. It stores files by an interface (package files implements it).
package journal
