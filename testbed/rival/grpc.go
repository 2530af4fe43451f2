package rival

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
)

// grpc makes unary calls over HTTP/2 (grpc/grpc, doc/PROTOCOL-HTTP2.md). One connection carries all of them.
type grpc struct {
	base string
	http *http.Client
}

const (
	grpcPrefix = 5       // a flag and the length
	maxGRPC    = 4 << 20 // octets of an answer
)

func (g *grpc) call(ctx context.Context, method string, message []byte) ([]byte, error) {
	body := make([]byte, grpcPrefix, grpcPrefix+len(message))
	binary.BigEndian.PutUint32(body[1:], uint32(len(message)))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+method, bytes.NewReader(append(body, message...)))
	if err != nil {
		return nil, fmt.Errorf("grpc: %w", err)
	}
	r.Header["Content-Type"], r.Header["Te"] = []string{"application/grpc"}, []string{"trailers"}
	res, err := g.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("grpc: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxGRPC))
	if err != nil {
		return nil, fmt.Errorf("grpc: %w", err)
	}
	status := res.Trailer.Get("Grpc-Status")
	if status == "" {
		status = res.Header.Get("Grpc-Status")
	}
	if status != "0" || len(raw) < grpcPrefix || raw[0] != 0 {
		return nil, fmt.Errorf("grpc: %s: %s, status %q %s%s", method, res.Status, status, res.Trailer.Get("Grpc-Message"), res.Header.Get("Grpc-Message"))
	}
	return raw[grpcPrefix:], nil
}

// protoBytes appends a field of octets (protobuf.dev, "Encoding").
func protoBytes(b []byte, field uint64, v []byte) []byte {
	b = binary.AppendUvarint(b, field<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// protoField finds a field: its octets, or its number. A message that cannot be read has no further fields.
func protoField(b []byte, field uint64) (octets []byte, number uint64) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, 0
		}
		b = b[n:]
		v := uint64(0)
		switch tag & 7 {
		case 0, 2:
			if v, n = binary.Uvarint(b); n <= 0 {
				return nil, 0
			}
			b = b[n:]
		default:
			return nil, 0
		}
		var body []byte
		if tag&7 == 2 {
			if v > uint64(len(b)) {
				return nil, 0
			}
			body, b = b[:v], b[v:]
		}
		if tag>>3 == field {
			return body, v
		}
	}
	return nil, 0
}
