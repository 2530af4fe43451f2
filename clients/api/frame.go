package api

import (
	"encoding/json"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
	"github.com/guantong-net/guantong/fusion/voice"
)

// clientFrame is any message of a client. Members that a type has no use for are absent.
type clientFrame struct {
	T     string `json:"t"`
	ID    *int64 `json:"id"`
	After *int64 `json:"after"`
	// Incarnation is that of the site as the client knows it from another node, whose events may be ahead of ours.
	Incarnation uint64             `json:"incarnation"`
	Client      string             `json:"client"`
	SDP         string             `json:"sdp"`
	Talk        fusion.Talk        `json:"talk"`
	Talks       []fusion.Talk      `json:"talks"`
	Monitor     bool               `json:"monitor"`
	Request     fusion.ID          `json:"request"`
	Resume      fusion.ID          `json:"resume"` // the press under which the client spoke when its node died
	Precedence  *fusion.Precedence `json:"precedence"`
	Emergency   bool               `json:"emergency"`
	BreakIn     bool               `json:"break_in"`
}

// maxFrame is how large a message of a client may be: an offer of eight m-lines is below 16 KiB.
const maxFrame = 32 << 10

// maxTalks is in how many conversations one client may be.
const maxTalks = 64

// decodeFrame reads a message of a client, as strictly as a body.
func decodeFrame(data []byte) (clientFrame, error) {
	var f clientFrame
	if err := decodeJSON(data, &f); err != nil {
		return f, err
	}
	if f.T == "" || len(f.T) > 32 || len(f.Client) > 64 {
		return f, bad("bad_message", "a message says by t what it is")
	}
	if len(f.Talks) > maxTalks {
		return f, bad("bad_message", "at most %d conversations at once", maxTalks)
	}
	return f, nil
}

// The messages of the server.
type (
	plainFrame struct {
		T string `json:"t"`
	}
	replyFrame struct {
		T     string `json:"t"`
		Re    *int64 `json:"re,omitempty"`
		Error *fault `json:"error,omitempty"`
	}
	answerFrame struct {
		T   string `json:"t"`
		Re  *int64 `json:"re,omitempty"`
		SDP string `json:"sdp"`
	}
	joinedFrame struct {
		T  string `json:"t"`
		Re *int64 `json:"re,omitempty"`
		wire.TalkState
	}
	welcomeFrame struct {
		T    string        `json:"t"`
		Re   *int64        `json:"re,omitempty"`
		Seq  uint64        `json:"seq"`
		Site wire.SiteInfo `json:"site"`
		Me   wire.Me       `json:"me"`
		Time state.Millis  `json:"time"`
	}
	mediaFrame struct {
		T         string `json:"t"`
		Connected bool   `json:"connected"`
	}
	floorFrame struct {
		T string `json:"t"`
		talk.Indication
	}
	talkFrame struct {
		T string `json:"t"`
		wire.TalkState
	}
	callFrame struct {
		T string `json:"t"`
		wire.CallInfo
	}
	presenceFrame struct {
		T        string          `json:"t"`
		Presence []wire.Presence `json:"presence"`
	}
	statusFrame struct {
		T string `json:"t"`
		wire.Status
	}
	slotFrame struct {
		T      string      `json:"t"`
		Slot   int         `json:"slot"`
		Stream *SlotStream `json:"stream"`
	}
	soundFrame struct {
		T     string      `json:"t"`
		Alert state.Alert `json:"alert"`
	}
	byeFrame struct {
		T      string `json:"t"`
		Reason string `json:"reason"`
	}
)

// SlotStream is what plays on a receive slot.
type SlotStream struct {
	Burst      fusion.ID         `json:"burst"`
	Talk       fusion.Talk       `json:"talk"`
	Talker     fusion.Number     `json:"talker"`
	Name       string            `json:"name"`
	Emergency  bool              `json:"emergency"`
	Precedence fusion.Precedence `json:"precedence"`
}

func slotOf(slot int, info *voice.Info) slotFrame {
	f := slotFrame{T: "slot", Slot: slot}
	if info != nil {
		f.Stream = &SlotStream{Burst: info.Burst, Talk: info.Talk, Talker: info.Talker, Name: info.Name, Emergency: info.Emergency, Precedence: info.Precedence}
	}
	return f
}

func encodeFrame(v any) ([]byte, error) { return json.Marshal(v) }
