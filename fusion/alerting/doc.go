// Package alerting sees to it that an emergency alert which nobody takes becomes louder: after 15 s every console sounds, after
// 30 s the duty phones ring, after 60 s the parent site is called.
//
// Each stage is written into the record (AlertEscalate), so a restart goes on where the ladder stood. What rings, rings before the stage is
// written down: after a crash in between it rings twice rather than never.
//
// Clocks and deeds are handed in. Any package but pure ones may import it.
package alerting
