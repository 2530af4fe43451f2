// Package floating moves one address from node to node with the leader of the site, for clients that know a single address: telephones, above all.
//
// The address is given to the kernel with a lifetime of a few seconds and renewed: a process that was killed or stands still loses it by itself, and so does
// one that is cut off, when it finds that it leads no more. Whoever takes it tells the neighbours (gratuitous ARP, RFC 5227 §3; unsolicited neighbour
// advertisement, RFC 4861 §7.2.6), several times, since two nodes may have it for as long as the lifetime.
//
// It needs CAP_NET_ADMIN and CAP_NET_RAW, and Linux. Imported by cmd.
package floating
