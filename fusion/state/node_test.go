package state_test

import (
	"bytes"
	"testing"

	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

func token(c byte) []byte { return bytes.Repeat([]byte{c}, 32) }

func TestATokenLetsOneNodeJoinOnceAndInTime(t *testing.T) {
	s := furnished(t)
	s.do(command.NodeSet, state.Node{ID: "node-1", Address: "a:7400", Role: state.NodeVoter})
	s.do(command.TokenAdd, state.JoinToken{Hash: token(1), Expires: state.Millis(s.at + 60_000)})
	s.do(command.TokenAdd, state.JoinToken{Hash: token(2), Expires: state.Millis(s.at + 2500)})
	s.refused("bad_token", command.TokenAdd, state.JoinToken{Hash: token(3), Expires: state.Millis(s.at)})
	s.refused("bad_token", command.TokenAdd, state.JoinToken{Hash: []byte{1}, Expires: state.Millis(s.at + 60_000)})
	s.refused("token_unknown", command.TokenUse, state.TokenUse{Hash: token(9), Node: "node-2", Address: "b:7400"})
	s.refused("node_taken", command.TokenUse, state.TokenUse{Hash: token(1), Node: "node-1", Address: "b:7400"})
	s.refused("node_taken", command.TokenUse, state.TokenUse{Hash: token(1), Node: "node-2", Address: "a:7400"})
	s.do(command.TokenUse, state.TokenUse{Hash: token(1), Node: "node-2", Address: "b:7400", Key: "pin"})
	s.refused("token_used", command.TokenUse, state.TokenUse{Hash: token(1), Node: "node-3", Address: "c:7400"})
	s.refused("token_expired", command.TokenUse, state.TokenUse{Hash: token(2), Node: "node-3", Address: "c:7400"})
	nodes := must[[]state.Node](t)(s.view().Nodes())
	if len(nodes) != 2 || nodes[1].Role != state.NodeJoining || nodes[1].Key != "pin" {
		t.Errorf("%+v", nodes)
	}
	audit := must[[]state.Audit](t)(s.view().Audit(1, 1000))
	if last := audit[len(audit)-1]; last.Action != "node.join" || last.Result != "token_expired" || last.Target != "node-3" {
		t.Errorf("audit %+v", last)
	}
}

func TestTheLastNodeThatServesStays(t *testing.T) {
	s := furnished(t)
	s.do(command.NodeSet, state.Node{ID: "node-1", Address: "a:7400", Role: state.NodeVoter})
	s.refused("last_node", command.NodeWish, state.NodeWishChange{Node: "node-1", Wish: state.WishRemove})
	s.do(command.NodeSet, state.Node{ID: "node-2", Address: "b:7400", Role: state.NodeLearner})
	s.refused("node_unknown", command.NodeWish, state.NodeWishChange{Node: "node-3", Wish: state.WishDrain})
	s.refused("bad_wish", command.NodeWish, state.NodeWishChange{Node: "node-2", Wish: "sing"})
	s.do(command.NodeWish, state.NodeWishChange{Node: "node-2", Wish: state.WishDrain})
	s.refused("last_node", command.NodeWish, state.NodeWishChange{Node: "node-1", Wish: state.WishDrain})
	s.do(command.NodeWish, state.NodeWishChange{Node: "node-2", Wish: state.WishRemove})
	s.refused("node_leaving", command.NodeWish, state.NodeWishChange{Node: "node-2"})
	n := must[state.Node](t)(s.view().Node("node-2"))
	s.refused("bad_role", command.NodeSet, state.Node{ID: "node-2", Address: "b:7400", Role: "king", Revision: n.Revision})
	s.do(command.NodeSet, state.Node{ID: "node-2", Address: "b:7400", Role: state.NodeRemoved, Revision: n.Revision})
	s.do(command.TokenAdd, state.JoinToken{Hash: token(1), Expires: state.Millis(s.at + 60_000)})
	s.do(command.TokenUse, state.TokenUse{Hash: token(1), Node: "node-2", Address: "b:7400", Key: "other"})
	if n := must[state.Node](t)(s.view().Node("node-2")); n.Role != state.NodeJoining || n.Wish != state.WishServe || n.Key != "other" {
		t.Errorf("a rebuilt node comes back as %+v", n)
	}
}

func TestANodeSaysWhereClientsReachIt(t *testing.T) {
	s := furnished(t)
	at := state.NodeAddresses{Node: "node-1", Console: "https://10.0.0.1:8443", Media: []string{"10.0.0.1:8443"}}
	s.refused("node_unknown", command.NodeAnnounce, at)
	s.do(command.NodeSet, state.Node{ID: "node-1", Address: "a:7400", Role: state.NodeVoter})
	s.do(command.NodeAnnounce, at)
	n := must[state.Node](t)(s.view().Node("node-1"))
	s.do(command.NodeAnnounce, at)
	if again := must[state.Node](t)(s.view().Node("node-1")); again.Console != at.Console || again.Revision != n.Revision {
		t.Errorf("%+v after %+v", again, n)
	}
	s.do(command.NodeSet, state.Node{ID: "node-1", Address: "a:7400", Role: state.NodeVoter, Revision: n.Revision})
	if n := must[state.Node](t)(s.view().Node("node-1")); n.Console != at.Console || len(n.Media) != 1 {
		t.Errorf("the leader forgot where clients reach it: %+v", n)
	}
	for _, bad := range []string{"", "https://", "http://10.0.0.1", "https://a/b", "https://a;script-src", "https://A", "https://a b", "javascript:1"} {
		s.refused("bad_address", command.NodeAnnounce, state.NodeAddresses{Node: "node-1", Console: bad})
	}
}
