package rival

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"
)

func TestVersionsOfNATSThatSync(t *testing.T) {
	for v, want := range map[string]bool{"nats-server: v2.9.10": false, "nats-server: v2.10.0": true, "nats-server: v3.0.1": true, "": false, "vx": false} {
		if syncs(v) != want {
			t.Errorf("%q", v)
		}
	}
}

func FuzzProtoField(f *testing.F) {
	f.Add(protoBytes(protoBytes(nil, 1, []byte("key")), 2, []byte("value")), uint64(2))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, field uint64) {
		got, _ := protoField(b, field)
		if got != nil && !bytes.Contains(b, got) {
			t.Error("octets that are not there")
		}
	})
}

// TestRivalsAcknowledge writes to each rival that is installed.
func TestRivalsAcknowledge(t *testing.T) {
	for name, start := range map[string]func(ctx context.Context, p Places) (Record, error){
		"etcd":        func(ctx context.Context, p Places) (Record, error) { return StartEtcd(ctx, ctx, "etcd", p) },
		"nats-server": func(ctx context.Context, p Places) (Record, error) { return StartNATS(ctx, ctx, "nats-server", p) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			r, err := start(ctx, Places{Dir: t.TempDir(), Data: []string{t.TempDir(), t.TempDir(), t.TempDir()}})
			if errors.Is(err, ErrNotInstalled) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for node := range 3 {
				if err := r.Write(ctx, node, bytes.Repeat([]byte("x"), 256)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
