import type { Event } from '../wire/types'

/** What to do with an event that has come: apply these, and fetch what lies after `gap` first when it is set. */
export interface Step { apply: Event[]; gap?: number }

/**
 * Resume keeps the place in the durable event stream: nothing is applied twice, nothing is skipped. Events that arrive
 * before the first lists are loaded, or behind a hole, wait here.
 */
export class Resume {
  private waiting: Event[] = []
  private open = false
  /** Set once a hole has proved to be empty: the server leaves out what we may not see, and numbers are sparse. */
  private sparse = false
  constructor(public seq = -1) {}

  /** The stream begins after seq; events wait until ready(). */
  begin(seq: number): void { this.seq = seq; this.open = false; this.waiting = [] }

  /** The lists are loaded: what waited can be applied. */
  ready(): Step { this.open = true; return this.drain() }

  take(ev: Event): Step {
    if (ev.seq <= this.seq) return { apply: [] }
    this.waiting.push(ev)
    return this.open ? this.drain() : { apply: [] }
  }

  /** What was fetched after the gap; `whole` says that it reaches up to the events that wait. */
  fill(events: Event[], whole: boolean): Step {
    for (const ev of events) if (ev.seq > this.seq) this.waiting.push(ev)
    if (!whole) return this.drain()
    const before = this.sparse
    this.sparse = true
    const step = this.drain()
    this.sparse = before || events.length === 0
    return step
  }

  private drain(): Step {
    this.waiting.sort((a, b) => a.seq - b.seq)
    const apply: Event[] = []
    while (this.waiting.length > 0) {
      const next = this.waiting[0]!
      if (next.seq > this.seq + 1 && this.seq >= 0 && !this.sparse) return { apply, gap: this.seq }
      this.waiting.shift()
      if (next.seq <= this.seq) continue
      this.seq = next.seq
      apply.push(next)
    }
    return { apply }
  }
}
