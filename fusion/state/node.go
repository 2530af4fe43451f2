package state

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/guantong-net/guantong/fusion"
)

// NodeRole is what a node is in the site's quorum.
type NodeRole string

// The roles.
const (
	NodeJoining NodeRole = "joining" // its token was taken; the leader is to add it
	NodeLearner NodeRole = "learner" // it has, or is getting, the record, and does not vote
	NodeVoter   NodeRole = "voter"   //
	NodeRemoved NodeRole = "removed" // it is let in no more
)

// NodeWish is what an operator wants of a node.
type NodeWish string

// The wishes.
const (
	WishServe  NodeWish = ""       // vote when the number of voters allows it
	WishDrain  NodeWish = "drain"  // keep up, but neither vote nor lead: it is to be taken down
	WishRemove NodeWish = "remove" // leave the site
)

// Node is one node of the site (节点) as the record knows it. Raft's configuration decides who votes; the leader makes the one
// follow the other.
type Node struct {
	ID       string   `json:"node"`
	Address  string   `json:"address"` // host:port of the node port
	Role     NodeRole `json:"role"`
	Wish     NodeWish `json:"wish,omitempty"`
	Key      string   `json:"key,omitempty"`     // SHA-256 of its public key in hexadecimal; empty for the first node
	Since    Millis   `json:"since"`             // when it joined
	Console  string   `json:"console,omitempty"` // where clients reach it: "https://host:port"; as it announced
	Media    []string `json:"media,omitempty"`   // host:port of its voice to and from browsers
	Revision uint64   `json:"revision"`
}

// NodeAddresses is where clients reach a node, as it says itself.
type NodeAddresses struct {
	Node    string   `json:"node"`
	Console string   `json:"console"`
	Media   []string `json:"media,omitempty"`
}

// JoinToken lets one node join. The token itself is known to the operator only.
type JoinToken struct {
	Hash    []byte `json:"hash"` // SHA-256 of the token's secret
	Expires Millis `json:"expires"`
	By      string `json:"by,omitempty"`
	Node    string `json:"node,omitempty"` // that used it
}

// TokenUse is a node that comes with a token.
type TokenUse struct {
	Hash    []byte `json:"hash"`
	Node    string `json:"node"`
	Address string `json:"address"`
	Key     string `json:"key"`
}

// NodeWishChange says what an operator wants of a node.
type NodeWishChange struct {
	Node string   `json:"node"`
	Wish NodeWish `json:"wish"`
}

const (
	maxTokens        = 64                   // that are remembered
	tokenKept Millis = 7 * 24 * 3600 * 1000 // after its end, so that who comes late learns why
	maxNodes         = 16
	maxMedia         = 8
)

// addToken remembers a token, and forgets those that are long over.
func (c *change) addToken(t JoinToken) error {
	c.target = "token"
	if len(t.Hash) != sha256.Size || t.Expires <= c.at() || t.Node != "" {
		return bad("bad_token", "a token has a SHA-256 hash and an end in the future")
	}
	all, err := list[JoinToken](c, tToken.key())
	if err != nil {
		return err
	}
	kept := 0
	for _, old := range all {
		if old.Expires+tokenKept >= c.at() {
			kept++
		} else if err := c.Delete(tToken.named(string(old.Hash))); err != nil {
			return err
		}
	}
	if kept >= maxTokens {
		return fusion.E(fusion.Busy, "too_many_tokens", "%d tokens were made within a week", kept)
	}
	if there, err := has(c, tToken.named(string(t.Hash))); err != nil || there {
		return orRefuse(err, conflict("token_known", "the token was made before"))
	}
	t.By = c.cmd.By
	return save(c, tToken.named(string(t.Hash)), t)
}

// useToken takes a token once, and the node that came with it as one that is to be added.
func (c *change) useToken(u TokenUse) error {
	c.target = u.Node
	if err := checkNode(u.Node, u.Address); err != nil {
		return err
	}
	t, there, err := load[JoinToken](c, tToken.named(string(u.Hash)))
	if err != nil {
		return err
	}
	switch {
	case !there:
		return fusion.E(fusion.NotAllowed, "token_unknown", "no such token was made at this site")
	case t.Node != "":
		return fusion.E(fusion.NotAllowed, "token_used", "node %s used the token", t.Node)
	case t.Expires <= c.at():
		return fusion.E(fusion.NotAllowed, "token_expired", "the token's time is over")
	}
	all, err := list[Node](c, tNode.key())
	if err != nil {
		return err
	}
	live := 0
	for _, n := range all {
		if n.Role == NodeRemoved {
			continue
		}
		live++
		if n.ID == u.Node || n.Address == u.Address {
			return conflict("node_taken", "node %s at %s is part of the site; remove it first", n.ID, n.Address)
		}
	}
	if live >= maxNodes {
		return conflict("too_many_nodes", "a site has at most %d nodes", maxNodes)
	}
	t.Node = u.Node
	if err := save(c, tToken.named(string(t.Hash)), t); err != nil {
		return err
	}
	return c.saveNode(Node{ID: u.Node, Address: u.Address, Key: u.Key, Role: NodeJoining, Since: c.at()})
}

// setNode records what Raft's configuration made of a node. What others said of it stays, its role and address are the leader's to say.
func (c *change) setNode(n Node) error {
	c.target = n.ID
	if err := checkNode(n.ID, n.Address); err != nil {
		return err
	}
	if !slices.Contains([]NodeRole{NodeLearner, NodeVoter, NodeRemoved}, n.Role) {
		return bad("bad_role", "%q is no role that a node gets", n.Role)
	}
	old, there, err := load[Node](c, tNode.named(n.ID))
	if err != nil {
		return err
	}
	if err := checkRevision(there, old.Revision, n.Revision, "node"); err != nil {
		return err
	}
	n.Since, n.Key, n.Wish, n.Console, n.Media = old.Since, old.Key, old.Wish, old.Console, old.Media
	if !there {
		n.Since = c.at()
	}
	return c.saveNode(n)
}

// wishNode says what an operator wants of a node.
func (c *change) wishNode(w NodeWishChange) error {
	c.target = w.Node
	if w.Wish != WishServe && w.Wish != WishDrain && w.Wish != WishRemove {
		return bad("bad_wish", "%q can be wished of no node", w.Wish)
	}
	all, err := list[Node](c, tNode.key())
	if err != nil {
		return err
	}
	var node Node
	others := 0
	for _, n := range all {
		if n.ID == w.Node {
			node = n
		} else if n.Wish == WishServe && (n.Role == NodeVoter || n.Role == NodeLearner) {
			others++
		}
	}
	switch {
	case node.ID == "" || node.Role == NodeRemoved:
		return missing("node_unknown", "no node %q in the site", w.Node)
	case w.Wish != WishServe && others == 0:
		return conflict("last_node", "node %s is the last one that serves", w.Node)
	case node.Wish == WishRemove && w.Wish != WishRemove:
		return conflict("node_leaving", "node %s is being removed", w.Node)
	}
	node.Wish = w.Wish
	return c.saveNode(node)
}

// announceNode notes where clients reach a node. What has not changed is no event.
func (c *change) announceNode(a NodeAddresses) error {
	c.target = a.Node
	if err := checkConsole(a.Console); err != nil {
		return err
	}
	if len(a.Media) > maxMedia {
		return bad("bad_address", "a node has at most %d media addresses", maxMedia)
	}
	for _, m := range a.Media {
		if err := checkName("media address", m); err != nil {
			return err
		}
	}
	n, there, err := load[Node](c, tNode.named(a.Node))
	if err != nil {
		return err
	}
	if !there || n.Role == NodeRemoved {
		return missing("node_unknown", "no node %q in the site", a.Node)
	}
	if n.Console == a.Console && slices.Equal(n.Media, a.Media) {
		return nil
	}
	n.Console, n.Media = a.Console, a.Media
	return c.saveNode(n)
}

// checkConsole holds an origin against the form that browsers give it: pages may call there, so nothing else may get in.
func checkConsole(origin string) error {
	host, ok := strings.CutPrefix(origin, "https://")
	if !ok || host == "" || len(host) > 128 || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") != "" {
		return bad("bad_address", "a console's address is https://host:port, in small letters")
	}
	return nil
}

func (c *change) saveNode(n Node) error {
	n.Revision = c.next()
	if err := save(c, tNode.named(n.ID), n); err != nil {
		return err
	}
	return c.emit("node", n.ID, n)
}

func checkNode(id, address string) error {
	if err := checkName("node's name", id); err != nil {
		return err
	}
	return checkName("node's address", address)
}

// Nodes lists the nodes of the site by ID, those that were removed among them. A site of one node may not have it recorded.
func (v *View) Nodes() ([]Node, error) { return list[Node](v.r, tNode.key()) }

// TokenKnown tells whether a token of that hash was made at this site.
func (v *View) TokenKnown(hash []byte) (bool, error) { return has(v.r, tToken.named(string(hash))) }

// Node is one node of the site.
func (v *View) Node(id string) (Node, error) {
	return one[Node](v.r, tNode.named(id), "node_unknown", "node")
}
