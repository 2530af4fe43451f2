package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// upload stores a file by a node and gives its attachment.
func (n *siteNode) upload(ctx context.Context, data []byte) (state.Attachment, error) {
	sum := sha256.Sum256(data)
	a := state.Attachment{Hash: "sha256:" + hex.EncodeToString(sum[:]), Name: "水位.jpg", Type: "image/jpeg", Size: int64(len(data))}
	api := n.session.Load()
	var u wire.Upload
	if err := api.Call(ctx, http.MethodPost, "/uploads", a, &u); err != nil {
		return a, err
	}
	if u.Done {
		return a, nil
	}
	h := http.Header{"Upload-Offset": {strconv.FormatInt(u.Offset, 10)}, "Content-Type": {"application/octet-stream"}}
	_, err := api.Raw(ctx, http.MethodPatch, "/api/v1/uploads/"+u.ID.String(), h, bytes.NewReader(data[u.Offset:]))
	return a, err
}

func (n *siteNode) send(ctx context.Context, a state.Attachment) (m state.Message, err error) {
	var id fusion.ID
	_, _ = rand.Read(id[:])
	q := wire.MessageRequest{To: []fusion.Number{10001}, Text: "附件", Attachments: []state.Attachment{a}, Precedence: fusion.Routine}
	err = n.session.Load().CallAs(ctx, id, http.MethodPost, "/messages", q, &m)
	return m, err
}

// onDisk tells whether a node has a content in its own directory.
func (n *siteNode) onDisk(hash string) bool {
	_, err := os.Stat(filepath.Join(n.Data(), "files", "content", hash[7:9], hash[7:]))
	return err == nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func TestAnAttachmentOutlivesTheNodeThatTookIt(t *testing.T) {
	r := three(t)
	taker := r.nodes[1]
	data := random(3 << 20)
	a, err := taker.upload(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	have := 0
	for _, n := range r.nodes {
		if n.onDisk(a.Hash) {
			have++
		}
	}
	if have < 2 {
		t.Fatalf("acknowledged, and on %d disks", have)
	}
	m, err := taker.send(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	taker.Kill() // and its disk with it
	for _, n := range []*siteNode{r.nodes[0], r.nodes[2]} {
		r.until(20*time.Second, "the attachment at "+n.id, func() bool {
			got, err := n.session.Load().Raw(t.Context(), http.MethodGet, "/api/v1/files/"+m.Attachments[0].Hash, nil, nil)
			return err == nil && bytes.Equal(got, data)
		})
	}
	r.until(20*time.Second, "both disks to have it", func() bool { return r.nodes[0].onDisk(a.Hash) && r.nodes[2].onDisk(a.Hash) })
	if err := os.RemoveAll(filepath.Join(taker.Data(), "files", "content")); err != nil {
		t.Fatal(err)
	}
	r.again(taker) // it finds what it lacks by comparing
	r.until(30*time.Second, "the lost disk to be filled again", func() bool { return taker.onDisk(a.Hash) && r.status(taker).Files.Lacking == 0 })
	if st := r.status(taker).Files; st.Fetched == 0 || len(st.Silent) > 0 {
		t.Errorf("%+v", st)
	}
}
