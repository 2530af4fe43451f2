// Package shelf is the site's shelf of files: what the record names by hash (attachments, recordings) is on the disks of a majority of the voters before
// the command that names it is proposed, and on every node's in the end.
//
// Nodes ask one another what they have, push, and fetch by hash, in ranges, over connections of their own at the node port (mux.Files).
//
// Invariants:
//   - A content counts when it has been held against its hash, is synced, and has its name. What broke off goes on where it stopped.
//   - Spread returns nil only when a majority of the voters, each by its own word, has the content on its disk, and will not prune it for two days.
//   - What is sent is bounded in rate, what is fetched in the background more so: the record's log and speech come first.
//   - Frames, lists, connections and waits are bounded; a peer that lies costs its answer, never a content.
//
// It knows no Raft and no TLS: it is given connections, and who votes. Imported by cluster and cmd.
package shelf
