// Package disk is storage that fails on demand: it hangs, errs, or is full.
//
// Only tests and cmd/guantong-drill import it.
package disk
