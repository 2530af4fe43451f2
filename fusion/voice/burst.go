package voice

import "time"

const (
	burstBytes   = 32 << 10 // payload kept: 8 s of Opus, 4 s of G.711, 1 s of L16
	burstPackets = 256
)

// record is one kept packet.
type record struct {
	at, n   int // in the arena
	seq     uint16
	marker  bool
	stamp   uint32
	arrived time.Time
}

// burst keeps the last packets of a stream for those who come late and for the decoder. Packets are counted from
// the first of the stream: head is the oldest that is kept, tail the one that comes next. It never allocates.
type burst struct {
	arena      [burstBytes]byte
	records    [burstPackets]record
	head, tail uint64
	write      int // next free byte of the arena
	keep       time.Duration
}

func (b *burst) reset(keep time.Duration) { b.head, b.tail, b.write, b.keep = 0, 0, 0, keep }

func (b *burst) record(i uint64) *record { return &b.records[i%burstPackets] }

// add keeps a packet; the oldest give way by age, by number and by bytes.
func (b *burst) add(p *Packet) {
	n := len(p.Payload)
	at := b.write
	if at+n > burstBytes {
		b.free(at, burstBytes)
		at = 0
	}
	b.free(at, at+n)
	for b.head < b.tail && (b.tail-b.head == burstPackets || p.Arrived.Sub(b.record(b.head).arrived) > b.keep) {
		b.head++
	}
	copy(b.arena[at:], p.Payload)
	*b.record(b.tail) = record{at: at, n: n, seq: p.Seq, marker: p.Marker, stamp: p.Time, arrived: p.Arrived}
	b.tail++
	b.write = at + n
}

// free drops the oldest packets while they lie in arena[from:to].
func (b *burst) free(from, to int) {
	for b.head < b.tail {
		r := b.record(b.head)
		if r.at >= to || r.at+r.n <= from {
			return
		}
		b.head++
	}
}

func (b *burst) payload(r *record) []byte { return b.arena[r.at : r.at+r.n] }

// whole reports that the stream's first packet is still there, or has not come yet.
func (b *burst) whole() bool { return b.head == 0 }

// since is the oldest kept packet that arrived after t.
func (b *burst) since(t time.Time) uint64 {
	i := b.tail
	for i > b.head && b.record(i-1).arrived.After(t) {
		i--
	}
	return i
}

// age is how long ago the stream's oldest kept packet came, 0 when there is none.
func (b *burst) age(now time.Time) time.Duration {
	if b.head == b.tail {
		return 0
	}
	return now.Sub(b.record(b.head).arrived)
}
