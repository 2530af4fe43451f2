/** The server beats every 250 ms; three missed beats mean that it is dead (browser-side timers allow a little slack). */
export const BEAT_MS = 250
export const DEAD_MS = 3 * BEAT_MS + 50

/**
 * Heartbeat decides when a silent connection is dead. It is fed with the time of everything heard and of every look at the clock.
 * A look that itself came late (page frozen, main thread busy) proves nothing about the server: the count starts anew.
 */
export class Heartbeat {
  private heard: number
  private looked: number
  constructor(now: number) { this.heard = now; this.looked = now }
  hear(now: number): void { this.heard = now }
  /** Whether the server has to be taken for dead. */
  dead(now: number): boolean {
    const late = now - this.looked > 2 * BEAT_MS
    this.looked = now
    if (late) { this.heard = Math.max(this.heard, now - BEAT_MS); return false }
    return now - this.heard > DEAD_MS
  }
}
