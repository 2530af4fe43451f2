package state

import (
	"slices"

	"github.com/guantong-net/guantong/fusion"
)

// postMessage accepts a message. Every unit and position that it names gets a receipt in state accepted; a group's
// members get theirs when they move it on (addReceipt), so a message to 2000 people is one record until they answer.
func (c *change) postMessage(m Message) error {
	if m.ID.IsZero() {
		m.ID = c.cmd.ID
	}
	c.target = m.ID.String()
	if m.ID != c.cmd.ID {
		return bad("bad_id", "a message's ID is its request ID")
	}
	if err := c.checkMessage(&m); err != nil {
		return err
	}
	if err := c.checkSender(m); err != nil {
		return err
	}
	if err := c.checkFiles(m); err != nil {
		return err
	}
	if err := c.stampMessage(&m); err != nil {
		return err
	}
	c.object = true
	if err := c.indexMessage(m); err != nil {
		return err
	}
	if err := save(c, tMessage.ofID(m.ID), m); err != nil {
		return err
	}
	if err := c.emit("message", m.ID.String(), m); err != nil {
		return err
	}
	return c.accept(m)
}

func (c *change) checkMessage(m *Message) error {
	if err := checkText(m.Text); err != nil {
		return err
	}
	if err := checkPrecedence(m.Precedence); err != nil {
		return err
	}
	if err := checkLabel("exercise", m.Exercise); err != nil {
		return err
	}
	m.To = slices.Compact(slices.Sorted(slices.Values(m.To)))
	switch {
	case m.Text == "" && len(m.Attachments) == 0:
		return bad("empty_message", "a message has text or a file")
	case len(m.To) == 0 || len(m.To) > MaxRecipients:
		return bad("bad_recipients", "a message goes to 1 to %d recipients", MaxRecipients)
	case m.Lifetime < 0 || m.Lifetime > maxLifetime:
		return bad("bad_lifetime", "a lifetime is 0 to %d seconds", maxLifetime)
	case !m.Precedence.Above(fusion.Immediate):
		return nil
	case m.Lifetime > maxUrgentLife:
		return bad("bad_lifetime", "flash and above live 72 hours at most")
	case m.Lifetime == 0:
		m.Lifetime = maxUrgentLife
	}
	return nil
}

func (c *change) checkSender(m Message) error {
	from, there, err := load[Unit](c, tUnit.of(m.From))
	if err != nil || !there {
		return orRefuse(err, missing("unit_unknown", "no unit %s", m.From))
	}
	if from.Revoked {
		return fusion.E(fusion.NotAllowed, "unit_revoked", "unit %s is revoked", m.From)
	}
	if m.Position != 0 {
		if _, err := c.position(m.Position); err != nil {
			return err
		}
	}
	for _, to := range m.To {
		if kind, err := kindOf(c, to); err != nil || kind == "" {
			return orRefuse(err, missing("recipient_unknown", "nobody has the number %s", to))
		}
	}
	return nil
}

func (c *change) checkFiles(m Message) error {
	if len(m.Attachments) > MaxFiles {
		return bad("too_many_files", "a message carries at most %d files", MaxFiles)
	}
	for _, a := range m.Attachments {
		if err := checkAttachment(a); err != nil {
			return err
		}
		if ok, err := has(c, tFile.named(a.Hash)); err != nil || !ok {
			return orRefuse(err, missing("file_unknown", "file %s is not stored", a.Hash))
		}
		if err := c.Set(tFileRef.named(a.Hash).id(m.ID), present); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) stampMessage(m *Message) error {
	site, _, err := load[Site](c, tSite.key())
	if err != nil {
		return err
	}
	if m.Exercise == "" {
		m.Exercise = site.Exercise
	}
	c.n.Message++
	m.Seq, m.By, m.Expired, m.Keep = c.n.Message, c.cmd.By, false, false
	if m.HLC == 0 {
		m.HLC = c.cmd.HLC
	}
	if m.At == 0 {
		m.At = c.at()
	}
	return nil
}

// mailKeys are the index entries of a message that carry its ID.
func mailKeys(m Message) []key {
	out := []key{tMessageTime.seq(m.HLC).u64(m.Seq), tMessageSeq.seq(m.Seq)}
	for _, n := range slices.Compact(slices.Sorted(slices.Values(append([]fusion.Number{m.From}, m.To...)))) {
		out = append(out, tMailbox.of(n).u64(m.HLC).u64(m.Seq))
	}
	if m.Lifetime > 0 && !m.Expired {
		out = append(out, m.lifetimeKey())
	}
	return out
}

func (m Message) lifetimeKey() key {
	return tLifetime.key().millis(m.At + Millis(m.Lifetime)*1000).u64(m.Seq)
}

func (c *change) indexMessage(m Message) error {
	for _, k := range mailKeys(m) {
		if err := c.Set(k, m.ID[:]); err != nil {
			return err
		}
	}
	for _, g := range grams(m.Text) {
		if err := c.Set(g.key(m.Seq), present); err != nil {
			return err
		}
	}
	return nil
}

// accept makes the receipts of the recipients that are named singly.
func (c *change) accept(m Message) error {
	for _, to := range m.To {
		kind, err := kindOf(c, to)
		if err != nil {
			return err
		}
		if kind == "group" {
			continue
		}
		if m.Sign {
			if err := c.Set(tUnsigned.of(to).u64(m.Seq), m.ID[:]); err != nil {
				return err
			}
		}
		r := Receipt{Message: m.ID, Recipient: to}
		if err := c.saveReceipt(r, Accepted); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) saveReceipt(r Receipt, to ReceiptState) error {
	r.State = to
	r.Steps = append(r.Steps, ReceiptStep{State: to, At: c.at(), By: c.cmd.By})
	if err := save(c, receiptKey(r.Message, r.Recipient), r); err != nil {
		return err
	}
	return c.emit("receipt", r.Message.String()+"/"+r.Recipient.String(), r)
}

// addReceipt moves a receipt on. The recipient is named by the message, or belongs to a group that it names.
func (c *change) addReceipt(x ReceiptChange) error {
	c.target = x.Message.String() + "/" + x.Recipient.String()
	if !x.State.Valid() {
		return bad("bad_receipt", "no state of a receipt %d", x.State)
	}
	m, there, err := load[Message](c, tMessage.ofID(x.Message))
	if err != nil || !there {
		return orRefuse(err, missing("message_unknown", "no message %s", x.Message))
	}
	r, there, err := load[Receipt](c, receiptKey(x.Message, x.Recipient))
	if err != nil {
		return err
	}
	if !there {
		if err := c.checkRecipient(m, x.Recipient); err != nil {
			return err
		}
		r = Receipt{Message: x.Message, Recipient: x.Recipient}
	}
	if x.State <= r.State {
		return nil
	}
	if x.State == Signed {
		if err := c.Delete(tUnsigned.of(x.Recipient).u64(m.Seq)); err != nil {
			return err
		}
	}
	return c.saveReceipt(r, x.State)
}

func (c *change) checkRecipient(m Message, n fusion.Number) error {
	for _, to := range m.To {
		g, isGroup, err := load[Group](c, tGroup.of(to))
		if err != nil {
			return err
		}
		if !isGroup {
			continue
		}
		member, err := has(c, memberKey(to, n))
		if err != nil || member {
			return err
		}
		kind, err := kindOf(c, n)
		if err != nil {
			return err
		}
		if kind == "position" || g.Open && kind == "unit" {
			return nil
		}
	}
	return fusion.E(fusion.NotAllowed, "no_recipient", "message %s did not go to %s", m.ID, n)
}

// dropMessage removes a message with all that hangs on it and leaves its tombstone.
func (c *change) dropMessage(m Message) error {
	doomed := append(mailKeys(m), tMessage.ofID(m.ID))
	for _, g := range grams(m.Text) {
		doomed = append(doomed, g.key(m.Seq))
	}
	for _, to := range m.To {
		doomed = append(doomed, tUnsigned.of(to).u64(m.Seq))
	}
	for _, a := range m.Attachments {
		doomed = append(doomed, tFileRef.named(a.Hash).id(m.ID))
	}
	for _, a := range m.Attachments {
		if err := c.watchFile(a.Hash); err != nil {
			return err
		}
	}
	receipts, err := keys(c, tReceipt.ofID(m.ID), 0)
	if err != nil {
		return err
	}
	if err := c.deleteAll(append(doomed, receipts...)); err != nil {
		return err
	}
	if err := c.bury(m.ID); err != nil {
		return err
	}
	return c.gone("message", m.ID.String())
}

func (c *change) deleteAll(doomed []key) error {
	for _, k := range doomed {
		if err := c.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
