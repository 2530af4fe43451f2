package speech

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
)

// Decode turns a recording of any kind that ffmpeg reads (Ogg Opus, WAV, WebM) into sound. It needs the Debian package ffmpeg: its decoder is
// not ours, so it finds what our own would forgive.
func Decode(ctx context.Context, recording []byte, rate int) (Sound, error) {
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "wav", "-ac", "1", "-ar", fmt.Sprint(rate), "-c:a", "pcm_s16le", "pipe:1")
	cmd.Stdin = bytes.NewReader(recording)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return Sound{}, fmt.Errorf("speech: decode (needs Debian package ffmpeg): %w: %s", err, complaint.String())
	}
	s, err := ReadWAV(&out)
	if err == nil && complaint.Len() > 0 {
		err = fmt.Errorf("speech: decode: ffmpeg complains: %s", complaint.String())
	}
	return s, err
}
