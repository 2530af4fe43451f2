// Package codec names the speech codecs and turns 16 kHz mono PCM into their packets and back.
//
// It is the one owner of the Opus library. Encoders and decoders are for one goroutine at a time and
// allocate nothing once made, given room in dst; only hiding a lost Opus packet costs three small allocations, in the library.
package codec
