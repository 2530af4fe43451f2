package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/testbed/peer"
)

// patch sends one piece of an upload and reads where it stands then.
func patch(ctx context.Context, a *peer.API, u *wire.Upload, piece []byte) error {
	header := http.Header{"Upload-Offset": {fmt.Sprint(u.Offset)}, "Content-Type": {"application/octet-stream"}}
	raw, err := a.Raw(ctx, http.MethodPatch, "/api/v1/uploads/"+u.ID.String(), header, bytes.NewReader(piece))
	if err != nil {
		return err
	}
	var next wire.Upload
	if err := json.Unmarshal(raw, &next); err != nil {
		return fmt.Errorf("load: upload: %w", err)
	}
	if next.ID.IsZero() {
		next.ID = u.ID
	}
	*u = next
	return nil
}
