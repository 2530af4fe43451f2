package state

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/guantong-net/guantong/fusion/command"
)

// AuditAlg names the hash of the audit chain. Another one (SM3) takes a name of its own.
const AuditAlg = "sha256"

// Digest is the hash that the entry should have: over its canonical form with Alg and Prev, without Hash.
func (a Audit) Digest() ([]byte, error) {
	a.Hash = nil
	data, err := command.Marshal(a)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return sum[:], nil
}

// audited names the commands of which Apply itself writes an audit entry, done or refused: all that changes a right, a
// definition or the record. What is the journal's (messages, receipts, bursts, calls) is not repeated here.
func audited(t command.Type) string {
	switch t {
	case command.GroupSet:
		return "group.set"
	case command.GroupDelete:
		return "group.delete"
	case command.MemberSet:
		return "member.set"
	case command.MemberDelete:
		return "member.delete"
	case command.UnitSet:
		return "unit.set"
	case command.UnitDelete:
		return "unit.delete"
	case command.UserSet:
		return "user.set"
	case command.UserDelete:
		return "user.delete"
	case command.UserSecretSet:
		return "user.secret"
	case command.UserEndSessions:
		return "user.end_sessions"
	case command.ExtensionSet:
		return "extension.set"
	case command.ExtensionDelete:
		return "extension.delete"
	case command.PositionSet:
		return "position.set"
	case command.PositionDelete:
		return "position.delete"
	case command.PositionTake:
		return "position.take"
	case command.PatchSet:
		return "patch.set"
	case command.PatchPart:
		return "patch.part"
	case command.AlertAck:
		return "alert.acknowledge"
	case command.AlertClear:
		return "alert.clear"
	case command.ObjectKeep:
		return "object.keep"
	case command.NodeSet:
		return "node.set"
	case command.NodeWish:
		return "node.wish"
	case command.TokenAdd:
		return "node.token"
	case command.TokenUse:
		return "node.join"
	case command.SiteSet:
		return "site.set"
	case command.SiteRecover:
		return "site.recover"
	case command.VersionRaise:
		return "site.version"
	}
	return ""
}

// audit writes the entry of the command in hand, if its type is audited.
func (c *change) audit(res Result) error {
	action := audited(c.cmd.Type)
	if action == "" {
		return nil
	}
	outcome := "ok"
	if res.Reason != "" {
		outcome = res.Reason
	}
	return c.chain(Audit{By: c.cmd.By, Action: action, Target: c.target, Result: outcome, From: c.cmd.From})
}

// addAudit writes an entry of something that is no command: a log-in, a break-in, an export.
func (c *change) addAudit(a Audit) error {
	for _, label := range []string{a.By, a.Action, a.Target, a.Result, a.From} {
		if !printable(label, 256) {
			return bad("bad_audit", "an audit entry's fields are printable and at most 256 octets")
		}
	}
	if err := checkText(a.Detail); err != nil {
		return err
	}
	if a.Action == "" || a.Action == trimAction {
		return bad("bad_audit", "an audit entry names an action of its own")
	}
	if a.By == "" {
		a.By = c.cmd.By
	}
	if a.From == "" {
		a.From = c.cmd.From
	}
	return c.chain(a)
}

// chain appends an entry to the audit chain.
func (c *change) chain(a Audit) error {
	c.n.Audit++
	a.Seq, a.Alg, a.Prev = c.n.Audit, AuditAlg, c.n.Head
	if a.At == 0 {
		a.At = c.at()
	}
	var err error
	if a.Hash, err = a.Digest(); err != nil {
		return err
	}
	c.n.Head = a.Hash
	if c.n.Oldest == 0 {
		c.n.Oldest = 1
	}
	return save(c, tAudit.seq(a.Seq), a)
}

// trimAction is the entry that says which older entries retention took away, and the hash of the last of them.
const trimAction = "audit.trim"

// trimAudit removes entries from before a time. The chain itself says so, so that a gap at its start can be told from a theft.
func (c *change) trimAudit(until Millis, limit *int) error {
	var last Audit
	err := c.Scan(tAudit.key(), nil, false, func(k, data []byte) (bool, error) {
		var a Audit
		if err := decode(k, data, &a); err != nil || a.At >= until || *limit == 0 || a.Seq == c.n.Audit {
			return false, err
		}
		last = a
		*limit--
		return true, nil
	})
	if err != nil || last.Seq == 0 {
		return err
	}
	for seq := c.n.Oldest; seq <= last.Seq; seq++ {
		if err := c.Delete(tAudit.seq(seq)); err != nil {
			return err
		}
	}
	c.n.Oldest = last.Seq + 1
	return c.chain(Audit{By: "system", Action: trimAction, Target: strconv.FormatUint(last.Seq, 10), Result: "ok", Detail: hex.EncodeToString(last.Hash)})
}
