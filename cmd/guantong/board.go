package main

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/cluster/floating"
	"github.com/guantong-net/guantong/cluster/live"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/board"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/transports/telephone"
)

// siteBoard is what the nodes of the site tell one another of themselves.
type siteBoard struct {
	s     *server
	facts *board.Table[nodeFacts]

	phones *board.Table[[]telephone.Contact]
	leave  map[fusion.Number]func() // presence of telephones here; guarded by the registrar, which tells one thing at a time
}

// nodeFacts is how a node is, as it tells the others.
type nodeFacts struct {
	Status    wire.Status `json:"status"`
	Committed uint64      `json:"committed"`
	Applied   uint64      `json:"applied"`
	Held      int         `json:"held,omitempty"`
	Fault     string      `json:"fault,omitempty"`
}

const (
	factsKey   = "node"
	factsEvery = time.Second
	behindBy   = 1000 // log entries
	// retold is how often where clients reach this node is told again while the record does not take it.
	retold = 5 * time.Second
)

// topics opens the topics of the link to the other nodes; without one, of a node alone.
func (s *server) topics() board.Open {
	if s.link == nil {
		return board.Alone
	}
	return func(name string, h board.Handler) board.Topic { return s.link.Topic(name, h) }
}

// openBoard has the nodes tell one another who is there, and how they are.
func (s *server) openBoard(context.Context) error {
	board.SharePresence(s.presence, s.topics(), s.log)
	s.told = &siteBoard{s: s, facts: board.NewTable[nodeFacts](board.TableConfig{Open: s.topics(), Name: "nodes", Grace: time.Minute, Limit: 4, Log: s.log}), leave: make(map[fusion.Number]func())}
	// A telephone outlives the node where it registered: it can be called from here until its registration is over.
	s.told.phones = board.NewTable[[]telephone.Contact](board.TableConfig{Open: s.topics(), Name: "telephones", Grace: registrationMost, Log: s.log})
	return nil
}

// registrationMost is the longest registration of a telephone.
const registrationMost = time.Hour

// registered tells the other nodes where a telephone is, and everybody that it is there.
func (b *siteBoard) registered(unit fusion.Number, contacts []telephone.Contact) {
	if len(contacts) == 0 {
		b.phones.Drop(unit.String())
		if leave := b.leave[unit]; leave != nil {
			leave()
			delete(b.leave, unit)
		}
		return
	}
	b.phones.Set(unit.String(), contacts)
	if b.leave[unit] == nil {
		b.leave[unit] = b.s.presence.Enter(unit, "phone")
	}
}

// elsewhere is where a telephone is registered at other nodes.
func (b *siteBoard) elsewhere(unit fusion.Number) (list []telephone.Contact) {
	b.phones.Each(unit.String(), func(_ string, contacts []telephone.Contact, _ bool) { list = append(list, contacts...) })
	return list
}

// Run tells the others how this node is, and the record where clients reach it.
func (b *siteBoard) Run(ctx context.Context) error {
	tick := time.NewTicker(factsEvery)
	defer tick.Stop()
	var said time.Time
	for {
		b.facts.Set(factsKey, b.own())
		if time.Since(said) >= retold {
			said = time.Now()
			b.announce(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (b *siteBoard) own() nodeFacts {
	st := b.s.node.Status()
	f := nodeFacts{Status: b.s.status(), Committed: st.Committed, Applied: st.Applied, Held: st.Held, Fault: st.Fault}
	f.Status.Talking = b.s.talks.Talking()
	f.Status.Consoles = b.s.api.api.Sockets()
	return f
}

// announce has the record know where clients reach this node. Without a quorum it is said again later: the others know the old addresses.
func (b *siteBoard) announce(ctx context.Context) {
	want := state.NodeAddresses{Node: b.s.cfg.Node, Console: b.s.consoleURL(), Media: b.s.mediaAddresses()}
	n, ok := look(b.s.node, func(v *state.View) (state.Node, error) { return v.Node(want.Node) })
	if !ok || n.Role == state.NodeRemoved || n.Console == want.Console && slices.Equal(n.Media, want.Media) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, retold)
	defer cancel()
	if err := b.s.propose(ctx, command.NodeAnnounce, newID(), want); err != nil {
		b.s.log.Debug("the record does not know yet where clients reach this node", "error", err)
	}
}

// consoleURL is where browsers reach this node.
func (s *server) consoleURL() string {
	address := s.cfg.Console.Announce
	if address == "" {
		_, port, err := net.SplitHostPort(s.api.listener.Addr().String())
		if err != nil {
			return s.api.URL()
		}
		address = net.JoinHostPort(s.host(s.cfg.Console.Listen), port)
	}
	return "https://" + strings.ToLower(strings.TrimSuffix(address, ":443"))
}

// host is this node's for others, when it listens at an address.
func (s *server) host(listen string) string {
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			return host
		}
	}
	nodes := s.cfg.Nodes
	if nodes.Listen == "" {
		nodes.Listen = listen
	}
	if announced, err := announced(nodes, ""); err == nil {
		if host, _, err := net.SplitHostPort(announced); err == nil {
			return host
		}
	}
	return "localhost"
}

func (s *server) mediaAddresses() (list []string) {
	for _, a := range s.media.Addresses() {
		list = append(list, a.String())
	}
	return list[:min(len(list), 8)]
}

// nodes tells how the site's nodes are, as this one knows it.
func (b *siteBoard) nodes() (list []wire.NodeState) {
	st := b.s.node.Status()
	paths := make(map[string]live.PeerStatus)
	if b.s.link != nil {
		for _, p := range b.s.link.Peers() {
			paths[p.Node] = p
		}
	}
	facts := map[string]nodeFacts{b.s.cfg.Node: {Committed: st.Committed, Applied: st.Applied, Held: st.Held, Fault: st.Fault}}
	b.facts.Each(factsKey, func(node string, f nodeFacts, _ bool) { facts[node] = f })
	furthest := uint64(0)
	for _, f := range facts {
		furthest = max(furthest, f.Committed)
	}
	for _, n := range st.Nodes {
		f, known := facts[n.ID]
		list = append(list, b.stateOf(n, paths[n.ID], f, known, furthest, st))
	}
	if !slices.ContainsFunc(list, func(n wire.NodeState) bool { return n.Here }) { // a site of one node need not be recorded
		self := cluster.NodeStatus{Node: state.Node{ID: b.s.cfg.Node, Console: b.s.consoleURL(), Media: b.s.mediaAddresses()}, Leader: b.s.node.Leads()}
		list = append(list, b.stateOf(self, live.PeerStatus{}, facts[b.s.cfg.Node], true, furthest, st))
	}
	return list
}

func (b *siteBoard) stateOf(n cluster.NodeStatus, path live.PeerStatus, f nodeFacts, known bool, furthest uint64, own cluster.Status) wire.NodeState {
	here := n.ID == b.s.cfg.Node
	out := wire.NodeState{
		Node: n.ID, URL: n.Console, Media: n.Media, Address: n.Address, Role: string(n.Role), Wish: string(n.Wish), Why: n.Why, Here: here,
		Leader: n.Leader, Reachable: here || path.Up, Via: path.Via, Since: n.Since, Held: f.Held, Fault: f.Fault,
	}
	if known {
		lag := uint64(0)
		if furthest > f.Applied {
			lag = furthest - f.Applied
		}
		out.Lag = &lag
	}
	if known && !here {
		out.Status, out.Heard = &f.Status, f.Status.Time
	}
	out.State = condition(n, out)
	if out.State == "serving" && here && own.Leader == "" {
		out.State = "island"
	}
	return out
}

// condition is the one word for how a node is: the first that holds.
func condition(n cluster.NodeStatus, s wire.NodeState) string {
	noLeader := strings.HasPrefix(s.Fault, fusion.CutOff.String()) || s.Status != nil && !s.Status.Quorum
	return cmp.Or(
		when(n.Role == state.NodeRemoved, "removed"),
		when(n.Role == state.NodeJoining, "joining"),
		when(!s.Reachable, "unreachable"),
		when(noLeader, "island"),
		when(s.Fault != "", "faulty"),
		when(n.Wish != state.WishServe, "draining"),
		when(s.Lag != nil && *s.Lag > behindBy, "behind"),
		"serving")
}

func when(is bool, word string) string {
	if is {
		return word
	}
	return ""
}

// float keeps the floating address at this node while it leads.
func (s *server) float(ctx context.Context) error {
	a, err := floating.Parse(s.cfg.Nodes.Floating)
	if err != nil {
		return err
	}
	return floating.New(a, s.node.Leads, floating.System{}, s.log).Run(ctx)
}
