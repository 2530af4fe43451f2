package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/guantong-net/guantong/fusion/identity"
)

// sessionKeeper keeps log-ins over a restart of the node: a dispatcher whose server comes back is back too, without a password.
// The file holds hashes of tokens, no tokens.
type sessionKeeper struct {
	sessions *identity.Sessions
	file     string
	log      *slog.Logger
}

const (
	sessionsChanged = 500 * time.Millisecond // how old the file may be after a log-in or its end
	sessionsSeen    = time.Minute            // how old it may be about when a session was used
)

// restore reads the file. One that cannot be read costs a log-in, and is no reason not to serve.
func (k *sessionKeeper) restore() {
	data, err := os.ReadFile(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var list []identity.Saved
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		k.log.Warn("sessions are lost: everybody logs in again", "error", err)
		return
	}
	k.sessions.Merge(list)
}

func (k *sessionKeeper) save() error {
	data, err := json.Marshal(k.sessions.Save())
	if err == nil {
		err = writeFile(k.file, data)
	}
	if err != nil {
		return fmt.Errorf("keep sessions: %w", err)
	}
	return nil
}

// Run saves what changes, until ctx ends.
func (k *sessionKeeper) Run(ctx context.Context) error {
	tick := time.NewTicker(sessionsChanged)
	defer tick.Stop()
	saved, at := k.sessions.Changes(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return k.save()
		case <-tick.C:
		}
		n := k.sessions.Changes()
		if n == saved && time.Since(at) < sessionsSeen {
			continue
		}
		if err := k.save(); err != nil { // a full disk must not end the voice
			k.log.Warn("sessions are not kept", "error", err)
		}
		saved, at = n, time.Now()
	}
}
