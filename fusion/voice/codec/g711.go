package codec

import "math/bits"

// G.711 tables, made once from the definition in ITU-T G.711 §3 and never written again.
var (
	ulawLinear = makeTable(ulawToLinear)
	alawLinear = makeTable(alawToLinear)
)

func makeTable(f func(byte) int16) *[256]int16 {
	var t [256]int16
	for i := range t {
		t[i] = f(byte(i))
	}
	return &t
}

// ulawBias is what µ-law adds before it takes the logarithm, in 16-bit units (33 in the 14-bit units of G.711 table 2).
const ulawBias = 132

func ulawToLinear(u byte) int16 {
	u = ^u
	t := (int(u&0x0f)<<3 + ulawBias) << (u >> 4 & 7)
	if u&0x80 != 0 {
		return int16(ulawBias - t)
	}
	return int16(t - ulawBias)
}

func linearToUlaw(s int16) byte {
	x, sign := int(s), byte(0)
	if x < 0 {
		x, sign = -x, 0x80
	}
	x = min(x, 32635) + ulawBias
	exponent := bits.Len(uint(x)) - 8
	mantissa := byte(x>>(exponent+3)) & 0x0f
	return ^(sign | byte(exponent)<<4 | mantissa)
}

func alawToLinear(a byte) int16 {
	a ^= 0x55
	t := int(a&0x0f)<<4 + 8
	if segment := a >> 4 & 7; segment > 0 {
		t = (t + 0x100) << (segment - 1)
	}
	if a&0x80 != 0 {
		return int16(t)
	}
	return int16(-t)
}

func linearToAlaw(s int16) byte {
	x, sign := int(s), byte(0x80)
	if x < 0 {
		x, sign = -x-1, 0
	}
	segment := max(bits.Len(uint(x))-8, 0)
	shift := max(segment, 1) + 3
	return (sign | byte(segment)<<4 | byte(x>>shift)&0x0f) ^ 0x55
}
