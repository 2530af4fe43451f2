// Package voice is the voice switch: legs in, one stream, legs out.
//
// A stream is the speech of one talker: a talk burst, or one side of a full-duplex call. Its packets go untouched to
// every leg that takes the same codec; for the others they are decoded once, at 16 kHz mono, and encoded
// once per codec and rate, never once per listener. A leg that can hear only one stream gets the mix of those it is attached to.
//
//	s := sw.Open(info, codec.Opus, recorder, talkersOwnSink)
//	s.Attach(sink, true) // for each who is to hear it
//	s.Push(packet)       // as they come
//	s.Close()            // the tail goes out, then every sink is told the end
//
// Invariants: nothing here waits for disk, Raft or a slow listener; the path of a packet allocates nothing;
// lag is bounded: after a gap the delay returns to its floor within a second; nothing is clipped at either end of a burst;
// a talker never hears itself; a sink gets packets only between its Begin and its End; no lock is held while a sink,
// an outlet or a tap is called; the one goroutine lives while something is decoded and ends with it.
//
// Transports implement Sink and Outlet; package talk decides who hears whom. Any package may import it. Its parts:
// codec (the codecs), jitter (play-out), dsp (resampling, time scaling), tone (DTMF, progress tones, voice activity).
package voice
