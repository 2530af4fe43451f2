package store

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// badgerLog hands badger's lines to slog; what badger calls information is debugging to us.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) write(level slog.Level, format string, args []any) {
	if l.log == nil || !l.log.Enabled(context.Background(), level) {
		return
	}
	l.log.Log(context.Background(), level, "store", "badger", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l badgerLog) Errorf(format string, args ...any)   { l.write(slog.LevelError, format, args) }
func (l badgerLog) Warningf(format string, args ...any) { l.write(slog.LevelWarn, format, args) }
func (l badgerLog) Infof(format string, args ...any)    { l.write(slog.LevelDebug, format, args) }
func (l badgerLog) Debugf(string, ...any)               {}
