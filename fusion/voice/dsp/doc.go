// Package dsp holds the signal processing that speech needs inside a node: a polyphase resampler, a time scaler
// that shortens speech without changing its pitch, a soft limiter, and level measurement.
//
// Invariants: everything works on 16-bit mono PCM in caller-owned slices, keeps its state between calls, allocates
// nothing once made, and gives the same output for the same input on every machine of one architecture.
// Pure: no I/O, no clock, no goroutine. Any package may import it.
package dsp
