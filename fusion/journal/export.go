package journal

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
)

// ExportSet is what an export holds.
type ExportSet struct {
	Site     state.Site
	From, To state.Millis
	Groups   []fusion.Number // none: all
	By       string          // who exports
	At       state.Millis

	Bursts   []state.Burst
	Messages []state.Message
	Receipts []state.Receipt
	Alerts   []state.Alert
	Calls    []state.CallRecord
	Floor    *FloorLog // may be nil
}

// manifest lists an export's files with their hashes. It is the last file of the ZIP.
type manifest struct {
	Format   string          `json:"format"`
	Site     state.Site      `json:"site"`
	From     state.Millis    `json:"from"`
	To       state.Millis    `json:"to"`
	Groups   []fusion.Number `json:"groups,omitempty"`
	By       string          `json:"by"`
	At       state.Millis    `json:"at"`
	HashedBy string          `json:"hashed_by"`
	Files    []exported      `json:"files"`
	Missing  []string        `json:"missing,omitempty"` // recordings and attachments that are not on this node
}

type exported struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Hash string `json:"hash"`
}

// Export writes a ZIP of a time range: audio, messages with their attachments, alerts, calls, floor events, and a manifest with the hash
// of each file. Recordings that this node lacks are named in the manifest.
func (r *Recorder) Export(ctx context.Context, w io.Writer, set ExportSet) error {
	e := &exporter{zip: zip.NewWriter(w), man: manifest{
		Format: "guantong-export-1", Site: set.Site, From: set.From, To: set.To, Groups: set.Groups, By: set.By, At: set.At, HashedBy: "sha256",
	}}
	for _, part := range []struct {
		name string
		data any
	}{{"bursts.json", set.Bursts}, {"messages.json", set.Messages}, {"receipts.json", set.Receipts}, {"alerts.json", set.Alerts}, {"calls.json", set.Calls}} {
		if err := e.json(part.name, part.data); err != nil {
			return err
		}
	}
	if err := e.floor(set); err != nil {
		return err
	}
	for _, b := range set.Bursts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.burst(r, b); err != nil {
			return err
		}
	}
	for _, m := range set.Messages {
		for i, a := range m.Attachments {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := e.attachment(r, m.ID, i+1, a); err != nil {
				return err
			}
		}
	}
	return e.close()
}

type exporter struct {
	zip *zip.Writer
	man manifest
}

// add stores one file. Audio and pictures do not shrink: they are stored as they are.
func (e *exporter) add(name string, at time.Time, deflate bool, write func(io.Writer) error) error {
	h := &zip.FileHeader{Name: name, Method: zip.Store, Modified: at}
	if deflate {
		h.Method = zip.Deflate
	}
	w, err := e.zip.CreateHeader(h)
	if err != nil {
		return fmt.Errorf("export %s: %w", name, err)
	}
	hash := sha256.New()
	sum := &counting{w: io.MultiWriter(w, hash)}
	if err := write(sum); err != nil {
		return fmt.Errorf("export %s: %w", name, err)
	}
	e.man.Files = append(e.man.Files, exported{Name: name, Size: sum.n, Hash: "sha256:" + hex.EncodeToString(hash.Sum(nil))})
	return nil
}

type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (e *exporter) json(name string, data any) error {
	return e.add(name, time.UnixMilli(int64(e.man.At)), true, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(data)
	})
}

func (e *exporter) floor(set ExportSet) error {
	if set.Floor == nil {
		return nil
	}
	return e.add("floor.jsonl", time.UnixMilli(int64(set.At)), true, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		return set.Floor.Between(time.UnixMilli(int64(set.From)), time.UnixMilli(int64(set.To)), set.Groups,
			func(ev talk.FloorEvent) error { return enc.Encode(ev) })
	})
}

func (e *exporter) burst(r *Recorder, b state.Burst) error {
	f, _, err := r.Audio(b, false)
	if err != nil {
		e.man.Missing = append(e.man.Missing, b.ID.String())
		return nil
	}
	defer func() { _ = f.Close() }()
	at := time.UnixMilli(int64(b.Start))
	name := fmt.Sprintf("audio/%s-%s-%s.ogg", at.UTC().Format("20060102T150405.000Z"), b.Talker, b.ID)
	return e.add(name, at, false, func(w io.Writer) error { _, err := io.Copy(w, f); return err })
}

func (e *exporter) attachment(r *Recorder, message fusion.ID, number int, a state.Attachment) error {
	f, err := r.cfg.Files.Open(a.Hash)
	if err != nil {
		e.man.Missing = append(e.man.Missing, a.Hash)
		return nil
	}
	defer func() { _ = f.Close() }()
	name := fmt.Sprintf("attachments/%s-%d-%s", message, number, safeName(a.Name)) // two attachments may have one name
	return e.add(name, time.UnixMilli(int64(e.man.At)), false, func(w io.Writer) error { _, err := io.Copy(w, f); return err })
}

// safeName keeps a sender's file name from leaving the folder it is unpacked to.
func safeName(s string) string {
	out := []rune(s)
	for i, c := range out {
		if c < ' ' || strings.ContainsRune(`/\:*?"<>|`, c) {
			out[i] = '_'
		}
	}
	if len(out) > 80 {
		out = out[len(out)-80:]
	}
	return string(out)
}

func (e *exporter) close() error {
	w, err := e.zip.Create("manifest.json")
	if err != nil {
		return fmt.Errorf("export manifest: %w", err)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e.man); err != nil {
		return fmt.Errorf("export manifest: %w", err)
	}
	return e.zip.Close()
}
