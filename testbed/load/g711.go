package load

import "github.com/guantong-net/guantong/testbed/speech"

// Frames codes speech as G.711 A-law (ITU-T G.711) in frames of 20 ms; the last one is filled up with silence.
func Frames(s speech.Sound) [][]byte {
	s = s.Resample(8000)
	var out [][]byte
	for at := 0; at < len(s.Samples); at += frame {
		f := make([]byte, frame)
		for i := range f {
			v := 0.0
			if at+i < len(s.Samples) {
				v = s.Samples[at+i]
			}
			f[i] = alaw(speech.Int16(v))
		}
		out = append(out, f)
	}
	return out
}

// alaw codes one sample.
func alaw(v int16) byte {
	x, sign := int(v)>>3, byte(0xD5)
	if x < 0 {
		x, sign = -x-1, 0x55
	}
	segment := 0
	for x>>(5+segment) != 0 {
		segment++
	}
	if segment == 0 {
		return byte(x>>1) ^ sign
	}
	return byte(segment<<4|x>>segment&15) ^ sign
}

// linear decodes one sample.
func linear(a byte) int16 {
	a ^= 0x55
	segment, m := int(a>>4&7), int(a&15)
	v := m<<4 + 8
	if segment > 0 {
		v = (m<<4 + 0x108) << (segment - 1)
	}
	if a&0x80 == 0 {
		v = -v
	}
	return int16(v)
}

// Sound decodes A-law.
func Sound(body []byte) speech.Sound {
	out := speech.Sound{Rate: 8000, Samples: make([]float64, len(body))}
	for i, b := range body {
		out.Samples[i] = float64(linear(b)) / 32768
	}
	return out
}
