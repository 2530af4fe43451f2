package state

import (
	"fmt"

	"github.com/guantong-net/guantong/fusion"
)

// Recovery is how an incarnation of the site began: from what one node had left, or from a backup. An incarnation is a counter in its
// upper 32 bits and chance in its lower ones, so that two recoveries of the same site cannot be taken for one another.
type Recovery struct {
	Incarnation uint64 `json:"incarnation"`
	Before      uint64 `json:"before"` // the incarnation that ended
	Kind        string `json:"kind"`   // "recover": by the node that was left; "restore": from a backup
	Node        string `json:"node"`   // the one node of the new incarnation
	Index       uint64 `json:"index"`  // of the last log entry of the old incarnation that is in this state
	Term        uint64 `json:"term"`   // of that entry
	At          Millis `json:"at"`
}

// The kinds of a Recovery.
const (
	Recovered = "recover"
	Restored  = "restore"
)

// NextIncarnation makes the incarnation that follows one, of 32 random bits.
func NextIncarnation(before uint64, random uint32) uint64 {
	return (before>>32+1)<<32 | uint64(random)
}

// IncarnationText is how an incarnation is shown to people: 2-9f86d081.
func IncarnationText(i uint64) string { return fmt.Sprintf("%d-%08x", i>>32, uint32(i)) }

// recoverSite begins a new incarnation: the nodes of the old one are out, and its tokens are void. They come back by new tokens.
func (c *change) recoverSite(r Recovery) error {
	c.target = fmt.Sprintf("%s: %s, incarnation %s after %s, index %d", r.Node, r.Kind, IncarnationText(r.Incarnation), IncarnationText(r.Before), r.Index)
	if err := checkName("node's name", r.Node); err != nil {
		return err
	}
	site, there, err := load[Site](c, tSite.key())
	if err != nil {
		return err
	}
	switch {
	case r.Kind != Recovered && r.Kind != Restored:
		return bad("bad_recovery", "no kind of recovery %q", r.Kind)
	case !there:
		return missing("site_unset", "there is no site to recover")
	case r.Before != site.Incarnation || r.Incarnation>>32 != site.Incarnation>>32+1:
		return conflict("other_incarnation", "the site is of incarnation %s: %s does not follow it", IncarnationText(site.Incarnation), IncarnationText(r.Incarnation))
	}
	if err := c.dismissNodes(r); err != nil {
		return err
	}
	tokens, err := list[JoinToken](c, tToken.key())
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if err := c.Delete(tToken.named(string(t.Hash))); err != nil {
			return err
		}
	}
	r.At = c.at()
	if err := save(c, tRecovery.seq(r.Incarnation), r); err != nil {
		return err
	}
	site.Incarnation = r.Incarnation
	if err := save(c, tSite.key(), site); err != nil {
		return err
	}
	return c.emit("site", fmt.Sprint(uint16(site.Number)), site)
}

// dismissNodes takes all nodes but one out of the site. That one has a key of its own making when the site comes from a backup.
func (c *change) dismissNodes(r Recovery) error {
	nodes, err := list[Node](c, tNode.key())
	if err != nil {
		return err
	}
	for _, n := range nodes {
		was := n
		if n.ID != r.Node {
			n.Role = NodeRemoved
		} else if n.Wish = WishServe; r.Kind == Restored {
			n.Key = ""
		}
		if n.Role == was.Role && n.Wish == was.Wish && n.Key == was.Key {
			continue
		}
		if err := c.saveNode(n); err != nil {
			return err
		}
	}
	return nil
}

// Recoveries lists how each incarnation but the first began, oldest first.
func (v *View) Recoveries() ([]Recovery, error) { return list[Recovery](v.r, tRecovery.key()) }

// Recovery is how an incarnation began.
func (v *View) Recovery(incarnation uint64) (Recovery, error) {
	r, there, err := load[Recovery](v.r, tRecovery.seq(incarnation))
	if err == nil && !there {
		err = fusion.E(fusion.NotFound, "recovery_unknown", "no recovery began incarnation %s", IncarnationText(incarnation))
	}
	return r, err
}
