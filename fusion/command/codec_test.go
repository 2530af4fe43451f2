package command_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// vector is one golden command: its fields, and its encoding in hexadecimal.
type vector struct {
	Name    string        `json:"name"`
	Type    command.Type  `json:"type"`
	ID      fusion.ID     `json:"id"`
	HLC     uint64        `json:"hlc"`
	At      int64         `json:"at"`
	By      string        `json:"by"`
	From    string        `json:"from,omitempty"`
	Flags   command.Flags `json:"flags,omitempty"`
	Payload string        `json:"payload"`
	Encoded string        `json:"encoded"`
}

func (v vector) command(t testing.TB) command.Command {
	t.Helper()
	payload, err := hex.DecodeString(v.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return command.Command{Version: command.Version, Type: v.Type, ID: v.ID, HLC: v.HLC, At: v.At, By: v.By, From: v.From, Flags: v.Flags, Payload: payload}
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestGoldenVectors(t *testing.T) {
	all := vectors(t)
	for i, v := range all {
		data, err := command.Encode(v.command(t))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if *update {
			all[i].Encoded = hex.EncodeToString(data)
			continue
		}
		if got := hex.EncodeToString(data); got != v.Encoded {
			t.Errorf("%s:\n got %s\nwant %s", v.Name, got, v.Encoded)
		}
		back, err := command.Decode(data)
		if err != nil || back.ID != v.ID || back.At != v.At || !bytes.Equal(back.Payload, v.command(t).Payload) {
			t.Errorf("%s: decoded %+v, %v", v.Name, back, err)
		}
	}
	if *update {
		data, err := json.MarshalIndent(all, "", "  ")
		if err == nil {
			err = os.WriteFile(filepath.Join("testdata", "vectors.json"), append(data, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnotherDecoderReadsTheSame holds the golden vectors against Debian's python3-cbor2: same fields, and canonical.
func TestAnotherDecoderReadsTheSame(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", filepath.Join("testdata", "check.py"), filepath.Join("testdata", "vectors.json")).CombinedOutput()
	if err != nil {
		t.Fatalf("this test needs the Debian package python3-cbor2: %v\n%s", err, out)
	}
}

func TestRoundTripIsIdentityAndCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := command.Command{
			Version: command.Version,
			Type:    command.Type(rapid.Uint16Min(1).Draw(t, "type")),
			ID:      fusion.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Filter(func(b []byte) bool { return !fusion.ID(b).IsZero() }).Draw(t, "id")),
			HLC:     rapid.Uint64().Draw(t, "hlc"),
			At:      rapid.Int64().Draw(t, "at"),
			By:      rapid.StringN(0, 20, 256).Draw(t, "by"),
			From:    rapid.StringN(0, 20, 256).Draw(t, "from"),
			Flags:   command.Flags(rapid.Uint8().Draw(t, "flags")),
			Payload: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"),
		}
		data, err := command.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		back, err := command.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := command.Encode(back)
		if err != nil || !bytes.Equal(data, again) {
			t.Fatalf("%x and then %x, %v", data, again, err)
		}
	})
}

func TestWhatExceedsTheLimitsIsRefused(t *testing.T) {
	ok := command.Command{Version: command.Version, Type: command.GroupSet, ID: fusion.ID{1}, By: "zhang", Payload: []byte{0xa0}}
	for name, c := range map[string]struct {
		change func(*command.Command)
		want   error
	}{
		"version":       {func(c *command.Command) { c.Version = 2 }, command.ErrVersion},
		"no type":       {func(c *command.Command) { c.Type = 0 }, command.ErrInvalid},
		"no ID":         {func(c *command.Command) { c.ID = fusion.ID{} }, command.ErrInvalid},
		"long name":     {func(c *command.Command) { c.By = string(make([]byte, 257)) }, command.ErrInvalid},
		"large payload": {func(c *command.Command) { c.Payload = make([]byte, command.MaxSize) }, command.ErrTooLarge},
	} {
		c2 := ok
		c.change(&c2)
		if _, err := command.Encode(c2); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, err := command.Decode(make([]byte, command.MaxSize+1)); !errors.Is(err, command.ErrTooLarge) {
		t.Errorf("decode: %v", err)
	}
}

func TestMalformedInputIsAnErrorNotAPanic(t *testing.T) {
	for _, text := range []string{"", "00", "a0", "bf01ff", "a1010", "a201010101", "d9d9f7a0", "81818181818181818181a0", "a10163616263", "ff"} {
		data, _ := hex.DecodeString(text)
		if c, err := command.Decode(data); err == nil {
			t.Errorf("%s decoded to %+v", text, c)
		}
	}
}

func TestAPayloadFieldFromNowhereIsTold(t *testing.T) {
	data, err := command.Marshal(map[string]int{"number": 1, "surprise": 2})
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Number int `json:"number"`
	}
	if err := command.Unmarshal(data, &v); !errors.Is(err, command.ErrUnknownField) {
		t.Fatalf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f) {
		data, err := hex.DecodeString(v.Encoded)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := command.Decode(data)
		if err != nil {
			return
		}
		again, err := command.Encode(c)
		if err != nil {
			t.Fatalf("decoded but does not encode: %v", err)
		}
		back, err := command.Decode(again)
		if err != nil || back.ID != c.ID || back.HLC != c.HLC || !bytes.Equal(back.Payload, c.Payload) {
			t.Fatalf("%+v and then %+v, %v", c, back, err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	c := command.Command{Version: 1, Type: command.MessagePost, ID: fusion.ID{1}, HLC: 1, At: 1, By: "zhang", Payload: make([]byte, 256)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := command.Encode(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	data, err := command.Encode(command.Command{Version: 1, Type: command.MessagePost, ID: fusion.ID{1}, HLC: 1, At: 1, By: "zhang", Payload: make([]byte, 256)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := command.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
