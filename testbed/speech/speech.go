package speech

import (
	"embed"
	"fmt"
)

//go:embed recorded/*.wav
var recorded embed.FS

// Sentence is one spoken sentence.
type Sentence struct {
	Name  string // of the talker, and of the recording
	Voice string // espeak-ng voice that spoke it
	Text  string
}

// Sentences lists what there is, in a fixed order. No two talkers share a voice or a text, so that a recording that
// holds the wrong talker cannot match.
func Sentences() []Sentence {
	return []Sentence{
		{"dispatcher", "cmn-latn-pinyin", "水库大坝出现管涌，请专家支援。"},
		{"commander", "en-gb+f2", "Rescue team two is on the way with rubber boats, estimated twenty minutes."},
		{"brigade", "cmn-latn-pinyin+f3", "伤员十七人，需要担架转运。"},
		{"pilot", "en-us+m3", "The landing zone is clear, wind south east, three metres per second."},
	}
}

// Load gives the recording of a sentence: 16 kHz, without silence at either end, peak at -6 dBFS.
func Load(name string) (Sound, error) {
	f, err := recorded.Open("recorded/" + name + ".wav")
	if err != nil {
		return Sound{}, fmt.Errorf("speech: no sentence %q: %w", name, err)
	}
	defer f.Close()
	return ReadWAV(f)
}
