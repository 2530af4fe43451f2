package jitter

// slots is how many packets wait at most: 1.3 s of 20 ms packets.
const slots = 64

// slot holds one packet; its payload's memory is used again.
type slot struct {
	seq     uint16
	at      int64 // position on the line
	length  int64
	payload []byte
}

// queue is the packets that wait, in the order of their positions.
type queue struct {
	slots [slots]slot
	order [slots]uint8 // the first n are waiting, the rest are free
	n     int
}

func (q *queue) init() {
	for i := range q.order {
		q.order[i] = uint8(i)
	}
}

func (q *queue) first() *slot { return &q.slots[q.order[0]] }

func (q *queue) pop() {
	head := q.order[0]
	copy(q.order[:q.n-1], q.order[1:q.n])
	q.n--
	q.order[q.n] = head
}

// insert puts a packet in its place. It reports false when one is there already; the queue must not be full.
func (q *queue) insert(seq uint16, at, length int64, payload []byte) bool {
	i := q.n
	for i > 0 && q.slots[q.order[i-1]].at > at {
		i--
	}
	if i > 0 && q.slots[q.order[i-1]].at == at {
		return false
	}
	free := q.order[q.n]
	copy(q.order[i+1:q.n+1], q.order[i:q.n])
	q.order[i] = free
	q.n++
	s := &q.slots[free]
	s.seq, s.at, s.length = seq, at, length
	s.payload = append(s.payload[:0], payload...)
	return true
}

// history remembers which of the last 64 sequence numbers came.
type history struct {
	started bool
	newest  uint16
	seen    uint64 // bit n: newest-n came
}

// add reports whether seq is new. Numbers far away begin a new history.
func (h *history) add(seq uint16) bool {
	d := int16(seq - h.newest)
	switch {
	case !h.started || d <= -64 || d >= 1024:
		*h = history{started: true, newest: seq, seen: 1}
		return true
	case d > 0:
		h.newest = seq
		if d < 64 {
			h.seen = h.seen<<d | 1
		} else {
			h.seen = 1
		}
		return true
	}
	bit := uint64(1) << -d
	fresh := h.seen&bit == 0
	h.seen |= bit
	return fresh
}
