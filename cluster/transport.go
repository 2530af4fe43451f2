package cluster

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/guantong-net/guantong/cluster/mux"
)

const (
	transportPool    = 4
	transportTimeout = 5 * time.Second
)

// NewTransport carries Raft over the node port. announce is where other nodes reach this one, as host:port.
func NewTransport(m *mux.Mux, nodeID, announce string, log *slog.Logger) raft.Transport {
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: stream{Listener: m.Listener(mux.Raft), mux: m, addr: serverAddress(nodeID, announce)},
		// At 2, the default, a follower whose write fails deadlocks the pipeline.
		MaxRPCsInFlight: 1,
		MaxPool:         transportPool, Timeout: transportTimeout, Logger: newHCLog(log),
	})
}

// serverAddress is a node's address as Raft keeps it: node-1@host:port. The ID in it makes sure that what is sent to a node
// reaches that node, also when addresses are given out anew.
func serverAddress(id, address string) raft.ServerAddress {
	return raft.ServerAddress(id + "@" + address)
}

// addressOf parts what serverAddress joined.
func addressOf(a raft.ServerAddress) (id, address string) {
	id, address, found := strings.Cut(string(a), "@")
	if !found {
		return "", string(a)
	}
	return id, address
}

// stream gives Raft its connections.
type stream struct {
	net.Listener
	mux  *mux.Mux
	addr raft.ServerAddress
}

// Dial implements raft.StreamLayer.
func (s stream) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	id, address := addressOf(to)
	return s.mux.Dial(ctx, address, id, mux.Raft)
}

// Addr implements net.Listener: what other nodes are told.
func (s stream) Addr() net.Addr { return streamAddr(s.addr) }

type streamAddr string

// Network implements net.Addr.
func (streamAddr) Network() string { return "guantong" }

func (a streamAddr) String() string { return string(a) }
