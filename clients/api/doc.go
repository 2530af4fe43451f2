// Package api serves clients: HTTP and one WebSocket, JSON, as clients/wire/PROTOCOL.md writes it down and openapi.yaml
// describes it. It answers who you are, what you may do and see, and takes what you change to the record plane.
//
// Invariants:
//   - Every right is checked here, on every call and for every event that goes out; the page is never trusted.
//   - Nothing that arrives is read without a limit, and limits per source act before anything is allocated.
//   - Every change is audited, the refused ones too; a flood of refusals is counted, not written one by one.
//   - A connection's memory is bounded: live state is coalesced, durable events are read again, and who
//     cannot keep up is let go with a reason.
//   - No secret leaves but the one that was just made, once; and its own session's token to a page, so that it can go on at another node.
//   - Pages of the site's other nodes may call here (CORS), by that token and never by a cookie.
//
// It imports no cluster and no transport: it declares what it needs (Deps) and cmd wires it.
package api
