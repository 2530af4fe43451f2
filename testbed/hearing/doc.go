// Package hearing judges by numbers whether what a listener's device played is what the talker said.
//
// A recording is first laid over the reference: one lag for the whole by cross-correlation (Align), then a lag that may wander by
// up to 100 ms (Follow), because a jitter buffer stretches and shortens speech while it adapts, which a person does not hear. Then:
//   - Spectral is the correlation of the two log-mel spectrograms over the frames that hold speech.
//   - STOI is the short-time objective intelligibility of Taal, Hendriks, Heusdens and Jensen (IEEE TASLP 19(7), 2011).
//   - Syllables finds each syllable of the reference in the recording, or names it as missing.
//   - ClippedHead and ClippedTail say how much of the reference's beginning and end is not there.
//
// Nothing here knows where the sound came from. All functions are pure; the same samples give the same figures.
// Only tests, testbed and cmd/guantong-drill may import it.
package hearing
