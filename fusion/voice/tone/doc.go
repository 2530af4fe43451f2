// Package tone makes and finds the tones of telephony in 16 kHz PCM: call progress tones, DTMF, and voice activity.
//
// Generators, the DTMF detector and muter, and the voice detector take PCM in pieces of any length, keep their state between calls,
// allocate nothing once made, and read no clock: time is counted in samples. Each is for one goroutine at a time.
// Pure: no I/O. Any package may import it.
package tone
