package forward

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/guantong-net/guantong/fusion/command"
)

// TestALaterVersionMaySayMoreOfItsProgress: in a rolling upgrade the old ones must still see how far the new ones are.
func TestALaterVersionMaySayMoreOfItsProgress(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _ = there.Close() }()
	c := NewClient(func(context.Context, string, string) (net.Conn, error) { return here, nil })
	defer func() { _ = c.Close() }()
	go func() {
		var r request
		if readFrame(there, &r) != nil {
			return
		}
		body, _ := command.Marshal(map[int]any{1: 5, 2: 7, 3: 1, 4: 9, 99: "of a later version"})
		frame, _ := appendFrame(answer{Seq: r.Seq, Body: body})
		_, _ = there.Write(frame)
	}()
	if p, err := c.Progress(t.Context(), "node-2", ""); err != nil || p.Last != 7 || p.Knows != 9 {
		t.Errorf("%+v %v", p, err)
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, v := range []any{request{Seq: 1, Kind: askPropose, Body: []byte("x")}, answer{Seq: 1, Reason: "busy", Body: []byte{1}}} {
		frame, err := appendFrame(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r request
		if readFrame(bytes.NewReader(data), &r) == nil {
			frame, err := appendFrame(r)
			if err != nil {
				t.Fatal(err)
			}
			var again request
			if err := readFrame(bytes.NewReader(frame), &again); err != nil || again.Seq != r.Seq || !bytes.Equal(again.Body, r.Body) {
				t.Errorf("%+v is read back as %+v, %v", r, again, err)
			}
		}
		var a answer
		_ = readFrame(bytes.NewReader(data), &a) // must not panic
	})
}
