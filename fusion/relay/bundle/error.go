package bundle

import (
	"fmt"

	"github.com/guantong-net/guantong/fusion"
)

// What a bundle can be refused for. Errors wrap one of these; compare with errors.Is, or ask fusion.FaultOf who is at fault.
//
// At fault is whoever wrote the octets.
var (
	ErrTruncated = fusion.E(fusion.BadRequest, "bundle_truncated", "ends within an item")
	ErrTrailing  = fusion.E(fusion.BadRequest, "bundle_trailing", "octets after the bundle")
	ErrNotBundle = fusion.E(fusion.BadRequest, "bundle_unknown", "not a bundle of version 7")
	ErrMalformed = fusion.E(fusion.BadRequest, "bundle_malformed", "not as RFC 9171 has it")
	ErrNegative  = fusion.E(fusion.BadRequest, "bundle_negative", "a negative number where there can be none")
	ErrTooLarge  = fusion.E(fusion.BadRequest, "bundle_too_large", "more than is taken")
	ErrDuplicate = fusion.E(fusion.BadRequest, "bundle_block_twice", "a block that may be there once is there twice")
	ErrCRC       = fusion.E(fusion.BadRequest, "bundle_crc", "altered on the way")
	ErrScheme    = fusion.E(fusion.BadRequest, "endpoint_scheme", "an endpoint ID of a scheme that is not known here")
	ErrLocalNode = fusion.E(fusion.BadRequest, "endpoint_local", "an endpoint ID that means its own node only")
	ErrSecurity  = fusion.E(fusion.BadRequest, "security_malformed", "a security block not as RFC 9172 has it")
)

// At fault is the sender or the road: too late, too early, too far, or two that contradict each other.
var (
	ErrExpired  = fusion.E(fusion.BadRequest, "bundle_expired", "out of lifetime")
	ErrFuture   = fusion.E(fusion.BadRequest, "bundle_future", "created later than now")
	ErrNoAge    = fusion.E(fusion.BadRequest, "bundle_no_age", "made without a clock, and without an age block")
	ErrHopLimit = fusion.E(fusion.BadRequest, "bundle_hops", "over its hop limit")
	ErrFragment = fusion.E(fusion.BadRequest, "bundle_fragment", "a fragment where there can be none, or the reverse")
	ErrOverlap  = fusion.E(fusion.Conflict, "fragment_overlap", "fragments that overlap and differ")
	ErrFull     = fusion.E(fusion.Full, "fragments_full", "no room for more fragments")
)

// At fault is whoever claims to be the source, or we, who lack its key.
var (
	ErrForged               = fusion.E(fusion.NotAllowed, "security_forged", "signature or tag does not fit")
	ErrNoKey                = fusion.E(fusion.NotAllowed, "security_no_key", "no key of the security source")
	ErrConflictingOperation = fusion.E(fusion.Conflict, "security_conflict", "the target has this operation already, or cannot have it")
)

// At fault are we: the caller of this package.
var (
	ErrUnencodable = fusion.E(fusion.Broken, "bundle_unencodable", "a bundle that cannot be written")
	ErrKey         = fusion.E(fusion.Broken, "security_key", "a key or nonce of the wrong length")
	ErrOrder       = fusion.E(fusion.Broken, "security_order", "sign the primary block before anything else")
	ErrTooSmall    = fusion.E(fusion.Broken, "fragment_too_small", "no octet of payload fits")
)

// refuse adds where and what to a sentinel.
func refuse(sentinel *fusion.Error, format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), sentinel)
}
