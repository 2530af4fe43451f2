// Package sdk is the Go client of a Guantong node: what PROTOCOL.md says, with Go types and errors.
//
// A Client calls; an Events stream reads the durable events without gap or repeat, through any number of broken connections;
// a Session is one WebSocket, with which one joins conversations and asks for the floor. Media is by whatever makes an SDP
// offer: media.Dial (clients/sdk/media) takes Session.Offer as it is. A refusal by the server is a *fusion.Error.
//
// A Client knows the site's nodes and asks the next one when its own does not answer: what changes something has an ID and is done once.
// Roam stays at the site: when its node dies, also without a word, the Roamer is at another one within a heartbeat or three, in its conversations, with
// its events where they were, and talking if it was. media.Line carries speech along.
//
// It imports no server package but wire, so it can be taken into any program. Tests and the drill are built on it.
package sdk
