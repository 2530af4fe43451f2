// Package identity proves who somebody is and says what they may do: passwords (argon2id, RFC 9106), one-time codes
// (TOTP, RFC 6238), sessions, the slowing down of guessers, and the table of rights.
//
// Invariants:
//   - Passwords are only ever kept as PHC strings; session tokens only as their SHA-256.
//   - The memory that password checks take is bounded, and a flood of log-ins from strangers cannot take the share of
//     addresses that have logged in before (the duty desk).
//   - A thousand wrong passwords slow down the address that they come from, and nobody else.
//   - A one-time code works once.
//   - Clocks and random numbers are handed in.
//
// Nothing here touches disk, network or the record plane. Any package but pure ones may import it.
package identity
