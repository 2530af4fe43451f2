// Package bundle is the Bundle Protocol version 7 (RFC 9171): the unit of store-and-forward (待传件) between sites, on a CBOR codec of its own.
//
// It has the primary block, canonical blocks, endpoint IDs of the ipn scheme (RFC 9758) and the dtn scheme, CRCs, the blocks that
// travel with a bundle (previous node, age, hop count, precedence, ION's class of service), status reports, fragments and their
// reassembly, and the security blocks of RFC 9172 and 9173 (BIB-HMAC-SHA2, BCB-AES-GCM) with keys that are handed in.
//
// The life of a bundle:
//
//	out:  fill Primary, New, SetPrecedence, SetHops → Sign or Seal → Append; Cut where a bearer takes less
//	in:   Decode → CheckTime → ProcessUnknown → Reassembler.Add for a fragment → Verify (on the way) or Accept (at the end)
//	on:   Hop, SetAge, SetPreviousNode → Append
//
// Invariants, kept by property tests and fuzz targets:
//
//   - whatever Append writes is deterministic CBOR (RFC 8949 §4.2.1), the outer array aside, which the RFC wants indefinite;
//   - Decode(Append(b)) is b, and Append(Decode(raw)) is stable: it decodes to the same bundle and encodes to the same octets;
//   - nothing that arrives makes the package panic, recurse, or hold more memory than Limits and Hold allow;
//   - a reassembled bundle is the one that was cut, octet for octet, so that its signatures hold;
//   - every refusal is one of the sentinels in error.go, and its Fault says who is at fault.
//
// What Decode gives refers to the octets that it was given: they must not change while the bundle is in use, and Clone parts them.
// A Bundle is not safe for concurrent use.
//
// The package is pure: the time, nonces and keys come in. Any package may import it.
package bundle
