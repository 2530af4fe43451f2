package bundle

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/guantong-net/guantong/fusion"
)

// URI schemes of endpoint IDs (RFC 9171 §9.7).
const (
	schemeDTN = 1
	schemeIPN = 2
)

// localNode is the ipn node number that means "this node" (RFC 9758 §3.4.2); it never travels.
const localNode = 1<<32 - 1

// maxName bounds the rest of a dtn endpoint ID, in octets.
const maxName = 1023

// EID is an endpoint ID (RFC 9171 §4.2.5). Its zero value is dtn:none. EIDs are equal when they name the same, however they were written.
type EID struct {
	scheme  uint8
	node    uint64 // ipn: allocator in the upper half, node number in the lower (RFC 9758 §3.3)
	service uint64 // ipn
	name    string // dtn: what follows "dtn:"
}

// IPN is an endpoint of the ipn scheme. Service 0 is the node's own: its node ID.
func IPN(node uint32, service uint64) EID {
	return EID{scheme: schemeIPN, node: uint64(node), service: service}
}

// IPNAt is an endpoint of the ipn scheme whose node number was given out by an allocator other than the default one (RFC 9758 §3.2).
func IPNAt(allocator, node uint32, service uint64) EID {
	return EID{scheme: schemeIPN, node: uint64(allocator)<<32 | uint64(node), service: service}
}

// Site is the node ID of a site: its number is its ipn node number.
func Site(s fusion.Site) EID { return IPN(uint32(s), 0) }

// IsIPN reports whether e is of the ipn scheme.
func (e EID) IsIPN() bool { return e.scheme == schemeIPN }

// Allocator gives the ipn allocator: 0 is the default one.
func (e EID) Allocator() uint32 { return uint32(e.node >> 32) }

// Node gives the ipn node number.
func (e EID) Node() uint32 { return uint32(e.node) }

// Service gives the ipn service number.
func (e EID) Service() uint64 { return e.service }

// IsNone reports whether e is nobody: dtn:none or ipn:0.0.
func (e EID) IsNone() bool {
	return e == EID{} || e == EID{scheme: schemeIPN}
}

// NodeID gives the ID of the node that e is at: its administrative endpoint (RFC 9171 §4.2.5.2).
func (e EID) NodeID() EID {
	switch e.scheme {
	case schemeIPN:
		e.service = 0
	case schemeDTN:
		if host, ok := strings.CutPrefix(e.name, "//"); ok {
			host, _, _ = strings.Cut(host, "/")
			e.name = "//" + host + "/"
		}
	}
	return e
}

// String writes e as a URI.
func (e EID) String() string {
	switch {
	case e.scheme == schemeIPN && e.Allocator() != 0:
		return fmt.Sprintf("ipn:%d.%d.%d", e.Allocator(), e.Node(), e.service)
	case e.scheme == schemeIPN:
		return fmt.Sprintf("ipn:%d.%d", e.Node(), e.service)
	case e.scheme == schemeDTN:
		return "dtn:" + e.name
	}
	return "dtn:none"
}

// MarshalText writes e as a URI.
func (e EID) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads a URI.
func (e *EID) UnmarshalText(text []byte) error {
	got, err := ParseEID(string(text))
	if err == nil {
		*e = got
	}
	return err
}

// ParseEID reads a URI: dtn:none, dtn://NODE/SERVICE, ipn:NODE.SERVICE or ipn:ALLOCATOR.NODE.SERVICE.
func ParseEID(uri string) (EID, error) {
	if uri == "dtn:none" {
		return EID{}, nil
	}
	if name, ok := strings.CutPrefix(uri, "dtn:"); ok {
		e := EID{scheme: schemeDTN, name: name}
		return e, e.check()
	}
	rest, ok := strings.CutPrefix(uri, "ipn:")
	if !ok {
		return EID{}, refuse(ErrScheme, "%.40q", uri)
	}
	fields := strings.Split(rest, ".")
	if len(fields) < 2 || len(fields) > 3 {
		return EID{}, refuse(ErrMalformed, "%.40q", uri)
	}
	var n [3]uint64
	for i, f := range fields {
		width := 32
		if i == len(fields)-1 {
			width = 64
		}
		v, err := strconv.ParseUint(f, 10, width)
		if err != nil || f != strconv.FormatUint(v, 10) {
			return EID{}, refuse(ErrMalformed, "%.40q", uri)
		}
		n[3-len(fields)+i] = v
	}
	e := EID{scheme: schemeIPN, node: n[0]<<32 | n[1], service: n[2]}
	return e, e.check()
}

// check refuses what cannot travel.
func (e EID) check() error {
	switch {
	case e.scheme == schemeIPN && e.node == localNode:
		return refuse(ErrLocalNode, "%s", e)
	case e.scheme == schemeDTN && len(e.name) > maxName:
		return refuse(ErrTooLarge, "an endpoint ID of %d octets", len(e.name))
	case e.scheme == schemeDTN && !strings.HasPrefix(e.name, "//"):
		return refuse(ErrMalformed, "endpoint ID dtn:%.40q", e.name)
	case e.scheme == schemeDTN && strings.ContainsFunc(e.name, func(c rune) bool { return c <= ' ' || c > '~' }):
		return refuse(ErrMalformed, "endpoint ID dtn:%.40q", e.name)
	}
	return nil
}

// eid reads an endpoint ID. Odd tells that it came in the form that we would not write.
func (r *reader) eid() (e EID, odd bool) {
	l := r.array()
	switch scheme := r.next(&l).uint(); {
	case r.err != nil:
		return EID{}, false
	case scheme == schemeDTN:
		e = r.next(&l).dtn()
	case scheme == schemeIPN:
		e, odd = r.next(&l).ipn()
	default:
		r.fail(ErrScheme, "scheme %d", scheme)
	}
	r.end(&l)
	if r.err != nil {
		return EID{}, false
	}
	if err := e.check(); err != nil {
		r.err = err
		return EID{}, false
	}
	return e, odd
}

// dtn reads what follows the scheme: a name, or 0 for none.
func (r *reader) dtn() EID {
	if r.err == nil && r.at < len(r.buf) && r.buf[r.at]>>5 == majorText {
		name := r.text()
		if string(name) == "none" {
			return EID{}
		}
		if len(name) > maxName {
			r.fail(ErrTooLarge, "an endpoint ID of %d octets", len(name))
			return EID{}
		}
		return EID{scheme: schemeDTN, name: string(name)}
	}
	if r.uint() != 0 {
		r.fail(ErrMalformed, "a dtn endpoint ID")
	}
	return EID{}
}

// ipn reads what follows the scheme: [node, service] or [allocator, node, service] (RFC 9758 §6.1).
func (r *reader) ipn() (e EID, odd bool) {
	l := r.array()
	a, b := r.next(&l).uint(), r.next(&l).uint()
	if !r.more(&l) {
		e = EID{scheme: schemeIPN, node: a, service: b}
		return e, e.Allocator() != 0
	}
	if a > localNode || b > localNode {
		r.fail(ErrMalformed, "ipn allocator %d, node %d", a, b)
	}
	e = EID{scheme: schemeIPN, node: a<<32 | b, service: r.uint()}
	r.end(&l)
	return e, e.Allocator() == 0
}

// appendEID writes e: two elements for the default allocator, three for any other, or the reverse when odd.
func appendEID(dst []byte, e EID, odd bool) []byte {
	switch {
	case e.scheme == schemeDTN:
		dst = append(dst, majorArray<<5|2, schemeDTN)
		return append(appendHead(dst, majorText, uint64(len(e.name))), e.name...)
	case e.scheme != schemeIPN:
		return append(dst, majorArray<<5|2, schemeDTN, 0)
	}
	dst = append(dst, majorArray<<5|2, schemeIPN)
	if (e.Allocator() != 0) != odd {
		dst = appendUint(appendUint(appendArray(dst, 3), uint64(e.Allocator())), uint64(e.Node()))
	} else {
		dst = appendUint(appendArray(dst, 2), e.node)
	}
	return appendUint(dst, e.service)
}

// eidSize is how many octets appendEID writes.
func eidSize(e EID, odd bool) int {
	switch {
	case e.scheme == schemeDTN:
		return 2 + headSize(uint64(len(e.name))) + len(e.name)
	case e.scheme != schemeIPN:
		return 3
	case (e.Allocator() != 0) != odd:
		return 3 + headSize(uint64(e.Allocator())) + headSize(uint64(e.Node())) + headSize(e.service)
	}
	return 3 + headSize(e.node) + headSize(e.service)
}
