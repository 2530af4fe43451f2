// Package floor is floor control (话权) after 3GPP TS 24.380: who may talk, who waits, who is cut off, and why.
//
// It holds two machines and no clock, goroutine, lock or I/O. A caller hands in the time and an input, and gets back
// what to tell whom:
//
//   - Machine is the floor control server of one floor: a talk group, a patch (派接) of several, a broadcast group,
//     or a half-duplex private call (TS 24.380 §6.3.4 and §6.3.5).
//   - Client is the floor participant (§6.2.4), for the SDK, the telephone legs and the field terminal.
//
// Both run from one declared table each (table.go, client_table.go): state × input → guard, actions, next state, clause.
// `go test ./fusion/floor -run Table -v` prints them and proves that the code does what they say and nothing else.
//
// Invariants, kept by property tests:
//
//   - at most one participant talks; BurstEnd of the old one comes before BurstStart of the new one, and every
//     BurstStart has exactly one BurstEnd;
//   - every request is answered: granted, denied, or queued and later granted, cancelled or withdrawn;
//   - an emergency is granted in the very call that raises it, unless another emergency has the floor; then it is
//     next, and the one before it has a talk limit;
//   - the queue is in order of rank, then of arrival, and whoever's place changes is told;
//   - outputs name joined participants only; a participant may leave at any moment.
//
// A Machine is not safe for concurrent use: whoever owns it serialises. Who may clear, raise or revoke is decided by the
// caller, who also audits it; the machine only checks what its Participant says about itself.
//
// The package is pure; any package may import it.
package floor
