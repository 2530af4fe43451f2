package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// newHCLog makes the logger that raft wants, writing to slog.
func newHCLog(log *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, Output: io.Discard})
	l.RegisterSink(sink{log})
	return l
}

// electionMessage is how raft warns of something ordinary: each start of a node that is alone, each change of leader.
const electionMessage = "heartbeat timeout reached, starting election"

type sink struct{ log *slog.Logger }

// Accept implements hclog.SinkAdapter. What raft calls information is debugging to us.
func (s sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case hclog.Warn:
		to = slog.LevelWarn
		if msg == electionMessage {
			to = slog.LevelInfo
		}
	case hclog.Error:
		to = slog.LevelError
	}
	fields := []any{"part", name}
	for _, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			a = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
		fields = append(fields, a)
	}
	s.log.Log(context.Background(), to, msg, fields...)
}
