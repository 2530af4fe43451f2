package state

import (
	"cmp"

	"github.com/guantong-net/guantong/fusion"
)

// indexBurst enters a recording. Its file was synced before the command was proposed. The node where the talker was proposes its recording under the burst's own ID; another
// node's copy comes under a request ID of its own. Of all that come the fullest is kept, in whatever order they do.
func (c *change) indexBurst(b Burst) error {
	if b.ID.IsZero() {
		b.ID = c.cmd.ID
	}
	c.target = b.ID.String()
	if err := c.checkBurst(b); err != nil {
		return err
	}
	old, there, err := load[Burst](c, tBurst.ofID(b.ID))
	if err != nil {
		return err
	}
	if !there && b.ID != c.cmd.ID {
		if gone, err := has(c, tDone.ofID(b.ID)); err != nil || gone {
			return orRefuse(err, conflict("burst_gone", "burst %s was indexed once, and retention has taken it", b.ID))
		}
	}
	c.object = b.ID == c.cmd.ID
	b.Seq, b.Keep = c.next(), old.Keep
	if there {
		if !b.Fuller(old) {
			return nil
		}
		if err := c.deleteAll(burstKeys(old)); err != nil {
			return err
		}
	}
	for _, k := range burstKeys(b) {
		if err := c.Set(k, present); err != nil {
			return err
		}
	}
	return c.saveBurst(b)
}

// Fuller reports whether a recording of a burst holds more than another one of it. Every node orders any two the same way.
func (b Burst) Fuller(than Burst) bool {
	return cmp.Or(cmp.Compare(b.Heard, than.Heard), cmp.Compare(b.Duration, than.Duration), cmp.Compare(b.Size, than.Size), cmp.Compare(b.File, than.File)) > 0
}

func (c *change) checkBurst(b Burst) error {
	if err := checkHash(b.File); err != nil {
		return err
	}
	if err := checkPrecedence(b.Precedence); err != nil {
		return err
	}
	for _, label := range []string{b.Name, b.Codec, b.EndCause, b.Exercise} {
		if err := checkLabel("burst's label", label); err != nil {
			return err
		}
	}
	switch {
	case len(b.Groups) == 0 && b.Call.IsZero():
		return bad("bad_burst", "a burst is spoken in a group or in a call")
	case len(b.Groups) > MaxPatched || len(b.Peaks) > MaxPeaks:
		return bad("bad_burst", "a burst names at most %d groups and %d peaks", MaxPatched, MaxPeaks)
	case b.Start <= 0 || b.Duration < 0 || b.Size < 0 || b.Heard < 0:
		return bad("bad_burst", "a burst has a start, and no length below 0")
	}
	for i, g := range b.Groups {
		for _, other := range b.Groups[:i] {
			if other == g {
				return bad("bad_burst", "group %s is named twice", g)
			}
		}
	}
	return nil
}

func burstKeys(b Burst) []key {
	out := []key{tBurstTime.at(b.Start, b.ID), tFileRef.named(b.File).id(b.ID), tBurstTalker.of(b.Talker).millis(b.Start).id(b.ID)}
	for _, g := range b.Groups {
		out = append(out, tBurstGroup.of(g).millis(b.Start).id(b.ID))
	}
	return out
}

func (c *change) saveBurst(b Burst) error {
	if err := save(c, tBurst.ofID(b.ID), b); err != nil {
		return err
	}
	return c.emit("burst", b.ID.String(), b)
}

func (c *change) dropBurst(b Burst) error {
	if err := c.deleteAll(append(burstKeys(b), tBurst.ofID(b.ID))); err != nil {
		return err
	}
	if err := c.bury(b.ID); err != nil {
		return err
	}
	return c.gone("burst", b.ID.String())
}

// keepObject flags a message or a burst, so that retention passes it over.
func (c *change) keepObject(x KeepChange) error {
	c.target = x.ID.String()
	m, there, err := load[Message](c, tMessage.ofID(x.ID))
	if err != nil {
		return err
	}
	if there {
		m.Keep = x.Keep
		if err := save(c, tMessage.ofID(m.ID), m); err != nil {
			return err
		}
		return c.emit("message", m.ID.String(), m)
	}
	b, there, err := load[Burst](c, tBurst.ofID(x.ID))
	if err != nil || !there {
		return orRefuse(err, missing("object_unknown", "no message and no burst %s", x.ID))
	}
	b.Keep = x.Keep
	return c.saveBurst(b)
}

// logCall writes a call down, or marks one that was written down as called back.
func (c *change) logCall(r CallRecord) error {
	if r.ID.IsZero() {
		r.ID = c.cmd.ID
	}
	c.target = r.ID.String()
	for _, label := range []string{r.FromName, r.ToDigits, r.By} {
		if err := checkLabel("call's label", label); err != nil {
			return err
		}
	}
	switch r.Result {
	case "answered", "missed", "busy", "refused", "failed":
	default:
		return bad("bad_call", "no result of a call %q", r.Result)
	}
	old, there, err := load[CallRecord](c, tCall.ofID(r.ID))
	if err != nil {
		return err
	}
	switch {
	case there:
		r.Start, r.Returned = old.Start, r.Returned || old.Returned
	case r.ID != c.cmd.ID:
		return bad("bad_id", "a new call record's ID is its request ID")
	default:
		c.object = true
	}
	if err := c.Set(tCallTime.at(r.Start, r.ID), present); err != nil {
		return err
	}
	if err := save(c, tCall.ofID(r.ID), r); err != nil {
		return err
	}
	return c.emit("call", r.ID.String(), r)
}

func (c *change) dropCall(r CallRecord) error {
	if err := c.deleteAll([]key{tCall.ofID(r.ID), tCallTime.at(r.Start, r.ID)}); err != nil {
		return err
	}
	if err := c.bury(r.ID); err != nil {
		return err
	}
	return c.gone("call", r.ID.String())
}

// storedFile is what is known of a file whose content is synced.
type storedFile struct {
	Attachment
	At Millis `json:"at"`
}

func checkAttachment(a Attachment) error {
	if err := checkHash(a.Hash); err != nil {
		return err
	}
	if err := checkName("file's name", a.Name); err != nil {
		return err
	}
	if err := checkLabel("media type", a.Type); err != nil {
		return err
	}
	if a.Size < 0 || a.Size > MaxFileSize {
		return fusion.E(fusion.BadRequest, "bad_size", "a file has at most %d octets", MaxFileSize)
	}
	return nil
}

// storeFile notes that a file's content is synced. Stored again, its time begins anew. One that was held in an outbox for long is as young as what comes now: what is
// to name it comes right behind it.
func (c *change) storeFile(a Attachment) error {
	c.target = a.Hash
	if err := checkAttachment(a); err != nil {
		return err
	}
	k := tFile.named(a.Hash)
	old, there, err := load[storedFile](c, k)
	if err != nil {
		return err
	}
	if there {
		if err := c.Delete(fileTimeKey(old)); err != nil {
			return err
		}
	}
	f := storedFile{Attachment: a, At: max(c.at(), Millis(c.n.HLC>>16))}
	if err := c.Set(fileTimeKey(f), present); err != nil {
		return err
	}
	return save(c, k, f)
}

func fileTimeKey(f storedFile) key { return tFileTime.key().millis(f.At).text(f.Hash) }

// watchFile lets retention look at a stored file again, since something that named it goes.
func (c *change) watchFile(hash string) error {
	f, there, err := load[storedFile](c, tFile.named(hash))
	if err != nil || !there {
		return err
	}
	return c.Set(fileTimeKey(f), present)
}
