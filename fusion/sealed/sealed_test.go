package sealed_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/fusion/sealed"
)

var key = bytes.Repeat([]byte{7}, 32)

func seal(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := sealed.NewWriter(&out, key, "test", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(box, key []byte, purpose string) ([]byte, error) {
	r, err := sealed.NewReader(bytes.NewReader(box), key, purpose)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestWhatWasSealedIsReadBackAndItsSizeIsKnown(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 200_000} {
		plain := make([]byte, n)
		_, _ = rand.Read(plain)
		box := seal(t, plain)
		got, err := open(box, key, "test")
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d octets: %d came back, %v", n, len(got), err)
		}
		if size, err := sealed.PlainSize(int64(len(box))); err != nil || size != int64(n) {
			t.Errorf("%d octets: said to be %d, %v", n, size, err)
		}
		if n > 100 && bytes.Contains(box, plain[:32]) {
			t.Error("it can be read")
		}
	}
}

func TestAnotherKeyOrPurposeOpensNothing(t *testing.T) {
	box := seal(t, []byte("撤离路线"))
	if _, err := open(box, bytes.Repeat([]byte{8}, 32), "test"); !errors.Is(err, sealed.ErrSealed) {
		t.Error(err)
	}
	if _, err := open(box, key, "another"); !errors.Is(err, sealed.ErrSealed) {
		t.Error(err)
	}
	if _, err := open([]byte("guantong snapshot state 1\n and what follows, which is long enough"), key, "test"); !errors.Is(err, sealed.ErrNotSealed) {
		t.Error(err)
	}
	if _, err := open(box, []byte("short"), "test"); err == nil {
		t.Error("a key of 5 octets was taken")
	}
}

// TestNothingAlteredCutOrMovedIsTaken draws every kind of harm.
func TestNothingAlteredCutOrMovedIsTaken(t *testing.T) {
	plain := make([]byte, 200_000)
	_, _ = rand.Read(plain)
	box, other := seal(t, plain), seal(t, plain)
	const head, chunk = 26 + 32, 64<<10 + 16
	rapid.Check(t, func(t *rapid.T) {
		bad := bytes.Clone(box)
		switch rapid.IntRange(0, 4).Draw(t, "harm") {
		case 0:
			bad[rapid.IntRange(26, len(bad)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		case 1:
			bad = bad[:rapid.IntRange(26, len(bad)-1).Draw(t, "cut to")]
		case 2: // cut between two chunks: what is left is authentic, but for its end
			bad = bad[:head+chunk*rapid.IntRange(0, 3).Draw(t, "chunks")]
		case 3:
			copy(bad[head:], box[head+chunk:head+2*chunk])
		case 4:
			at := head + chunk*rapid.IntRange(0, 2).Draw(t, "chunk")
			copy(bad[at:], other[at:at+chunk])
		}
		got, err := open(bad, key, "test")
		if !errors.Is(err, sealed.ErrSealed) || !bytes.HasPrefix(plain, got) {
			t.Fatalf("%d octets were given, %v", len(got), err)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add(seal(f, []byte("x")))
	f.Add([]byte(sealed.Magic))
	f.Fuzz(func(t *testing.T, box []byte) {
		if got, err := open(box, key, "test"); err == nil {
			if n, err := sealed.PlainSize(int64(len(box))); err != nil || n != int64(len(got)) {
				t.Errorf("%d octets of %d, %v", len(got), n, err)
			}
		}
	})
}
