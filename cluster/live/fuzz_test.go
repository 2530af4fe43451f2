package live

import "testing"

func FuzzFrames(f *testing.F) {
	f.Add(frameOf(kindBeat, beat{Mine: 1, Hears: []string{"node-2"}}))
	f.Add(frameOf(kindMessage, message{Seq: 1, Topic: "talk", Body: []byte("x")}))
	f.Add(relayed("node-1", "node-2", []byte{kindVoice, 1}))
	l := New(Config{Self: "node-1", Nodes: func() map[string]string { return nil }, Standing: func() (uint64, bool) { return 0, false }})
	l.mu.Lock()
	l.peer("node-2")
	l.mu.Unlock()
	r := &rail{path: stranger{}}
	f.Fuzz(func(_ *testing.T, frame []byte) {
		if len(frame) > 0 {
			l.hear(r, frame)
		}
	})
}

// stranger is a path whose other end says what it likes.
type stranger struct{ Path }

func (stranger) Node() string { return "node-2" }
