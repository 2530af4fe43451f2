// Package speech is the reference speech of the drills: four short sentences, each in a voice of its own, and the WAV files
// that carry them to a fake microphone or a telephone.
//
// The recordings were made once by espeak-ng (see Sentences for the words) and are part of the package, so that each run compares against the same
// samples on every machine. All sound is mono, 16 bit.
//
// Only tests, testbed and cmd/guantong-drill may import it.
package speech
