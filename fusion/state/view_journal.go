package state

import (
	"math"

	"github.com/guantong-net/guantong/fusion"
)

// MessageFilter chooses messages. Zero fields choose all.
type MessageFilter struct {
	With      fusion.Number // sent to this number, or by it
	Since     Millis        // not before, by HLC
	Before    Millis        // not at or after, by HLC
	BeforeHLC uint64        // continues a list: earlier than the last one seen, with BeforeSeq
	BeforeSeq uint64
	Limit     int // 0: DefaultLimit
}

// Messages lists messages in the order of their hybrid logical clocks, the newest first.
func (v *View) Messages(f MessageFilter) ([]Message, error) {
	prefix := tMessageTime.key()
	if f.With != 0 {
		prefix = tMailbox.of(f.With)
	}
	var from key
	switch {
	case f.BeforeHLC != 0 && f.BeforeSeq != 0:
		from = append(key(nil), prefix...).u64(f.BeforeHLC).u64(f.BeforeSeq - 1)
	case f.BeforeHLC != 0:
		from = append(key(nil), prefix...).u64(f.BeforeHLC - 1).u64(math.MaxUint64)
	case f.Before > 0:
		from = append(key(nil), prefix...).u64(uint64(f.Before)<<16 - 1).u64(math.MaxUint64)
	}
	var out []Message
	err := v.r.Scan(prefix, from, true, func(k, id []byte) (bool, error) {
		if len(out) == clampLimit(f.Limit) || lastU64(k[:len(k)-8])>>16 < uint64(max(f.Since, 0)) {
			return false, nil
		}
		m, err := v.Message(fusion.ID(id))
		out = append(out, m)
		return true, err
	})
	return out, err
}

// Message is one message.
func (v *View) Message(id fusion.ID) (Message, error) {
	return one[Message](v.r, tMessage.ofID(id), "message_unknown", "message")
}

func (v *View) messageBySeq(seq uint64) (Message, bool, error) {
	id, err := v.r.Get(tMessageSeq.seq(seq))
	if err != nil || id == nil {
		return Message{}, false, err
	}
	return load[Message](v.r, tMessage.ofID(fusion.ID(id)))
}

// Receipts lists the receipts of a message by recipient. Members of a group appear once they moved theirs on.
func (v *View) Receipts(message fusion.ID) ([]Receipt, error) {
	return list[Receipt](v.r, tReceipt.ofID(message))
}

// Receipt is the receipt of one recipient.
func (v *View) Receipt(message fusion.ID, recipient fusion.Number) (Receipt, error) {
	return one[Receipt](v.r, receiptKey(message, recipient), "receipt_unknown", "receipt")
}

// Unsigned lists the messages that a unit or position has still to sign for, the oldest first.
func (v *View) Unsigned(n fusion.Number) ([]Message, error) {
	var out []Message
	err := v.r.Scan(tUnsigned.of(n), nil, false, func(_, id []byte) (bool, error) {
		m, err := v.Message(fusion.ID(id))
		out = append(out, m)
		return len(out) < MaxLimit, err
	})
	return out, err
}

// OpenAlerts lists the alerts that are not cleared.
func (v *View) OpenAlerts() ([]Alert, error) {
	found, err := keys(v.r, tAlertOpen.key(), 0)
	if err != nil {
		return nil, err
	}
	return v.alerts(found)
}

// Alerts lists alerts, the newest first.
func (v *View) Alerts(limit int) ([]Alert, error) {
	found, err := newest(v.r, tAlertTime.key(), 0, 0, limit, nil)
	if err != nil {
		return nil, err
	}
	return v.alerts(found)
}

func (v *View) alerts(found []key) ([]Alert, error) {
	out := make([]Alert, 0, len(found))
	for _, k := range found {
		a, err := v.Alert(lastID(k))
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// Alert is one alert.
func (v *View) Alert(id fusion.ID) (Alert, error) {
	return one[Alert](v.r, tAlert.ofID(id), "alert_unknown", "alert")
}

// BurstFilter chooses bursts. Zero fields choose all.
type BurstFilter struct {
	Group    fusion.Number
	Talker   fusion.Number
	From, To Millis    // the start lies in [From, To)
	Before   fusion.ID // continues a list: older than this one, the last one seen
	Limit    int       // 0: DefaultLimit
}

// Bursts lists recorded bursts by their start, the newest first.
func (v *View) Bursts(f BurstFilter) ([]Burst, error) {
	prefix := tBurstTime.key()
	switch {
	case f.Group != 0:
		prefix = tBurstGroup.of(f.Group)
	case f.Talker != 0:
		prefix = tBurstTalker.of(f.Talker)
	}
	var past key
	if !f.Before.IsZero() {
		last, err := v.Burst(f.Before)
		if err != nil {
			return nil, err
		}
		past = append(key(nil), prefix...).millis(last.Start).id(last.ID)
	}
	var out []Burst
	_, err := newestFrom(v.r, prefix, past, f.From, f.To, func(k key) (bool, error) {
		b, err := v.Burst(lastID(k))
		if err != nil || f.Talker != 0 && b.Talker != f.Talker {
			return err == nil, err
		}
		out = append(out, b)
		return len(out) < clampLimit(f.Limit), nil
	})
	return out, err
}

// Burst is one recorded burst.
func (v *View) Burst(id fusion.ID) (Burst, error) {
	return one[Burst](v.r, tBurst.ofID(id), "burst_unknown", "burst")
}

// CallFilter chooses calls. Zero fields choose all.
type CallFilter struct {
	Number   fusion.Number // caller, callee or position
	Result   string        // "missed", …
	From, To Millis        // the start lies in [From, To)
	Limit    int           // 0: DefaultLimit
}

// Calls lists calls by their start, the newest first.
func (v *View) Calls(f CallFilter) ([]CallRecord, error) {
	var out []CallRecord
	_, err := newestFrom(v.r, tCallTime.key(), nil, f.From, f.To, func(k key) (bool, error) {
		c, err := v.Call(lastID(k))
		if err != nil {
			return false, err
		}
		named := f.Number == 0 || c.From == f.Number || c.To == f.Number || c.Position == f.Number
		if named && (f.Result == "" || c.Result == f.Result) {
			out = append(out, c)
		}
		return len(out) < clampLimit(f.Limit), nil
	})
	return out, err
}

// Call is one call.
func (v *View) Call(id fusion.ID) (CallRecord, error) {
	return one[CallRecord](v.r, tCall.ofID(id), "call_unknown", "call")
}

// Handovers lists the shift changes of a position, the newest first.
func (v *View) Handovers(position fusion.Number, limit int) ([]Handover, error) {
	var out []Handover
	err := v.r.Scan(tHandover.of(position), nil, true, func(k, data []byte) (bool, error) {
		var h Handover
		err := decode(k, data, &h)
		out = append(out, h)
		return len(out) < clampLimit(limit), err
	})
	return out, err
}

// newest copies at most limit keys of a time index in [from, to), the newest first.
func newest(r Reader, prefix key, from, to Millis, limit int, past key) ([]key, error) {
	var out []key
	_, err := newestFrom(r, prefix, past, from, to, func(k key) (bool, error) {
		out = append(out, append(key(nil), k...))
		return len(out) < clampLimit(limit), nil
	})
	return out, err
}

// newestFrom visits a time index in [from, to), the newest first, after the key past. It reports how many it visited.
func newestFrom(r Reader, prefix, past key, from, to Millis, visit func(key) (bool, error)) (int, error) {
	start := past
	if past == nil && to > 0 {
		start = append(key(nil), prefix...).millis(to)
	}
	visited := 0
	err := r.Scan(prefix, start, true, func(k, _ []byte) (bool, error) {
		if string(k) == string(past) {
			return true, nil
		}
		if Millis(lastU64(k[len(prefix):len(prefix)+8])) < from {
			return false, nil
		}
		visited++
		return visit(k)
	})
	return visited, err
}
