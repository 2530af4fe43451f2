import { describe, expect, it } from 'vitest'
import { Resume } from '../../src/record/resume'
import { DEAD_MS, Heartbeat } from '../../src/wire/heartbeat'
import { backoff } from '../../src/wire/socket'
import type { Event } from '../../src/wire/types'

const ev = (seq: number): Event => ({ seq, at: 0, type: 'message', key: String(seq) })
const seqs = (s: { apply: Event[] }) => s.apply.map((e) => e.seq)

describe('the event stream', () => {
  it('holds events until the lists are loaded, then applies them in order', () => {
    const r = new Resume()
    r.begin(10)
    expect(seqs(r.take(ev(12)))).toEqual([])
    r.take(ev(11))
    expect(seqs(r.ready())).toEqual([11, 12])
    expect(r.seq).toBe(12)
  })
  it('drops what it has seen', () => {
    const r = new Resume()
    r.begin(10); r.ready()
    expect(seqs(r.take(ev(10)))).toEqual([])
    expect(seqs(r.take(ev(11)))).toEqual([11])
    expect(seqs(r.take(ev(11)))).toEqual([])
  })
  it('stops at a hole, asks for what is missing, and goes on without repeat', () => {
    const r = new Resume()
    r.begin(10); r.ready()
    expect(r.take(ev(13))).toEqual({ apply: [], gap: 10 })
    expect(seqs(r.fill([ev(11), ev(12), ev(13)], true))).toEqual([11, 12, 13])
    expect(seqs(r.take(ev(14)))).toEqual([14])
  })
  it('goes on past numbers that are kept from us, without asking each time', () => {
    const r = new Resume()
    r.begin(10); r.ready()
    expect(r.take(ev(13)).gap).toBe(10)
    expect(seqs(r.fill([], true))).toEqual([13])
    expect(r.take(ev(20))).toEqual({ apply: [ev(20)] })
  })
  it('goes on with the next page while a hole is larger than one', () => {
    const r = new Resume()
    r.begin(0); r.ready()
    r.take(ev(4))
    expect(r.fill([ev(1)], false)).toEqual({ apply: [ev(1)], gap: 1 })
    expect(seqs(r.fill([ev(2), ev(3)], true))).toEqual([2, 3, 4])
  })
})

describe('the heartbeat', () => {
  it('takes a silent server for dead after three beats', () => {
    const h = new Heartbeat(0)
    for (let t = 250; t <= 750; t += 250) expect(h.dead(t)).toBe(false)
    expect(h.dead(DEAD_MS + 200)).toBe(true)
  })
  it('does not blame the server for a page that stood still', () => {
    const h = new Heartbeat(0)
    expect(h.dead(250)).toBe(false)
    expect(h.dead(60000)).toBe(false)
    h.hear(60100)
    expect(h.dead(60250)).toBe(false)
  })
  it('comes back at once, then slower, never all at the same instant', () => {
    expect(backoff(0, 0.5)).toBe(0)
    expect(backoff(9, 0)).toBe(1500)
    expect(backoff(9, 1)).toBe(2500)
  })
})
