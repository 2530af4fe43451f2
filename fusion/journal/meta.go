package journal

import (
	"encoding/json"
	"strings"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// meta describes a burst in the recording itself.
type meta struct {
	ID         fusion.ID         `json:"id"`
	Groups     []fusion.Number   `json:"groups,omitempty"`
	Call       fusion.ID         `json:"call"`
	Talker     fusion.Number     `json:"talker"`
	Name       string            `json:"name"`
	Start      state.Millis      `json:"start"`
	Codec      string            `json:"codec"`
	Precedence fusion.Precedence `json:"precedence"`
	Emergency  bool              `json:"emergency,omitempty"`
	Exercise   string            `json:"exercise,omitempty"`
	Origin     string            `json:"origin,omitempty"` // the node where the talker was, when this is another one's copy
}

func metaOf(b talk.BurstInfo) meta {
	return meta{
		ID: b.Burst, Groups: b.Groups, Call: b.Talk.Call, Talker: b.Talker, Name: b.Name, Start: state.Millis(b.Start.UnixMilli()),
		Codec: b.Codec, Precedence: b.Precedence, Emergency: b.Emergency, Exercise: b.Exercise, Origin: b.Origin,
	}
}

// burst is the index entry, but for what only the whole recording tells.
func (m meta) burst() state.Burst {
	return state.Burst{
		ID: m.ID, Groups: m.Groups, Call: m.Call, Talker: m.Talker, Name: m.Name, Start: m.Start, Codec: m.Codec,
		Precedence: m.Precedence, Emergency: m.Emergency, Exercise: m.Exercise,
	}
}

// dir is where a finished recording waits: to be indexed, or, a copy of another node's, to be found needed or not.
func (m meta) dir() string {
	if m.Origin != "" {
		return copyDir
	}
	return doneDir
}

// commentKey is the Ogg comment that holds the meta.
const commentKey = "GUANTONG="

func (m meta) comments() ([]string, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return []string{"TITLE=" + m.ID.String(), "ARTIST=" + m.Name, commentKey + string(b)}, nil
}

func metaFromComments(list []string) (m meta, err error) {
	for _, c := range list {
		if rest, ok := strings.CutPrefix(c, commentKey); ok {
			err = json.Unmarshal([]byte(rest), &m)
			return m, err
		}
	}
	return m, ErrFormat
}

func codecNamed(name string) codec.ID {
	for _, id := range []codec.ID{codec.Opus, codec.PCMU, codec.PCMA, codec.G722, codec.L16} {
		if id.String() == name {
			return id
		}
	}
	return codec.None
}
