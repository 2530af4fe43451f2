package member

import (
	"cmp"
	"slices"

	"github.com/guantong-net/guantong/fusion/state"
)

// MaxVoters is how many nodes vote at most: more make every write wait for more disks.
const MaxVoters = 5

// Server is one node in Raft's configuration.
type Server struct {
	ID, Address string
	Votes       bool
}

// Deed is what the leader is to do next.
type Deed uint8

// The deeds.
const (
	Nothing  Deed = iota
	Add           // into Raft's configuration, without a vote
	Promote       // give it a vote
	Demote        // take its vote
	Drop          // out of Raft's configuration
	Record        // write its Role into the record
	HandOver      // hand leadership to Node
)

// Step is a deed and the node it is done to.
type Step struct {
	Deed Deed
	Node string
	Role state.NodeRole // of Record
}

// Site is what the leader sees.
type Site struct {
	Self    string
	Servers []Server     // Raft's configuration
	Nodes   []state.Node // the record
	Ready   map[string]bool
	// Ready nodes are those that answer and have caught up; the leader is among them.
	Low map[string]bool // whose battery is nearly empty
}

// Next tells the one thing to be done next. It depends on what is there only, so that another leader goes on where one died.
func Next(s Site) Step {
	for _, f := range []func(Site) Step{joins, records, votes, leaves, drains} {
		if step := f(s); step.Deed != Nothing {
			return step
		}
	}
	return Step{}
}

func (s Site) server(id string) (Server, bool) {
	i := slices.IndexFunc(s.Servers, func(v Server) bool { return v.ID == id })
	if i < 0 {
		return Server{}, false
	}
	return s.Servers[i], true
}

func (s Site) node(id string) state.Node {
	i := slices.IndexFunc(s.Nodes, func(n state.Node) bool { return n.ID == id })
	if i < 0 {
		return state.Node{}
	}
	return s.Nodes[i]
}

// joins adds who came with a token.
func joins(s Site) Step {
	for _, n := range s.Nodes {
		if _, in := s.server(n.ID); n.Role == state.NodeJoining && !in {
			return Step{Deed: Add, Node: n.ID}
		}
	}
	return Step{}
}

// records makes the record say what Raft's configuration is.
func records(s Site) Step {
	for _, v := range s.Servers {
		role := state.NodeLearner
		if v.Votes {
			role = state.NodeVoter
		}
		if n := s.node(v.ID); n.Role != role || n.Address != v.Address {
			return Step{Deed: Record, Node: v.ID, Role: role}
		}
	}
	for _, n := range s.Nodes {
		if _, in := s.server(n.ID); !in && n.Role != state.NodeJoining && n.Role != state.NodeRemoved {
			return Step{Deed: Record, Node: n.ID, Role: state.NodeRemoved}
		}
	}
	return Step{}
}

// votes brings the voters to an odd number: 1, 3 or 5. An even number is passed through and never kept, as two voters are
// worse than one: either one's death stops both.
func votes(s Site) Step {
	wanted := Voters(s)
	for _, v := range s.Servers {
		if !v.Votes && slices.Contains(wanted, v.ID) {
			return Step{Deed: Promote, Node: v.ID}
		}
	}
	surplus := slices.Clone(s.Servers)
	slices.SortStableFunc(surplus, func(a, b Server) int { return cmp.Compare(rank(s.Ready[a.ID]), rank(s.Ready[b.ID])) })
	for _, v := range surplus { // those that do not answer first, as those that do are needed to agree
		if v.Votes && !slices.Contains(wanted, v.ID) && v.ID != s.Self {
			return Step{Deed: Demote, Node: v.ID}
		}
	}
	if me, _ := s.server(s.Self); me.Votes && !slices.Contains(wanted, s.Self) {
		return handOver(s, wanted)
	}
	return Step{}
}

func rank(ready bool) int {
	if ready {
		return 1
	}
	return 0
}

// Voters tells who should vote: those who do and may stay, the leader first, then those who are ready.
func Voters(s Site) []string {
	var may []Server
	for _, v := range s.Servers {
		if s.node(v.ID).Wish != state.WishRemove && (v.Votes || s.Ready[v.ID] && s.node(v.ID).Wish == state.WishServe) {
			may = append(may, v)
		}
	}
	slices.SortStableFunc(may, func(a, b Server) int {
		return cmp.Or(-cmp.Compare(rank(a.ID == s.Self), rank(b.ID == s.Self)), -cmp.Compare(rank(a.Votes), rank(b.Votes)),
			-cmp.Compare(rank(s.Ready[a.ID]), rank(s.Ready[b.ID])), cmp.Compare(a.ID, b.ID))
	})
	k := min(len(may), MaxVoters)
	if k > 0 && k%2 == 0 {
		k--
	}
	var out []string
	for _, v := range may[:k] {
		out = append(out, v.ID)
	}
	return out
}

// leaves drops who is to leave and votes no longer.
func leaves(s Site) Step {
	for _, v := range s.Servers {
		if s.node(v.ID).Wish == state.WishRemove && !v.Votes {
			return Step{Deed: Drop, Node: v.ID}
		}
	}
	return Step{}
}

// drains hands leadership over when the leader is to be taken down, or its power is about to end. When that is so of all who could lead, it stays.
func drains(s Site) Step {
	if s.node(s.Self).Wish != state.WishDrain && !s.Low[s.Self] {
		return Step{}
	}
	return handOver(s, Voters(s))
}

// handOver finds who leads next; one whose power is about to end only when the leader has to go for another reason than that.
func handOver(s Site, to []string) Step {
	last := Step{}
	for _, id := range to {
		v, in := s.server(id)
		if !in || !v.Votes || id == s.Self || !s.Ready[id] || s.node(id).Wish != state.WishServe {
			continue
		}
		if !s.Low[id] {
			return Step{Deed: HandOver, Node: id}
		}
		last = Step{Deed: HandOver, Node: id}
	}
	if s.Low[s.Self] && s.node(s.Self).Wish == state.WishServe {
		return Step{}
	}
	return last
}

// Why tells people why a node does not vote; empty when it does.
func Why(n state.Node, all []state.Node) string {
	if n.Role == state.NodeVoter {
		return ""
	}
	if n.Role != state.NodeLearner {
		return string(n.Role)
	}
	serving, voters := 0, 0
	for _, o := range all {
		if o.Role == state.NodeVoter {
			voters++
		}
		if (o.Role == state.NodeVoter || o.Role == state.NodeLearner) && o.Wish == state.WishServe {
			serving++
		}
	}
	switch {
	case n.Wish == state.WishDrain:
		return "drained"
	case voters >= MaxVoters:
		return "five nodes vote already: this one is a spare"
	case serving%2 == 0:
		return "an even number of voters is refused, as it survives no more than one fewer: another node must join"
	}
	return "catching up, or waiting for another node to catch up"
}
