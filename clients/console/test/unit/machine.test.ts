import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/floor/machine'
import { Ptt } from '../../src/floor/machine'
import type { Indication } from '../../src/wire/types'

const ind = (talk: string, kind: Indication['kind'], more: Partial<Indication> = {}): Indication => ({ talk, kind, request: 'r1', precedence: 'routine', hearing: 2, ...more })
const names = (effects: Effect[]) => effects.map((e) => (e.do === 'mic' ? `mic ${e.on ? 'on' : 'off'}` : e.do === 'tone' ? `tone ${e.tone}` : e.do))

describe('the talk key', () => {
  it('opens the microphone with the key, before the answer, so that the first syllable is there', () => {
    const p = new Ptt()
    expect(names(p.press('r1', ['10001'], true))).toEqual(['mic on', 'press', 'timer'])
    expect(p.state).toBe('requesting')
    expect(names(p.indicate(ind('10001', 'granted')))).toEqual(['tone grant'])
    expect(p.state).toBe('granted')
    expect(names(p.release())).toEqual(['mic off', 'release'])
    expect(p.state).toBe('idle')
  })
  it('sounds another tone when nobody hears', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    expect(names(p.indicate(ind('10001', 'granted', { hearing: 0 })))).toEqual(['tone nobody'])
  })
  it('closes the microphone while queued and opens it when granted', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    expect(names(p.indicate(ind('10001', 'queued', { place: 2 })))).toEqual(['mic off', 'tone queued'])
    expect(p.place).toBe(2)
    expect(names(p.indicate(ind('10001', 'queued', { place: 1 })))).toEqual([])
    expect(names(p.indicate(ind('10001', 'granted')))).toEqual(['mic on', 'tone grant'])
  })
  it('takes a queued request back on release', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    p.indicate(ind('10001', 'queued'))
    expect(names(p.release())).toEqual(['release'])
  })
  it('stops when revoked, says why, and does not talk again until pressed again', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    p.indicate(ind('10001', 'granted'))
    expect(names(p.indicate(ind('10001', 'revoked', { cause: 'burst_too_long' })))).toEqual(['mic off', 'tone revoked'])
    expect([p.state, p.cause]).toEqual(['denied', 'burst_too_long'])
    expect(names(p.release())).toEqual([])
    expect(names(p.press('r2', ['10001'], true))).toEqual(['mic on', 'press', 'timer'])
  })
  it('talks to those of several that granted, and releases only what it holds or waits for', () => {
    const p = new Ptt()
    p.press('r1', ['1', '2', '3'], true)
    expect(names(p.indicate(ind('1', 'denied', { cause: 'receive_only' })))).toEqual(['tone deny'])
    expect(p.state).toBe('requesting')
    p.indicate(ind('2', 'granted'))
    expect(names(p.indicate(ind('3', 'queued')))).toEqual(['tone queued'])
    expect(p.state).toBe('granted')
    expect(p.release()).toEqual([{ do: 'mic', on: false }, { do: 'release', talks: ['2', '3'] }])
  })
  it('refuses locally without a selection, a microphone or a link, and sends nothing', () => {
    for (const [talks, ready] of [[[], true], [['1'], 'mic_denied'], [['1'], 'link_lost']] as const) {
      const p = new Ptt()
      expect(names(p.press('r1', [...talks], ready))).toEqual(['tone deny'])
      expect(p.state).toBe('denied')
      expect(names(p.release())).toEqual([])
    }
  })
  it('gives up a request that nobody answers, and ignores the timer of an older one', () => {
    const p = new Ptt()
    p.press('r1', ['1'], true)
    expect(p.expire('r0')).toEqual([])
    expect(names(p.expire('r1'))).toEqual(['release', 'mic off', 'tone deny'])
  })
  it('is cut off when the server is lost', () => {
    const p = new Ptt()
    p.press('r1', ['1'], true)
    p.indicate(ind('1', 'granted'))
    expect(names(p.lost('link_lost'))).toEqual(['mic off', 'tone revoked'])
    expect(names(p.lost('link_lost'))).toEqual([])
  })
  it('ignores answers to other requests, other talks, and a key that is up', () => {
    const p = new Ptt()
    expect(p.indicate(ind('1', 'granted'))).toEqual([])
    p.press('r1', ['1'], true)
    expect(p.indicate(ind('1', 'granted', { request: 'r9' }))).toEqual([])
    expect(p.indicate(ind('2', 'granted'))).toEqual([])
    expect(p.state).toBe('requesting')
  })
  it('never leaves the microphone open after any order of inputs and a release', () => {
    const kinds: Indication['kind'][] = ['granted', 'taken', 'denied', 'idle', 'revoked', 'queued', 'unqueued', 'ended']
    let seed = 7
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n
    for (let run = 0; run < 2000; run++) {
      const p = new Ptt()
      let mic = false
      const follow = (es: Effect[]) => { for (const e of es) if (e.do === 'mic') mic = e.on }
      follow(p.press('r1', ['1', '2'], true))
      for (let i = 0; i < random(8); i++) follow(p.indicate(ind(String(1 + random(2)), kinds[random(kinds.length)]!)))
      expect(mic).toBe(p.state === 'granted' || p.state === 'requesting')
      follow(p.release())
      expect(mic).toBe(false)
    }
  })
  it('keeps talking through a move to another node: no tone, and the burst goes on', () => {
    const p = new Ptt()
    p.press('r1', ['10001', '10002', '10003'], true)
    p.indicate(ind('10001', 'granted'))
    p.indicate(ind('10002', 'denied'))
    p.indicate(ind('10003', 'granted'))
    expect(names(p.move())).toEqual(['timer'])
    expect(p.state).toBe('granted')
    const effects = p.arrive('r2')
    expect(names(effects)).toEqual(['press', 'timer'])
    expect(effects[0]).toEqual({ do: 'press', request: 'r2', talks: ['10001', '10003'], resume: 'r1' })
    expect(names(p.indicate(ind('10001', 'granted', { request: 'r2' })))).toEqual([])
    expect(p.state).toBe('granted')
    expect(p.expire('move r1')).toEqual([])
    expect(names(p.release())).toEqual(['mic off', 'release'])
  })
  it('knows when a request was lost with the arbiter that it was for', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    p.indicate(ind('10001', 'granted'))
    expect(p.lostRequest).toBe(false)
    p.move()
    p.arrive('r2')
    p.indicate(ind('10001', 'queued', { request: 'r2', place: 1 }))
    expect(p.lostRequest).toBe(false)
    p.indicate(ind('10001', 'idle', { request: undefined }))
    expect(p.lostRequest).toBe(true)
    expect(p.arrive('r3')[1]).toMatchObject({ do: 'press', request: 'r3', resume: 'r1' })
    p.indicate(ind('10001', 'granted', { request: 'r3' }))
    expect([p.lostRequest, p.state]).toEqual([false, 'granted'])
  })
  it('says so when the floor went to somebody else during a move', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    p.indicate(ind('10001', 'granted'))
    p.move()
    p.arrive('r2')
    expect(names(p.indicate(ind('10001', 'denied', { request: 'r2', cause: 'another_has_permission' })))).toEqual(['mic off', 'tone revoked'])
    expect(p.state).toBe('denied')
  })
  it('gives up when no other node takes it in time, and asks anew for what was not granted yet', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    p.indicate(ind('10001', 'granted'))
    p.move()
    expect(p.expire('r1')).toEqual([]) // the timer of the press
    expect(names(p.expire('move r1'))).toEqual(['mic off', 'tone revoked'])
    expect([p.state, p.cause]).toEqual(['denied', 'link_lost'])
    expect(p.arrive('r2')).toEqual([])
    p.release()
    p.press('r3', ['10001'], true)
    p.move()
    expect(p.arrive('r4')[0]).toEqual({ do: 'press', request: 'r4', talks: ['10001'] })
    p.release()
    expect(p.move()).toEqual([])
    expect(p.arrive('r5')).toEqual([])
  })
})
