package telephone

import (
	"embed"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

//go:generate sh prompts/make.sh

//go:embed prompts/*.g722
var promptFiles embed.FS

// clip names something that is played: a prompt of the folder prompts, or a sequence of tones.
type clip struct {
	prompt string // file name without suffix, after the tones
	notes  []note
	pause  time.Duration // silence after it, when it is played again and again
}

// note is a tone, or silence when hz is 0.
type note struct {
	hz float64
	ms int
}

// program is what a desk.Tone sounds like. Ring-back is China's: 450 Hz, 1 s on, 4 s off (ITU-T E.180, national table).
func program(t desk.Tone) (c clip, loop, ok bool) {
	switch t {
	case desk.RingBack:
		return clip{notes: []note{{450, 1000}}, pause: 4 * time.Second}, true, true
	case desk.Waiting:
		return clip{prompt: "waiting", pause: 6 * time.Second}, true, true
	case desk.OnHold:
		return clip{prompt: "on_hold", pause: 10 * time.Second}, true, true
	case desk.NotInGroup:
		return clip{prompt: "not_in_group"}, false, true
	case desk.GroupJoined:
		return clip{prompt: "group_joined"}, false, true
	}
	return clip{}, false, false
}

// signals are what the floor's answers sound like: the tones always, the words where nobody else is heard.
func signal(name string) clip {
	switch name {
	case "granted":
		return clip{notes: []note{{1200, 60}, {0, 20}, {1600, 80}}}
	case "granted_alone":
		return clip{notes: []note{{1200, 60}, {0, 60}, {600, 120}, {0, 60}, {600, 120}}, prompt: "nobody"}
	case "denied":
		return clip{notes: []note{{480, 120}, {0, 80}, {480, 120}, {0, 80}, {480, 120}}, prompt: "denied"}
	case "queued":
		return clip{notes: []note{{800, 80}, {0, 60}, {800, 80}}, prompt: "queued"}
	case "revoked":
		return clip{notes: []note{{400, 350}}, prompt: "revoked"}
	}
	return clip{}
}

// library holds each clip coded once per codec.
type library struct {
	mu     sync.Mutex
	coded  map[codedKey][][]byte
	silent map[codec.Params][]byte
}

type codedKey struct {
	text   string
	params codec.Params
}

func newLibrary() *library {
	return &library{coded: make(map[codedKey][][]byte), silent: make(map[codec.Params][]byte)}
}

// frames gives the clip's packets of 20 ms each. Words tells whether its prompt is spoken.
func (l *library) frames(c clip, words bool, p codec.Params) ([][]byte, error) {
	if !words {
		c.prompt = ""
	}
	key := codedKey{fmt.Sprint(c.prompt, c.notes), p}
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := l.coded[key]; ok {
		return f, nil
	}
	pcm := synthesize(c.notes)
	if c.prompt != "" {
		spoken, err := promptPCM(c.prompt)
		if err != nil {
			return nil, err
		}
		pcm = append(pcm, spoken...)
	}
	f, err := encode(pcm, p)
	if err == nil {
		l.coded[key] = f
	}
	return f, err
}

// silence gives one frame of silence.
func (l *library) silence(p codec.Params) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := l.silent[p]; ok {
		return f, nil
	}
	f, err := silence(p)
	if err == nil {
		l.silent[p] = f
	}
	return f, err
}

func promptPCM(name string) ([]int16, error) {
	b, err := promptFiles.ReadFile("prompts/" + name + ".g722")
	if err != nil {
		return nil, fmt.Errorf("telephone: prompt %s: %w", name, err)
	}
	dec, err := codec.NewDecoder(codec.G722)
	if err != nil {
		return nil, err
	}
	var pcm []int16
	for len(b) > 0 {
		n := min(len(b), 160)
		if pcm, err = dec.Decode(pcm, b[:n]); err != nil {
			return nil, fmt.Errorf("telephone: prompt %s: %w", name, err)
		}
		b = b[n:]
	}
	return pcm, nil
}

func encode(pcm []int16, p codec.Params) ([][]byte, error) {
	enc, err := codec.NewEncoder(p)
	if err != nil {
		return nil, err
	}
	for len(pcm)%codec.FrameSamples != 0 {
		pcm = append(pcm, 0)
	}
	var out [][]byte
	for i := 0; i < len(pcm); i += codec.FrameSamples {
		f, err := enc.Encode(nil, pcm[i:i+codec.FrameSamples])
		if err != nil {
			return nil, fmt.Errorf("telephone: encode prompt: %w", err)
		}
		out = append(out, f)
	}
	return out, nil
}

// synthesize makes the notes at -12 dBFS, with 5 ms ramps that keep them from clicking.
func synthesize(notes []note) []int16 {
	const ramp = codec.PCMRate / 200
	var pcm []int16
	for _, n := range notes {
		total := n.ms * codec.PCMRate / 1000
		for i := range total {
			level := min(1, float64(min(i, total-i))/ramp)
			pcm = append(pcm, int16(8192*level*math.Sin(2*math.Pi*n.hz*float64(i)/codec.PCMRate)))
		}
	}
	return pcm
}
