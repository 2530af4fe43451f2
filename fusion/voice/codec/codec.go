package codec

// ID names how a packet's payload is coded.
type ID uint8

// The codecs. L16 is 16 kHz mono signed 16-bit PCM in machine order, for use inside a node only.
const (
	None ID = iota
	Opus    // RFC 6716, RTP clock 48000 (RFC 7587)
	PCMU    // G.711 µ-law, RTP clock 8000
	PCMA    // G.711 A-law, RTP clock 8000
	G722    // G.722 at 64 kbit/s, RTP clock 8000 though it is sampled at 16000 (RFC 3551 §4.5.2)
	L16     // RTP clock 16000
)

// PCMRate is the sampling rate of all PCM inside a node, in Hz.
const PCMRate = 16000

// FrameSamples is the 20 ms frame in which PCM moves inside a node.
const FrameSamples = PCMRate / 50

// Params say what a leg takes: equal Params share one encoding. Params are comparable.
type Params struct {
	ID      ID
	Bitrate int // bit/s, Opus only; 0 where the codec has just one
	// Limit says that Bitrate is all that the bearer has room for: Opus is coded at that constant rate even when the
	// talker's is Opus too. Without it Opus passes untouched to whoever takes Opus.
	Limit bool
}

// Clock is the codec's RTP clock rate in Hz.
func (id ID) Clock() int {
	switch id {
	case Opus:
		return 48000
	case L16:
		return PCMRate
	}
	return 8000
}

// String gives the codec's name as SDP spells it.
func (id ID) String() string {
	switch id {
	case Opus:
		return "opus"
	case PCMU:
		return "PCMU"
	case PCMA:
		return "PCMA"
	case G722:
		return "G722"
	case L16:
		return "L16"
	}
	return "none"
}

// Encoder turns 20 ms frames of 16 kHz mono PCM into packets.
type Encoder interface {
	// Encode appends the packet of one frame (FrameSamples samples) to dst.
	Encode(dst []byte, pcm []int16) ([]byte, error)
}

// Decoder turns packets into 16 kHz mono PCM.
type Decoder interface {
	// Decode appends the packet's samples to dst, however long the packet is (up to 120 ms).
	Decode(dst []int16, payload []byte) ([]int16, error)
	// Conceal appends samples (n of them) that hide a lost packet.
	Conceal(dst []int16, n int) []int16
}
