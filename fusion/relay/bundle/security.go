package bundle

import "fmt"

// Security contexts (RFC 9173 §6.1).
const (
	contextHMAC = 1 // BIB-HMAC-SHA2
	contextGCM  = 2 // BCB-AES-GCM
)

// Scope says what an operation covers besides its target's data (RFC 9173 §3.3.3, §4.3.4).
type Scope uint16

// The parts of a scope.
const (
	ScopePrimary  Scope = 1 << 0 // the primary block
	ScopeTarget   Scope = 1 << 1 // type, number and flags of the target
	ScopeSecurity Scope = 1 << 2 // type, number and flags of the security block

	scopeAll = ScopePrimary | ScopeTarget | ScopeSecurity
)

// maxOperations bounds the targets, parameters and results of one security block, each.
const maxOperations = 64

// field is a parameter or result of a security context: its CBOR is kept as it came.
type field struct {
	id  uint64
	raw []byte
}

// security is an abstract security block (RFC 9172 §3.6).
type security struct {
	targets []uint64
	context int64
	source  EID
	odd     bool
	params  []field
	results [][]field // of each target
}

// paramsPresent is the security context flag that says so.
const paramsPresent = 1

// parseSecurity reads the data of a security block: items one after another, with no array around them.
func parseSecurity(data []byte) (*security, error) {
	r := &reader{buf: data}
	s := &security{}
	for l := r.array(); r.more(&l); {
		s.targets = append(s.targets, r.uint())
		r.bound(len(s.targets))
	}
	s.context = r.int()
	flags := r.uint()
	s.source, s.odd = r.eid()
	if flags&paramsPresent != 0 {
		s.params = r.fields()
	}
	for l := r.array(); r.more(&l); {
		s.results = append(s.results, r.fields())
		r.bound(len(s.results))
	}
	if err := r.done(); err != nil {
		return nil, refuse(ErrSecurity, "%v", err)
	}
	if len(s.targets) == 0 || len(s.targets) != len(s.results) {
		return nil, refuse(ErrSecurity, "%d targets, results for %d", len(s.targets), len(s.results))
	}
	return s, nil
}

func (r *reader) bound(n int) {
	if n > maxOperations {
		r.fail(ErrTooLarge, "over %d", maxOperations)
	}
}

// fields reads an array of [id, value].
func (r *reader) fields() []field {
	var all []field
	for l := r.array(); r.more(&l); {
		pair := r.array()
		f := field{id: r.next(&pair).uint()}
		f.raw = r.next(&pair).item()
		r.end(&pair)
		all = append(all, f)
		r.bound(len(all))
	}
	return all
}

func appendFields(dst []byte, all []field) []byte {
	dst = appendArray(dst, len(all))
	for _, f := range all {
		dst = append(appendUint(appendArray(dst, 2), f.id), f.raw...)
	}
	return dst
}

func (s *security) append(dst []byte) []byte {
	dst = appendArray(dst, len(s.targets))
	for _, t := range s.targets {
		dst = appendUint(dst, t)
	}
	dst = appendInt(dst, s.context)
	if s.params == nil {
		dst = appendEID(appendUint(dst, 0), s.source, s.odd)
	} else {
		dst = appendFields(appendEID(appendUint(dst, paramsPresent), s.source, s.odd), s.params)
	}
	dst = appendArray(dst, len(s.results))
	for _, fields := range s.results {
		dst = appendFields(dst, fields)
	}
	return dst
}

// number reads a field that is an unsigned integer, or gives def when there is none.
func number(all []field, id, def uint64) (uint64, error) {
	raw, err := one(all, id)
	if raw == nil || err != nil {
		return def, err
	}
	r := reader{buf: raw}
	n := r.uint()
	if err := r.done(); err != nil {
		return 0, refuse(ErrSecurity, "field %d: %v", id, err)
	}
	return n, nil
}

// octets reads a field that is a byte string, or gives nil when there is none.
func octets(all []field, id uint64) ([]byte, error) {
	raw, err := one(all, id)
	if raw == nil || err != nil {
		return nil, err
	}
	r := reader{buf: raw}
	b := r.bytes()
	if err := r.done(); err != nil {
		return nil, refuse(ErrSecurity, "field %d: %v", id, err)
	}
	return b, nil
}

// one finds the field of an id, of which there must not be two.
func one(all []field, id uint64) (raw []byte, err error) {
	for _, f := range all {
		if f.id != id {
			continue
		}
		if raw != nil {
			return nil, refuse(ErrSecurity, "field %d twice", id)
		}
		raw = f.raw
	}
	return raw, nil
}

// scope reads the scope flags. Flags that are not known cannot be covered, so the operation cannot be checked.
func (s *security) scope(id uint64) (Scope, error) {
	n, err := number(s.params, id, uint64(scopeAll))
	if err == nil && n > uint64(scopeAll) {
		err = refuse(ErrSecurity, "scope %#x", n)
	}
	return Scope(n), err
}

// Operation is one security operation in a bundle: a service on a target.
type Operation struct {
	Block   uint64    // the security block
	Service BlockType // IntegrityBlock or ConfidentialityBlock
	Target  uint64    // block number; PrimaryNumber is the primary block
	Source  EID       // who is said to have added it
	Wrapped []byte    // the key that the bundle carries, wrapped; nil when it carries none
}

// Keys gives the keys that may fit, or none. There may be several, old and new; a wrapped key it unwraps, by UnwrapKey.
type Keys func(op Operation) [][]byte

// Result is what came of an operation.
type Result uint8

// The results.
const (
	Passed      Result = iota // signature good, or decrypted
	Forged                    // signature or tag does not fit any key
	NoKey                     // not checked: we have none
	Unsupported               // not checked: a security context or variant that is not known here
	Hidden                    // not checked: target or signature is encrypted for somebody else
	Missing                   // not checked: the target is not there any more
	Malformed                 // not as RFC 9173 has it
)

var resultNames = [...]string{"passed", "forged", "no_key", "unsupported", "hidden", "missing", "malformed"}

func (r Result) String() string {
	if int(r) < len(resultNames) {
		return resultNames[r]
	}
	return fmt.Sprintf("result(%d)", uint8(r))
}

// Outcome is an operation and what came of it.
type Outcome struct {
	Operation
	Result Result
}

// Covered reports whether an operation of that source on that target passed.
func Covered(all []Outcome, service BlockType, target uint64, source EID) bool {
	for _, o := range all {
		if o.Result == Passed && o.Service == service && o.Target == target && o.Source == source {
			return true
		}
	}
	return false
}

// guard is a security block with what was read of it.
type guard struct {
	block uint64
	kind  BlockType
	*security
}

// guards reads all security blocks and checks them against one another (RFC 9172 §3.2, §3.7–3.9).
func (b *Bundle) guards() ([]guard, error) {
	var all []guard
	hidden := b.hidden()
	for i := range b.Blocks {
		c := &b.Blocks[i]
		if c.Type != IntegrityBlock && c.Type != ConfidentialityBlock {
			continue
		}
		if c.Type == IntegrityBlock && hidden[c.Number] {
			continue
		}
		s, err := parseSecurity(c.Data)
		if err != nil {
			return nil, fmt.Errorf("block %d: %w", c.Number, err)
		}
		all = append(all, guard{c.Number, c.Type, s})
	}
	return all, b.checkTargets(all)
}

// hidden gives the blocks whose data is encrypted. Blocks that cannot be read hide nothing; guards says so.
func (b *Bundle) hidden() map[uint64]bool {
	var all map[uint64]bool
	for i := range b.Blocks {
		if b.Blocks[i].Type != ConfidentialityBlock {
			continue
		}
		s, err := parseSecurity(b.Blocks[i].Data)
		if err != nil {
			continue
		}
		if all == nil {
			all = map[uint64]bool{}
		}
		for _, t := range s.targets {
			all[t] = true
		}
	}
	return all
}

func (b *Bundle) checkTargets(all []guard) error {
	type operation struct {
		kind   BlockType
		target uint64
	}
	seen := map[operation]bool{}
	for _, g := range all {
		for _, t := range g.targets {
			op := operation{g.kind, t}
			if seen[op] {
				return refuse(ErrSecurity, "two operations of type %d on block %d", g.kind, t)
			}
			seen[op] = true
			if !b.canTarget(g.kind, t) && (t == PrimaryNumber || b.Block(t) != nil) {
				return refuse(ErrSecurity, "an operation of type %d on block %d", g.kind, t)
			}
		}
	}
	return nil
}

// canTarget: a BIB has no security block as target, a BCB neither the primary block nor a BCB; the target is there.
func (b *Bundle) canTarget(kind BlockType, target uint64) bool {
	if target == PrimaryNumber {
		return kind == IntegrityBlock
	}
	c := b.Block(target)
	switch {
	case c == nil || c.Type == ConfidentialityBlock:
		return false
	case c.Type == IntegrityBlock:
		return kind == ConfidentialityBlock
	}
	return true
}

// dropOperations takes the operations on a target that is gone out of all security blocks, and those out that have none left.
func (b *Bundle) dropOperations(target uint64) {
	for i := 0; i < len(b.Blocks); i++ {
		c := &b.Blocks[i]
		if c.Type != IntegrityBlock && c.Type != ConfidentialityBlock {
			continue
		}
		if s, err := parseSecurity(c.Data); err == nil && s.drop(target) {
			if gone := c.Number; !b.update(c, s) {
				b.dropOperations(gone)
				i = -1
			}
		}
	}
}

// drop takes the operation on a target out and reports whether there was one.
func (s *security) drop(target uint64) bool {
	for i, t := range s.targets {
		if t == target {
			s.targets = append(s.targets[:i], s.targets[i+1:]...)
			s.results = append(s.results[:i], s.results[i+1:]...)
			return true
		}
	}
	return false
}

// update writes a security block again, or takes it out when it has no operation left; then it reports false.
func (b *Bundle) update(c *Block, s *security) bool {
	if len(s.targets) > 0 {
		c.Data = s.append(nil)
		return true
	}
	for i := range b.Blocks {
		if &b.Blocks[i] == c {
			b.Blocks = append(b.Blocks[:i], b.Blocks[i+1:]...)
			break
		}
	}
	return false
}

// covered writes what an operation covers besides its target's data: the scope flags and what they name (RFC 9173 §3.7, §4.7.2).
func (b *Bundle) covered(dst []byte, scope Scope, target uint64, by *Block) []byte {
	dst = appendUint(dst, uint64(scope))
	if scope&ScopePrimary != 0 && target != PrimaryNumber {
		dst = b.Primary.append(dst)
	}
	if c := b.Block(target); scope&ScopeTarget != 0 && c != nil {
		dst = c.appendHeader(dst)
	}
	if scope&ScopeSecurity != 0 {
		dst = by.appendHeader(dst)
	}
	return dst
}
