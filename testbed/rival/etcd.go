package rival

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"

	"github.com/guantong-net/guantong/testbed/peer"
)

// Etcd is a cluster of etcd-server.
type Etcd struct {
	version string
	nodes   []*peer.Process
	clients []*grpc // in order of node
	order   []int   // the leader first
	keys    atomic.Uint64
}

// StartEtcd starts a node in each place. program is a binary, or a name to look for.
func StartEtcd(ctx, life context.Context, program string, p Places) (*Etcd, error) {
	binary, err := look(program)
	if err != nil {
		return nil, err
	}
	said, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("rival: %s: %w", program, err)
	}
	version, _, _ := strings.Cut(string(said), "\n")
	e := &Etcd{version: strings.ToLower(version)}
	if err := e.start(ctx, life, binary, p); err != nil {
		e.Close()
		return nil, fmt.Errorf("rival: %s: %w%s", e.version, err, tails(e.nodes))
	}
	return e, nil
}

func (e *Etcd) start(ctx, life context.Context, binary string, p Places) error {
	id, err := newIdentity(p.Dir)
	if err != nil {
		return err
	}
	ports, err := peer.FreePorts(2 * len(p.Data))
	if err != nil {
		return err
	}
	url := func(k int) string { return fmt.Sprintf("https://127.0.0.1:%d", ports[k]) }
	var all []string
	for i := range p.Data {
		all = append(all, fmt.Sprintf("node%d=%s", i, url(len(p.Data)+i)))
	}
	for i, data := range p.Data {
		peers := url(len(p.Data) + i)
		process, err := peer.StartProcess(life, p.Dir, nil, binary, "--name", fmt.Sprintf("node%d", i), "--data-dir", data+"/etcd",
			"--listen-client-urls", url(i), "--advertise-client-urls", url(i), "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
			"--initial-cluster", strings.Join(all, ","), "--initial-cluster-state", "new", "--log-level", "error", "--logger", "zap",
			"--cert-file", id.cert, "--key-file", id.key, "--peer-cert-file", id.cert, "--peer-key-file", id.key, "--peer-trusted-ca-file", id.cert, "--peer-client-cert-auth")
		if err != nil {
			return err
		}
		e.nodes = append(e.nodes, process)
		t := &http.Transport{TLSClientConfig: id.client(), ForceAttemptHTTP2: true}
		e.clients = append(e.clients, &grpc{base: url(i), http: &http.Client{Transport: t}})
	}
	for i := range p.Data {
		if err := retry(ctx, "write", func(ctx context.Context) error { return e.put(ctx, i, []byte("ready")) }); err != nil {
			return err
		}
	}
	return e.findLeader(ctx)
}

// findLeader asks every node who it is and who leads: StatusResponse{header: 1 {member_id: 2}, leader: 4}.
func (e *Etcd) findLeader(ctx context.Context) error {
	for i, c := range e.clients {
		raw, err := c.call(ctx, "/etcdserverpb.Maintenance/Status", nil)
		if err != nil {
			return err
		}
		header, _ := protoField(raw, 1)
		_, self := protoField(header, 2)
		if _, leader := protoField(raw, 4); leader != 0 && leader == self {
			e.order = leaderFirst(len(e.nodes), i)
			return nil
		}
	}
	return fmt.Errorf("no node says that it leads")
}

// put writes PutRequest{key: 1, value: 2}, each under a key of its own.
func (e *Etcd) put(ctx context.Context, node int, value []byte) error {
	key := binary.BigEndian.AppendUint64([]byte("bench/"), e.keys.Add(1))
	request := protoBytes(protoBytes(make([]byte, 0, len(key)+len(value)+8), 1, key), 2, value)
	_, err := e.clients[node].call(ctx, "/etcdserverpb.KV/Put", request)
	return err
}

// Write implements Record.
func (e *Etcd) Write(ctx context.Context, node int, value []byte) error {
	return e.put(ctx, e.order[node%len(e.order)], value)
}

// Nodes implements Record.
func (e *Etcd) Nodes() []*peer.Process { return e.nodes }

// Version implements Record.
func (e *Etcd) Version() string { return e.version + ", which always syncs" }

// Close implements Record.
func (e *Etcd) Close() {
	for _, c := range e.clients {
		c.http.CloseIdleConnections()
	}
	for _, p := range e.nodes {
		p.Kill()
	}
}
