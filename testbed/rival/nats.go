package rival

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/guantong-net/guantong/testbed/peer"
)

// stream is the one stream of a bench: on the disks of all nodes.
const stream = "GUANTONG"

// NATS is a cluster of nats-server with one JetStream stream on all of its nodes.
type NATS struct {
	version string
	nodes   []*peer.Process
	conns   []*natsConn // in order of node
	order   []int       // the stream's leader first
}

// StartNATS starts a node in each place. program is a binary, or a name to look for.
func StartNATS(ctx, life context.Context, program string, p Places) (*NATS, error) {
	binary, err := look(program)
	if err != nil {
		return nil, err
	}
	said, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("rival: %s: %w", program, err)
	}
	n := &NATS{version: strings.TrimSpace(string(said))}
	told := syncs(n.version)
	if told {
		n.version += ", sync_interval: always"
	} else {
		n.version += ", its folders synchronous (chattr +S)"
		for _, data := range p.Data {
			if err := synchronous(data); err != nil {
				return nil, err
			}
		}
	}
	if err := n.start(ctx, life, binary, told, p); err != nil {
		n.Close()
		return nil, fmt.Errorf("rival: %s: %w%s", n.version, err, tails(n.nodes))
	}
	return n, nil
}

// syncs tells whether this version knows sync_interval: always, which came with 2.10.
func syncs(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version[strings.LastIndexByte(version, 'v')+1:], "%d.%d", &major, &minor)
	return err == nil && (major > 2 || major == 2 && minor >= 10)
}

func (n *NATS) start(ctx, life context.Context, binary string, told bool, p Places) error {
	id, err := newIdentity(p.Dir)
	if err != nil {
		return err
	}
	ports, err := peer.FreePorts(2 * len(p.Data))
	if err != nil {
		return err
	}
	client, route := ports[:len(p.Data)], ports[len(p.Data):]
	for i, data := range p.Data {
		file := filepath.Join(p.Dir, fmt.Sprintf("nats%d.conf", i))
		if err := os.WriteFile(file, []byte(natsConfig(i, data, client[i], route, told, id)), 0o600); err != nil {
			return err
		}
		process, err := peer.StartProcess(life, p.Dir, nil, binary, "-c", file)
		if err != nil {
			return err
		}
		n.nodes = append(n.nodes, process)
	}
	for i := range p.Data {
		err := retry(ctx, "connect", func(ctx context.Context) error {
			c, err := dialNATS(ctx, fmt.Sprintf("127.0.0.1:%d", client[i]), id.client())
			if err == nil {
				n.conns = append(n.conns, c)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return n.makeStream(ctx)
}

func natsConfig(i int, data string, port int, route []int, told bool, id *identity) string {
	tls := fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q }", id.cert, id.key, id.cert)
	sync := ""
	if told {
		sync = "sync_interval: always"
	}
	var routes []string
	for k, r := range route {
		if k != i {
			routes = append(routes, fmt.Sprintf("nats-route://127.0.0.1:%d", r))
		}
	}
	return fmt.Sprintf("server_name: node%d\nlisten: 127.0.0.1:%d\n%s\njetstream {\nstore_dir: %q\n%s\n}\ncluster {\nname: bench\nlisten: 127.0.0.1:%d\nroutes: [%s]\n%s\n}\n",
		i, port, tls, data, sync, route[i], strings.Join(routes, ", "), tls)
}

// makeStream makes the stream and finds the node that leads it.
func (n *NATS) makeStream(ctx context.Context) error {
	request, err := json.Marshal(map[string]any{"name": stream, "subjects": []string{"bench"}, "storage": "file", "retention": "limits", "num_replicas": len(n.nodes),
		"max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "discard": "old", "duplicate_window": 120_000_000_000})
	if err != nil {
		return err
	}
	type answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
		Cluster struct {
			Leader string `json:"leader"`
		} `json:"cluster"`
	}
	var got answer
	ask := func(subject string, body []byte) func(context.Context) error {
		return func(ctx context.Context) error {
			raw, err := n.conns[0].request(ctx, subject, body)
			if err != nil {
				return err
			}
			got = answer{}
			if err := json.Unmarshal(raw, &got); err != nil {
				return err
			}
			if got.Error != nil {
				return errors.New(got.Error.Description)
			}
			if got.Cluster.Leader == "" {
				return errors.New("no leader yet")
			}
			return nil
		}
	}
	if err := retry(ctx, "make the stream", ask("$JS.API.STREAM.CREATE."+stream, request)); err != nil {
		return err
	}
	if err := retry(ctx, "look at the stream", ask("$JS.API.STREAM.INFO."+stream, nil)); err != nil {
		return err
	}
	var leader int
	if _, err := fmt.Sscanf(got.Cluster.Leader, "node%d", &leader); err != nil || leader >= len(n.nodes) {
		return fmt.Errorf("leader %q", got.Cluster.Leader)
	}
	n.order = leaderFirst(len(n.nodes), leader)
	return nil
}

// Write implements Record: it publishes and waits for JetStream's acknowledgement.
func (n *NATS) Write(ctx context.Context, node int, value []byte) error {
	raw, err := n.conns[n.order[node%len(n.order)]].request(ctx, "bench", value)
	if err != nil {
		return err
	}
	var ack struct {
		Seq   uint64          `json:"seq"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(raw, &ack); err != nil || ack.Seq == 0 {
		return fmt.Errorf("rival: not acknowledged: %s: %w", raw, err)
	}
	return nil
}

// Nodes implements Record.
func (n *NATS) Nodes() []*peer.Process { return n.nodes }

// Version implements Record.
func (n *NATS) Version() string { return n.version }

// Close implements Record.
func (n *NATS) Close() {
	for _, c := range n.conns {
		c.close()
	}
	for _, p := range n.nodes {
		p.Kill()
	}
}
