// Package talk is the controlling function of the live plane (TS 24.380's floor control server and what joins
// it to media): for each conversation it holds one floor, one stream at a time, and the seats of those
// who take part; it opens a recording when a burst begins and closes it when it ends.
//
// A conversation is a talk group, a patch of groups (one floor, each leg once), a private call under a floor, or a
// full-duplex call. All of it is memory only: nothing here waits for disk or Raft.
//
// On a site of several nodes the arbiter's exchange is the floor of every group, for the legs of all nodes; the others follow it (see DESIGN.md).
//
// Transports hand in legs; clients and transports call it; it knows neither. Any package may import it but pure ones.
package talk
