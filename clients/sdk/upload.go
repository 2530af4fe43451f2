package sdk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// chunk is how much of a file one request carries, in octets.
const chunk = 256 << 10

// Upload stores a file and gives the attachment for a message. Called again after a failure it goes on where it stopped.
func (c *Client) Upload(ctx context.Context, name, kind string, r io.ReadSeeker) (state.Attachment, error) {
	h := sha256.New()
	size, err := io.Copy(h, r)
	if err != nil {
		return state.Attachment{}, fmt.Errorf("upload %s: %w", name, err)
	}
	a := state.Attachment{Hash: "sha256:" + hex.EncodeToString(h.Sum(nil)), Name: name, Type: kind, Size: size}
	for tries := len(c.places()); ; tries-- {
		u, err := c.BeginUpload(ctx, NewID(), a)
		for err == nil && !u.Done {
			if _, err = r.Seek(u.Offset, io.SeekStart); err == nil {
				u, err = c.AppendUpload(ctx, u.ID, u.Offset, io.LimitReader(r, chunk))
			}
		}
		// What a node has of a file is its own: the next one begins anew.
		if moved := unanswered(err) || fusion.ReasonOf(err) == "upload_unknown"; err == nil || !moved || tries <= 1 || ctx.Err() != nil {
			return a, err
		}
	}
}

// BeginUpload promises a file.
func (c *Client) BeginUpload(ctx context.Context, id fusion.ID, a state.Attachment) (wire.Upload, error) {
	return post[wire.Upload](ctx, c, "/uploads", id, map[string]any{"name": a.Name, "type": a.Type, "size": a.Size, "hash": a.Hash})
}

// AppendUpload sends the octets that follow offset.
func (c *Client) AppendUpload(ctx context.Context, id fusion.ID, offset int64, r io.Reader) (wire.Upload, error) {
	var out wire.Upload
	h := http.Header{"Upload-Offset": {strconv.FormatInt(offset, 10)}}
	err := c.do(ctx, request{method: "PATCH", path: v1 + "/uploads/" + id.String(), body: r, kind: "application/octet-stream", header: h}, &out)
	return out, err
}
