package telephone

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// nonces makes and checks digest nonces without remembering those it made (RFC 7616 §5.4): a nonce is its time, a serial
// and a MAC over both and the address it was made for. What is remembered is the counts of those in use, and that is bounded.
type nonces struct {
	key  [32]byte
	life time.Duration
	max  int

	mu     sync.Mutex
	serial uint64
	used   map[string]*nonceUse
	order  []string  // of first use, oldest first
	floor  time.Time // nonces made before are stale: one of them has been forgotten
}

type nonceUse struct {
	top  uint32 // highest count seen
	seen uint64 // bit i: top-i was seen
	made time.Time
}

type nonceState int

const (
	nonceGood nonceState = iota
	nonceStale
	nonceForged
)

const nonceBytes = 8 + 8 + 16

func newNonces(key [32]byte, life time.Duration, max int) *nonces {
	return &nonces{key: key, life: life, max: max, used: make(map[string]*nonceUse)}
}

func (n *nonces) mac(b []byte, addr netip.Addr) []byte {
	h := hmac.New(sha256.New, n.key[:])
	h.Write(b)
	a := addr.Unmap().As16()
	h.Write(a[:])
	return h.Sum(nil)[:16]
}

// make gives a nonce that only a peer at addr can use.
func (n *nonces) make(now time.Time, addr netip.Addr) string {
	n.mu.Lock()
	n.serial++
	serial := n.serial
	n.mu.Unlock()
	b := make([]byte, 16, nonceBytes)
	binary.BigEndian.PutUint64(b, uint64(now.UnixMilli()))
	binary.BigEndian.PutUint64(b[8:], serial)
	b = append(b, n.mac(b, addr)...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// check reads the nonce's MAC and age. It remembers nothing.
func (n *nonces) check(now time.Time, nonce string, addr netip.Addr) (nonceState, time.Time) {
	var buf [nonceBytes]byte
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceBytes) {
		return nonceForged, time.Time{}
	}
	if _, err := base64.RawURLEncoding.Decode(buf[:], []byte(nonce)); err != nil {
		return nonceForged, time.Time{}
	}
	if !hmac.Equal(buf[16:], n.mac(buf[:16], addr)) {
		return nonceForged, time.Time{}
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(buf[:])))
	if age := now.Sub(made); age > n.life || age < -time.Minute {
		return nonceStale, made
	}
	return nonceGood, made
}

// use takes count nc of a nonce that check found good; each count is taken once (RFC 7616 §3.4). A nonce whose
// counts have been forgotten is stale, so that forgetting never makes a replay possible.
func (n *nonces) use(nonce string, made time.Time, nc uint32) nonceState {
	n.mu.Lock()
	defer n.mu.Unlock()
	if made.Before(n.floor) || nc == 0 {
		return nonceStale
	}
	u := n.used[nonce]
	if u == nil {
		if nc != 1 {
			return nonceStale
		}
		n.forget()
		n.used[nonce] = &nonceUse{top: 1, seen: 1, made: made}
		n.order = append(n.order, nonce)
		return nonceGood
	}
	return u.take(nc)
}

func (u *nonceUse) take(nc uint32) nonceState {
	switch {
	case nc > u.top:
		u.seen = u.seen<<min(nc-u.top, 64) | 1
		u.top = nc
	case u.top-nc >= 64 || u.seen>>(u.top-nc)&1 == 1:
		return nonceStale
	default:
		u.seen |= 1 << (u.top - nc)
	}
	return nonceGood
}

// forget drops the oldest use when the table is full.
func (n *nonces) forget() {
	for len(n.order) >= n.max {
		old := n.used[n.order[0]]
		delete(n.used, n.order[0])
		n.order = n.order[1:]
		if old != nil && old.made.Add(time.Millisecond).After(n.floor) {
			n.floor = old.made.Add(time.Millisecond)
		}
	}
}

// expire drops the uses whose nonce is too old to be used again.
func (n *nonces) expire(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := 0
	for ; i < len(n.order); i++ {
		u := n.used[n.order[i]]
		if u != nil && now.Sub(u.made) <= n.life {
			break
		}
		delete(n.used, n.order[i])
	}
	n.order = append([]string(nil), n.order[i:]...)
}
