package forward

import (
	"bytes"
	"testing"
)

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
