// Package rival runs other programs that keep a record on several nodes, so that ours can be held against them in the same run on the same
// machine: etcd-server (Raft, one log for all) and nats-server with JetStream (Raft, one log for each stream), as Debian or
// anybody else installs them.
//
// Invariants:
//   - Every write that is acknowledged was synced on a majority, as ours is. etcd always does so; nats-server does from 2.10 on when it is told
//     (sync_interval: always). An older one (Debian 12 has 2.9) cannot be told: its folders get the attribute of synchronous updates
//     (chattr +S), so that each of its writes returns only when it is on the disk.
//   - TLS 1.3 between client and server and, where the program can, between servers; one connection to each node is shared by all writers, whose
//     requests do not wait for one another.
//   - Client protocols are written here from their public texts, as far as this needs them: NATS (PUB, SUB, MSG, JetStream's API subjects),
//     gRPC over HTTP/2 with two messages of etcd's.
//   - Everything is on loopback, and every process dies with the caller.
//
// Only cmd/guantong-drill and tests import it.
package rival
