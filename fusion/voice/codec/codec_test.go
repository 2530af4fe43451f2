package codec

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var all = []Params{{ID: Opus}, {ID: Opus, Bitrate: 12000, Limit: true}, {ID: PCMU}, {ID: PCMA}, {ID: G722}, {ID: L16}}

func TestEncodersAndDecodersAllocateNothing(t *testing.T) {
	pcm := tone(440, 8000, FrameSamples, PCMRate)
	for _, p := range all {
		t.Run(fmt.Sprint(p.ID, p.Bitrate), func(t *testing.T) {
			enc, err := NewEncoder(p)
			if err != nil {
				t.Fatal(err)
			}
			dec, err := NewDecoder(p.ID)
			if err != nil {
				t.Fatal(err)
			}
			packet, out := make([]byte, 0, MaxPayload), make([]int16, 0, 2*MaxPacketSamples)
			cycle := func() {
				coded, err := enc.Encode(packet, pcm)
				if err != nil {
					t.Fatal(err)
				}
				if out, err = dec.Decode(out[:0], coded); err != nil {
					t.Fatal(err)
				}
				if p.ID != Opus {
					out = dec.Conceal(out[:0], FrameSamples)
				}
			}
			for range 20 {
				cycle()
			}
			if n := testing.AllocsPerRun(100, cycle); n != 0 {
				t.Errorf("%v allocations for encoding, decoding and concealing a frame", n)
			}
			if n := testing.AllocsPerRun(100, func() { out = dec.Conceal(out[:0], FrameSamples) }); p.ID == Opus && n > 3 {
				t.Errorf("%v allocations for concealing a frame", n)
			}
		})
	}
}

func TestEveryCodecKeepsSpeech(t *testing.T) {
	pcm := speech(t, sentence)
	// µ-law and A-law lose what is above 3.4 kHz: their figure is of the band that they carry.
	least := map[ID]float64{Opus: 2, PCMU: 8, PCMA: 8, G722: 14, L16: 60}
	for _, p := range all {
		packets := encodeAll(t, p, pcm)
		got := decodeAll(t, p.ID, packets)
		if len(got) != len(pcm) {
			t.Errorf("%v: %d samples from %d", p.ID, len(got), len(pcm))
		}
		db, shift := segmentalSNR(pcm, got, 200)
		t.Logf("%v %d bit/s: segmental SNR %.1f dB, delay %d samples", p.ID, p.Bitrate, db, shift)
		if db < least[p.ID] {
			t.Errorf("%v: segmental SNR %.1f dB, want %.0f", p.ID, db, least[p.ID])
		}
	}
}

func TestDecodersTakePacketsOfAnyLength(t *testing.T) {
	for _, id := range []ID{PCMU, PCMA, G722} {
		for _, ms := range []int{1, 5, 10, 20, 30, 60, 120} {
			dec, err := NewDecoder(id)
			if err != nil {
				t.Fatal(err)
			}
			got, err := dec.Decode(nil, make([]byte, 8*ms))
			if err != nil || len(got) != 16*ms {
				t.Errorf("%v, %d ms: %d samples, %v", id, ms, len(got), err)
			}
		}
	}
}

func TestBadInputIsRefusedWithAnError(t *testing.T) {
	for _, id := range []ID{Opus, PCMU, PCMA, G722, L16} {
		dec, err := NewDecoder(id)
		if err != nil {
			t.Fatal(err)
		}
		for name, payload := range map[string][]byte{"empty": nil, "endless": make([]byte, MaxPayload+2)} {
			if got, err := dec.Decode(nil, payload); !errors.Is(err, ErrMalformed) || len(got) != 0 {
				t.Errorf("%v, %s: %d samples, %v", id, name, len(got), err)
			}
		}
		enc, err := NewEncoder(Params{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := enc.Encode(nil, make([]int16, 100)); !errors.Is(err, ErrFrameLength) {
			t.Errorf("%v: encoding 100 samples: %v", id, err)
		}
	}
	if _, err := NewDecoder(99); !errors.Is(err, ErrUnknown) {
		t.Errorf("decoder 99: %v", err)
	}
	if _, err := NewEncoder(Params{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("encoder for none: %v", err)
	}
	for _, rate := range []int{-1, 1, 5999, 128001, math.MaxInt} {
		if _, err := NewEncoder(Params{ID: Opus, Bitrate: rate}); !errors.Is(err, ErrBitrate) {
			t.Errorf("Opus at %d bit/s: %v", rate, err)
		}
	}
}

func TestOpusDurationFollowsTheTOC(t *testing.T) {
	ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
	for _, c := range []struct {
		payload []byte
		want    time.Duration // 0: malformed
	}{
		{[]byte{0 << 3}, ms(10)}, {[]byte{1 << 3}, ms(20)}, {[]byte{2 << 3}, ms(40)}, {[]byte{3 << 3}, ms(60)},
		{[]byte{11<<3 | 1}, ms(120)}, {[]byte{12 << 3}, ms(10)}, {[]byte{15 << 3}, ms(20)},
		{[]byte{16 << 3}, ms(2.5)}, {[]byte{31 << 3}, ms(20)}, {[]byte{31<<3 | 2}, ms(40)},
		{[]byte{16<<3 | 3, 48}, ms(120)}, {[]byte{31<<3 | 3, 6}, ms(120)}, {[]byte{31<<3 | 3, 0xc3}, ms(60)},
		{nil, 0}, {[]byte{31<<3 | 3}, 0}, {[]byte{31<<3 | 3, 0}, 0}, {[]byte{31<<3 | 3, 7}, 0}, {[]byte{3<<3 | 3, 3}, 0},
	} {
		got, err := OpusDuration(c.payload)
		if (err != nil) != (c.want == 0) || got != c.want {
			t.Errorf("% x: %v, %v; want %v", c.payload, got, err, c.want)
		}
	}
}

func TestDurationAndTicks(t *testing.T) {
	for _, c := range []struct {
		id    ID
		bytes int
		ticks uint32
	}{{PCMU, 160, 160}, {PCMA, 240, 240}, {G722, 160, 160}, {L16, 640, 320}} {
		d, err := Duration(c.id, make([]byte, c.bytes))
		if err != nil || c.id.Ticks(d) != c.ticks {
			t.Errorf("%v, %d bytes: %v, %d ticks, %v", c.id, c.bytes, d, c.id.Ticks(d), err)
		}
	}
	if got := Opus.Ticks(20 * time.Millisecond); got != 960 {
		t.Errorf("20 ms of Opus are %d ticks", got)
	}
}

func TestConcealmentGoesOnWithTheVoiceAndFades(t *testing.T) {
	for _, id := range []ID{PCMU, PCMA, G722, L16, Opus} {
		pcm := tone(200, 8000, 20*FrameSamples, PCMRate)
		packets := encodeAll(t, Params{ID: id}, pcm)
		dec, err := NewDecoder(id)
		if err != nil {
			t.Fatal(err)
		}
		var out []int16
		for i, p := range packets {
			if i == 10 {
				before := len(out)
				out = dec.Conceal(out, FrameSamples)
				if len(out)-before != FrameSamples {
					t.Errorf("%v: %d samples of concealment", id, len(out)-before)
				}
				continue
			}
			if out, err = dec.Decode(out, p); err != nil {
				t.Fatal(err)
			}
		}
		db, _ := segmentalSNR(pcm[10*FrameSamples:11*FrameSamples], out[10*FrameSamples:12*FrameSamples], 180)
		t.Logf("%v: a lost frame of a 200 Hz tone is hidden to %.1f dB", id, db)
		if db < 3 {
			t.Errorf("%v: concealment is %.1f dB", id, db)
		}
		faded := dec.Conceal(nil, PCMRate/2)
		if p := power(faded[len(faded)-FrameSamples:]); p > 100*100 {
			t.Errorf("%v: after 500 ms of loss the level is %.0f", id, math.Sqrt(p))
		}
	}
}

func power(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	return sum / float64(len(pcm))
}

func TestInBandFECBringsTheLostPacketBack(t *testing.T) {
	pcm := speech(t, sentence)
	packets := encodeFEC(t, pcm)
	whole := decodeAll(t, Opus, packets)
	score := func(recover bool) float64 {
		dec, err := newOpusDecoder()
		if err != nil {
			t.Fatal(err)
		}
		var out, want, got []int16
		rng := rand.New(rand.NewPCG(5, 5))
		for i, p := range packets {
			if i > 3 && i+1 < len(packets) && rng.IntN(5) == 0 {
				at := len(out)
				if recover {
					if out, err = dec.Recover(out, packets[i+1], FrameSamples); err != nil {
						t.Fatal(err)
					}
				} else {
					out = dec.Conceal(out, FrameSamples)
				}
				want, got = append(want, whole[at:at+FrameSamples]...), append(got, out[at:]...)
				continue
			}
			if out, err = dec.Decode(out, p); err != nil {
				t.Fatal(err)
			}
		}
		return segments(want, got, 0)
	}
	plain, fec := score(false), score(true)
	t.Logf("lost frames: %.1f dB concealed, %.1f dB from FEC", plain, fec)
	if fec < plain+1 {
		t.Errorf("FEC gives %.1f dB, concealment %.1f", fec, plain)
	}
}

// encodeFEC codes as a browser does that has been told useinbandfec=1 and of 20 % loss.
func encodeFEC(t *testing.T, pcm []int16) (packets [][]byte) {
	enc, err := newOpusEncoder(Params{ID: Opus, Bitrate: 32000})
	if err != nil {
		t.Fatal(err)
	}
	enc.enc.SetFEC(true)
	if err := enc.enc.SetPacketLoss(20); err != nil {
		t.Fatal(err)
	}
	for ; len(pcm) >= FrameSamples; pcm = pcm[FrameSamples:] {
		p, err := enc.Encode(nil, pcm[:FrameSamples])
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
	return packets
}

func FuzzDecode(f *testing.F) {
	f.Add(uint8(Opus), []byte{0x48, 1, 2, 3})
	f.Add(uint8(Opus), []byte{0xff, 0x3f, 0, 1})
	f.Add(uint8(PCMA), make([]byte, 160))
	f.Add(uint8(G722), []byte{0xff, 0x00, 0xaa})
	f.Add(uint8(L16), []byte{1})
	enc, err := NewEncoder(Params{ID: Opus})
	if err != nil {
		f.Fatal(err)
	}
	for i := range 5 {
		p, err := enc.Encode(nil, tone(300*float64(i+1), 9000, FrameSamples, PCMRate))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(Opus), p)
	}
	f.Fuzz(func(t *testing.T, id uint8, payload []byte) {
		dec, err := NewDecoder(ID(id % 7))
		if err != nil {
			return
		}
		for range 3 {
			d, derr := Duration(ID(id%7), payload)
			got, err := dec.Decode(nil, payload)
			if derr != nil && err == nil {
				t.Fatalf("decoded, though its length is %v", derr)
			}
			if err == nil && len(got) != int(d*PCMRate/time.Second) {
				t.Fatalf("%d samples, %v promised", len(got), d)
			}
			if r, ok := dec.(Recoverer); ok {
				if pcm, err := r.Recover(nil, payload, FrameSamples); err == nil && len(pcm) > MaxPacketSamples {
					t.Fatalf("recovered %d samples", len(pcm))
				}
			}
			if n := len(dec.Conceal(nil, FrameSamples)); n != FrameSamples {
				t.Fatalf("concealed %d samples", n)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	pcm := tone(440, 8000, FrameSamples, PCMRate)
	for _, p := range all {
		b.Run(fmt.Sprint(p.ID, p.Bitrate), func(b *testing.B) {
			enc, err := NewEncoder(p)
			if err != nil {
				b.Fatal(err)
			}
			buf := make([]byte, 0, MaxPayload)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := enc.Encode(buf, pcm); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, p := range all {
		b.Run(fmt.Sprint(p.ID, p.Bitrate), func(b *testing.B) {
			packets := encodeAll(b, p, tone(440, 8000, 20*FrameSamples, PCMRate))
			dec, err := NewDecoder(p.ID)
			if err != nil {
				b.Fatal(err)
			}
			out := make([]int16, 0, MaxPacketSamples)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := dec.Decode(out, packets[i%len(packets)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
