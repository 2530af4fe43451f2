// Package jitter plays the packets of one talker out as 20 ms frames of 16 kHz PCM: it puts them in order, hides
// losses, and keeps no more delay than the path's jitter asks for.
//
// Delay is measured, not guessed: the fastest packet of the last seconds is the base, the 96th percentile of what
// the others needed beyond it is the target. A packet is due at its own time + base + target. When playing lags
// behind that, speech is shortened without changing its pitch, up to 1.5 times as fast and twice in silence, so
// a lag of up to 400 ms is gone within a second; what lags more is skipped and counted. A silence in which the talker sends
// nothing (DTX) is no loss. Numbers that jump are fitted to the time at which they came, so a peer that lies about
// its timestamps or restarts costs at most a joint.
//
// Invariants: time is handed in; nothing allocates once the slots have grown to the stream's packets; the buffer holds at
// most 64 packets; every packet is played, or counted under the reason why not. Player is for one
// goroutine at a time. Only fusion/voice and media edges import it.
package jitter
