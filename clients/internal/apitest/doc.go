// Package apitest runs an API server for tests: over TLS on loopback, on a record plane in memory that really applies
// commands, and on the real live plane. Only tests under clients import it.
package apitest
