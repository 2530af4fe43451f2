package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
)

// Audit is what a server still has of what it acknowledged.
type Audit struct {
	Messages, Files, Bursts int      // acknowledged
	Lost                    []string // acknowledged and not there, or not as it was
	Twice                   []string // there more than once
	Disorder                []string // durable events that are missing or repeated
}

// Verify compares a server with the ledger: every message by its text, every file and every recording by its hash, and the durable events by
// their numbers. Files and recordings in seen, which an earlier Verify has read and found whole, are not read again; give an empty one to read all.
func Verify(ctx context.Context, a *peer.API, l *Ledger, to fusion.Number, seen map[string]bool) (Audit, error) {
	var out Audit
	messages, err := List[state.Message](ctx, a, fmt.Sprintf("/messages?to=%d&limit=500", to))
	if err != nil {
		return out, err
	}
	bursts, err := List[state.Burst](ctx, a, fmt.Sprintf("/bursts?group=%d&limit=500", to))
	if err != nil {
		return out, err
	}
	texts, byID := map[string]int{}, map[string]string{}
	for _, m := range messages {
		texts[m.Text]++
		byID[m.ID.String()] = m.Text
	}
	for text, n := range texts {
		if n > 1 {
			out.Twice = append(out.Twice, fmt.Sprintf("message %q %d times", text, n))
		}
	}
	index := map[string]state.Burst{}
	for _, b := range bursts {
		if _, ok := index[b.ID.String()]; ok {
			out.Twice = append(out.Twice, "burst "+b.ID.String())
		}
		index[b.ID.String()] = b
	}
	for _, e := range l.Entries() {
		if why := out.check(ctx, a, e, byID, index, seen); why != "" {
			out.Lost = append(out.Lost, e.Kind+" "+e.ID+": "+why)
		}
	}
	out.Disorder, err = sequence(ctx, a, l)
	return out, err
}

// List is peer.List.
func List[T any](ctx context.Context, a *peer.API, path string) ([]T, error) {
	return peer.List[T](ctx, a, path)
}

func (out *Audit) check(ctx context.Context, a *peer.API, e Entry, messages map[string]string, bursts map[string]state.Burst, seen map[string]bool) string {
	switch e.Kind {
	case "message":
		out.Messages++
		if text, ok := messages[e.ID]; !ok {
			return "not there"
		} else if text != e.Sum {
			return fmt.Sprintf("says %q", text)
		}
	case "file":
		out.Files++
		return content(ctx, a, e, "/api/v1/files/"+e.ID, seen)
	case "burst":
		out.Bursts++
		b, ok := bursts[e.ID]
		if !ok {
			return "not there"
		}
		if b.File != e.Sum {
			return "is another recording: " + b.File
		}
		return content(ctx, a, e, "/api/v1/bursts/"+e.ID+"/audio?raw=1", seen)
	}
	return ""
}

// content fetches and hashes.
func content(ctx context.Context, a *peer.API, e Entry, path string, seen map[string]bool) string {
	key := e.Kind + e.ID
	if seen[key] {
		return ""
	}
	raw, err := a.Raw(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(raw)
	if got := "sha256:" + hex.EncodeToString(sum[:]); !strings.EqualFold(got, e.Sum) {
		return fmt.Sprintf("%d octets with another hash", len(raw))
	}
	seen[key] = true
	return ""
}

// sequence reads all durable events that the user may see: their numbers only grow, and each acknowledged message has one.
func sequence(ctx context.Context, a *peer.API, l *Ledger) ([]string, error) {
	var out []string
	told, last := map[string]bool{}, uint64(0)
	for after := "0"; after != ""; {
		var page struct {
			Items []state.Event `json:"items"`
			Next  string        `json:"next"`
		}
		if err := a.Call(ctx, http.MethodGet, "/events?limit=1000&after="+after, nil, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Items {
			if e.Seq <= last {
				out = append(out, fmt.Sprintf("event %d after %d", e.Seq, last))
			}
			last = e.Seq
			told[e.Type+e.Key] = true
		}
		after = page.Next
	}
	for _, e := range l.Entries() {
		if e.Kind != "file" && !told[e.Kind+e.ID] {
			out = append(out, "no event for "+e.Kind+" "+e.ID)
		}
	}
	return out, nil
}
