// Package trust holds the site's certificate authority: it makes the CA when a site begins and issues the certificates of its
// nodes. Keys are ECDSA P-256; what is signed names its algorithm, so that another can take its place.
//
// It works on PEM in memory; reading and writing files is the caller's. Package cmd and cluster use it.
package trust
